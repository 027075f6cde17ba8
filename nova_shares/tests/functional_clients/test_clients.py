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

"""Server shares with the stock clients, unmodified."""

import json
import os
import subprocess
import sys

import testtools

from nova_shares.tests.functional import cloud

_SDK_TEST = (
    "openstack.tests.functional.compute_shared_file_system.v2."
    "test_server_share.TestServerShare"
)
#: The clouds that openstacksdk's functional tests expect.
_DEVSTACK = """\
clouds:
  devstack: &member
    region_name: RegionOne
    auth: &auth
      auth_url: {url}/identity/v3
      username: member
      password: devcloud
      user_domain_id: default
      project_domain_id: default
      project_name: demo
  devstack-alt:
    <<: *member
    auth:
      <<: *auth
      username: other
      project_name: other
  devstack-admin:
    <<: *member
    auth:
      <<: *auth
      username: admin
      project_name: admin
  devstack-system-admin:
    region_name: RegionOne
    auth:
      auth_url: {url}/identity/v3
      username: admin
      password: devcloud
      user_domain_id: default
      system_scope: all
"""


class ClientsCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())

    def run_client(self, command, **environment):
        """Run a program; returns its exit status and all it wrote."""
        kept = {k: v for k, v in os.environ.items() if k[:3] != "OS_"}
        done = subprocess.run(
            command,
            env={**kept, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout


class OpenstackTest(ClientsCase):
    """python-openstackclient with the clouds.yaml that we print."""

    def setUp(self):
        super().setUp()
        self.server = self.c.server()
        self.share = self.c.share()
        self.clouds = self.c.aio.write_clouds()

    def openstack(self, *arguments, user="member", status=0):
        """Run the client; returns what it wrote."""
        program = os.path.join(os.path.dirname(sys.executable), "openstack")
        ended, output = self.run_client(
            [program, *arguments],
            OS_CLIENT_CONFIG_FILE=self.clouds,
            OS_CLOUD=user,
            # What it writes is to be JSON and nothing else.
            PYTHONWARNINGS="ignore",
        )
        self.assertEqual(status, ended, output)
        return output

    def show(self, user="member"):
        names = ("server", "share", "show", self.server, self.share)
        return json.loads(self.openstack(*names, "-f", "json", user=user))

    def list(self, user="member"):
        names = ("server", "share", "list", self.server)
        return json.loads(self.openstack(*names, "-f", "json", user=user))

    def test_as_member(self):
        added = json.loads(
            self.openstack(
                *("server", "add", "share", self.server, self.share),
                *("--tag", "data", "-f", "json"),
            )
        )
        self.assertEqual(
            (self.share, "attaching", "data"),
            (added["Share ID"], added["Status"], added["Tag"]),
        )
        self.c.see(self.server, self.share, "inactive")
        [row] = self.list()
        expected = {
            "Share ID": self.share,
            "Status": "inactive",
            "Tag": "data",
        }
        self.assertEqual(expected, row)
        self.assertEqual(expected, self.show())
        self.openstack("server", "start", self.server)
        self.c.see(self.server, self.share, "active")
        refused = self.openstack(
            *("server", "remove", "share", self.server, self.share), status=1
        )
        self.assertIn("while it is in vm_state active", refused)
        self.openstack("server", "stop", self.server)
        self.c.see(self.server, self.share, "inactive")
        self.openstack("server", "remove", "share", self.server, self.share)
        self.c.see(self.server, self.share, None)
        self.assertEqual([], self.list())

    def test_as_admin(self):
        self.openstack(
            *("server", "add", "share", self.server, self.share),
            user="admin",
        )
        self.c.see(self.server, self.share, "inactive")
        [row] = self.list("admin")
        self.assertIn(self.share, row.values())
        shown = self.show("admin")
        mapping = self.c.mapping(self.server, self.share)
        self.assertEqual(
            (mapping.export_location, mapping.uuid, self.share),
            (shown["Export Location"], shown["UUID"], shown["Tag"]),
        )
        self.openstack(
            *("server", "remove", "share", self.server, self.share),
            user="admin",
        )
        self.c.see(self.server, self.share, None)

    def test_as_reader(self):
        self.assertEqual([], self.list("reader"))
        refused = self.openstack(
            *("server", "add", "share", self.server, self.share),
            user="reader",
            status=1,
        )
        self.assertIn("os_compute_api:os-server-shares:create", refused)


class SdkTest(ClientsCase):
    """openstacksdk's own functional test of share attachments."""

    def test_the_test_of_the_sdk(self):
        clouds = os.path.join(self.c.aio.directory, "devstack.yaml")
        with open(clouds, "w") as f:
            f.write(_DEVSTACK.format(url=self.c.cloud.url))
        status, output = self.run_client(
            [sys.executable, "-W", "ignore", "-m", "unittest", _SDK_TEST],
            OS_CLIENT_CONFIG_FILE=clouds,
            # It waits two seconds at a time, and has five by default.
            OS_TEST_TIMEOUT="90",
            OPENSTACKSDK_FLAVOR="m1.tiny",
            OPENSTACKSDK_IMAGE="disk",
            OPENSTACKSDK_FUNC_TEST_TIMEOUT="60",
        )
        self.assertEqual(0, status, output)
        self.assertIn("Ran 1 test in", output)
        self.assertNotIn("skipped", output)
        [server] = self.c.cloud.servers.values()
        self.assertTrue(server.deleted)
        cloud.wait_for(
            lambda: not self.c.store.list_all() and not self.c.rules(),
            "something is left of a deleted server",
        )
