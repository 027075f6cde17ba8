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

"""What stock clients see, whatever the deployment.

A class of a deployment has these as its bases, and says which it is.
"""

import json
import os
import subprocess
import sys
import uuid

from tempest.lib import auth
from tempest.lib import exceptions
from tempest.lib.services.compute import base_compute_client
from tempest.lib.services.compute import servers_client
import testtools

from nova_shares.tests.clients import openstack_command

_SDK_TEST = (
    "openstack.tests.functional.compute_shared_file_system.v2."
    "test_server_share.TestServerShare"
)
_PROJECTS = {"admin": "admin", "other": "other"}
#: A cloud by the name that openstacksdk's functional tests expect.
_CLOUD = """\
  {name}:
    region_name: RegionOne
    compute_api_version: "{version}"
    # The client's own default is newer than devcloud's Manila.
    shared_file_system_api_version: "2"
    auth:
      auth_url: {url}
      username: {user}
      password: devcloud
      user_domain_id: default
      {scope}
"""
_BY_POLICY = "Policy doesn't allow os_compute_api:os-server-shares:{}"


class Case(testtools.TestCase):
    """Cases in a deployment.

    :cvar deployment: makes the deployment; one serves all tests of a class
    """

    deployment = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.d = cls.deployment()
        cls.d.setUp()
        cls.addClassCleanup(cls.d.cleanUp)
        cls.clouds = os.path.join(cls.d.directory, "clouds.yaml")
        with open(cls.clouds, "w") as file:
            file.write("clouds:\n")
            for name, user in (
                ("admin", "admin"),
                ("member", "member"),
                ("reader", "reader"),
                ("other", "other"),
                ("devstack", "member"),
                ("devstack-alt", "other"),
                ("devstack-admin", "admin"),
                ("devstack-system-admin", None),
            ):
                file.write(cls._cloud(name, user))

    @classmethod
    def _cloud(cls, name, user):
        scope = "system_scope: all"
        if user is not None:
            project = _PROJECTS.get(user, "demo")
            scope = (
                f"project_name: {project}\n      project_domain_id: default"
            )
        return _CLOUD.format(
            name=name,
            url=cls.d.url,
            user=user or "admin",
            scope=scope,
            version="2" if name.startswith("devstack") else "2.97",
        )

    def environment(self, **more):
        """Make the environment of a client."""
        kept = {k: v for k, v in os.environ.items() if k[:3] != "OS_"}
        return {**kept, "OS_CLIENT_CONFIG_FILE": self.clouds, **more}

    def openstack(self, *arguments, user="member", status=0):
        """Run python-openstackclient; returns what it wrote."""
        path = os.path.join(self.d.directory, "output")
        ended = openstack_command.run(
            arguments, self.environment(OS_CLOUD=user), path
        )
        with open(path) as file:
            output = file.read()
        self.assertEqual(status, ended, output)
        return output

    def read(self, *arguments, **how):
        """Run a command that shows something; returns what it shows."""
        return json.loads(self.openstack(*arguments, "-f", "json", **how))


class WithServer:
    """Cases with a server and a share that no other test has."""

    def setUp(self):
        super().setUp()
        suffix = uuid.uuid4().hex[:8]
        self.names = (f"vm-{suffix}", f"data-{suffix}")
        self.server = self.d.server(self.names[0])
        self.share = self.d.share(self.names[1])

    def see(self, status):
        self.d.see(self.server, self.share, status)


class OpenstackCases(WithServer):
    """The four commands of python-openstackclient."""

    def _story(self, server, share, user="member"):
        """Add, list, show and remove, as a user who may."""
        how = {"user": user}
        added = self.read(
            *("server", "add", "share", server, share, "--tag", "data"), **how
        )
        expected = {"Share ID": self.share, "Tag": "data"}
        self.assertEqual(
            {**expected, "Status": "attaching"},
            {name: added[name] for name in ("Share ID", "Status", "Tag")},
        )
        self.see("inactive")
        expected["Status"] = "inactive"
        [row] = self.read("server", "share", "list", server, **how)
        self.assertEqual(expected, row)
        shown = self.read("server", "share", "show", server, share, **how)
        self.assertEqual(expected, {name: shown[name] for name in expected})
        self.openstack("server", "remove", "share", server, share, **how)
        self.see(None)
        self.assertEqual(
            [], self.read("server", "share", "list", server, **how)
        )
        return added, shown

    def test_member_by_name(self):
        for answer in self._story(*self.names):
            self.assertEqual({"Share ID", "Status", "Tag"}, set(answer))

    def test_member_by_id_on_a_server_that_starts(self):
        ids = (self.server, self.share)
        self.openstack("server", "add", "share", *ids)
        self.see("inactive")
        self.openstack("server", "start", self.server)
        self.see("active")
        self.assertEqual(
            {
                "Share ID": self.share,
                "Status": "active",
                "Tag": self.share,
            },
            self.read("server", "share", "show", *ids),
        )
        refused = self.openstack("server", "remove", "share", *ids, status=1)
        self.assertIn("while it is in vm_state active", refused)
        self.openstack("server", "stop", self.server)
        self.see("inactive")
        self.openstack("server", "remove", "share", *ids)
        self.see(None)

    def test_admin_by_id(self):
        _, shown = self._story(self.server, self.share, "admin")
        self.assertIn(":/", shown["Export Location"])
        self.assertIn("UUID", shown)

    def test_reader(self):
        self.openstack("server", "add", "share", self.server, self.share)
        self.see("inactive")
        for server, share in (self.names, (self.server, self.share)):
            add, listing, show, remove = self._commands(server, share)
            [row] = self.read(*listing, user="reader")
            self.assertEqual(row, self.read(*show, user="reader"))
            for command, name in ((add, "create"), (remove, "delete")):
                refused = self.openstack(*command, user="reader", status=1)
                self.assertIn(_BY_POLICY.format(name), refused)
        self.see("inactive")
        self.openstack("server", "remove", "share", self.server, self.share)
        self.see(None)

    def test_no_such_server(self):
        """A name is looked for in the caller's project, even an admin's."""
        for user, server, share in (
            ("admin", *self.names),
            ("other", *self.names),
            ("other", self.server, self.share),
        ):
            for command in self._commands(server, share):
                refused = self.openstack(*command, user=user, status=1)
                self.assertIn(f"No Server found for {server}", refused)

    def _commands(self, server, share):
        return (
            ("server", "add", "share", server, share),
            ("server", "share", "list", server),
            ("server", "share", "show", server, share),
            ("server", "remove", "share", server, share),
        )


class VersionCases:
    """What the clients find out by the version documents."""

    def test_the_maximum(self):
        versions = self.read("versions", "show", "--service", "compute")
        self.assertIn("2.97", [row["Max Microversion"] for row in versions])


class SdkCases:
    """openstacksdk's own functional test of share attachments."""

    def test_the_test_of_the_sdk(self):
        before = {mapping.uuid for mapping in self.d.store.list_all()}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "unittest", _SDK_TEST],
            env=self.environment(
                # It waits two seconds at a time, and has five by default.
                OS_TEST_TIMEOUT="90",
                OPENSTACKSDK_FLAVOR=self.d.flavor,
                OPENSTACKSDK_IMAGE="disk",
                OPENSTACKSDK_FUNC_TEST_TIMEOUT="60",
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn("Ran 1 test in", done.stdout)
        self.assertNotIn("skipped", done.stdout)
        # Its clean-up hides what fails in it.
        self.assertEqual(
            set(), {m.uuid for m in self.d.store.list_all()} - before
        )


class TempestCases(WithServer):
    """tempest's client of servers; it checks each answer by its schemas."""

    def setUp(self):
        super().setUp()
        self.patch(base_compute_client, "COMPUTE_MICROVERSION", "2.97")

    def client(self, user):
        """Make the client of a user."""
        provider = auth.KeystoneV3AuthProvider(
            auth.KeystoneV3Credentials(
                username=user,
                password="devcloud",
                project_name=_PROJECTS.get(user, "demo"),
                user_domain_name="Default",
                project_domain_name="Default",
                domain_name="Default",
            ),
            self.d.url,
        )
        return servers_client.ServersClient(provider, "compute", "RegionOne")

    def test_the_calls(self):
        member = self.client("member")
        added = member.attach_share(
            self.server, share_id=self.share, tag="data"
        )
        self.assertEqual("attaching", added["share"]["status"])
        self.see("inactive")
        [row] = member.list_share_attachments(self.server)["shares"]
        shown = member.show_share_attachment(self.server, self.share)["share"]
        self.assertEqual(row, shown)
        seen = self.client("admin").show_share_attachment(
            self.server, self.share
        )["share"]
        self.assertEqual(
            row,
            {k: v for k, v in seen.items() if k not in _ADMINS},
        )
        self.assertLessEqual(_ADMINS, set(seen))
        reader = self.client("reader")
        self.assertEqual(
            [row], reader.list_share_attachments(self.server)["shares"]
        )
        for refused in (
            lambda: reader.detach_share(self.server, self.share),
            lambda: self._other().list_share_attachments(self.server),
            lambda: self._other().detach_share(self.server, self.share),
        ):
            self.assertRaises(exceptions.Forbidden, refused)
        member.detach_share(self.server, self.share)
        self.see(None)
        self.assertRaises(
            exceptions.NotFound,
            lambda: member.show_share_attachment(self.server, self.share),
        )

        # Nova's own calls, at 2.97, are as its schemas have them.
        shown = member.show_server(self.server)["server"]
        self.assertEqual(self.names[0], shown["name"])
        listed = member.list_servers(detail=True)["servers"]
        self.assertIn(self.server, [server["id"] for server in listed])

    def _other(self):
        return self.client("other")


#: What administrators alone see of a mapping.
_ADMINS = {"uuid", "export_location"}
