# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The commands of the installation guide that need a real Keystone."""

import os
import pty
import sys
import uuid

import testtools

from nova_shares.tests import documents
from nova_shares.tests.functional_manila import real


class ServiceUserTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.name = f"nova-shares-{uuid.uuid4().hex[:8]}"
        self.environ = {
            **{k: v for k, v in os.environ.items() if k[:3] != "OS_"},
            "OS_AUTH_URL": f"{real.KEYSTONE}/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": real.PASSWORD,
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_IDENTITY_API_VERSION": "3",
            "PYTHONWARNINGS": "ignore",
        }

    def type(self, line, answer=""):
        """Type a line at a terminal, and an answer at each prompt."""
        programs = os.path.dirname(sys.executable)
        path = f"{programs}:{self.environ['PATH']}"
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(
                "sh", ["sh", "-c", line], {**self.environ, "PATH": path}
            )
        said = b""
        while True:
            try:
                new = os.read(terminal, 4096)
            except OSError:
                break
            if not new:
                break
            said += new
            if new.rstrip().lower().endswith(b"password:"):
                os.write(terminal, answer.encode() + b"\n")
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        text = said.decode()
        self.assertEqual(0, os.waitstatus_to_exitcode(status), text)
        return text

    def test_the_service_user(self):
        commands = [
            command.replace("nova-shares", self.name)
            for block in documents.blocks("install/api")
            if block.section == "Create the service user"
            for _, command in block.commands()
        ]
        self.assertEqual(2, len(commands), commands)
        create, add = commands
        self.type(create, "documented")
        self.addCleanup(self.type, f"openstack user delete {self.name}")
        self.type(add)
        self.environ.update(
            OS_USERNAME=self.name,
            OS_PASSWORD="documented",
            OS_PROJECT_NAME="service",
        )
        roles = self.type(
            "openstack role assignment list --names --auth-user"
            " --auth-project -f value -c Role"
        )
        self.environ.update(
            OS_USERNAME="admin",
            OS_PASSWORD=real.PASSWORD,
            OS_PROJECT_NAME="admin",
        )
        self.assertEqual(["admin"], roles.split())
