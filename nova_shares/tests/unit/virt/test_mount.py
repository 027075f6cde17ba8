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

"""What the agent takes of the mount helper."""

import uuid

from oslo_config import cfg
import testtools

from nova_shares import exception
from nova_shares.mounts import config as mount_config
from nova_shares.virt import mount


class HelperTest(testtools.TestCase):
    def ask(self, script):
        mounts = mount.Mounts(mount_config.Config(), ["sh", "-c", script])
        return mounts.ask_seen(str(uuid.uuid4()))

    def test_warnings_of_sudo_are_not_its_answer(self):
        said = "sudo: unable to resolve host x: Name or service not known"
        for script in (
            """echo '{"seen": true}'""",
            f"""echo '{said}' >&2; echo '{{"seen": true}}'""",
            f"""echo '{said}' >&2; echo >&2; echo '{{"seen": true}}'; echo""",
        ):
            self.assertIs(True, self.ask(script))

    def test_what_is_no_answer(self):
        for script, says in (
            ("exit 3", "failed (3): no output"),
            ("echo sudo: a password is required; exit 1", "a password is"),
            ("""echo '{"seen": true}'; echo more""", "failed (0): more"),
        ):
            error = self.assertRaises(exception.StepFailed, self.ask, script)
            self.assertIn(says, error.message)

    def test_a_command_that_cannot_be_read(self):
        self.assertEqual(
            ["sudo", "-n", "a b"], mount.helper_command("sudo -n 'a b'")
        )
        self.assertRaises(cfg.Error, mount.helper_command, 'sudo "x')
