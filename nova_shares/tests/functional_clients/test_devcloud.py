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

"""devcloud and the stock clients, unmodified."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import fixtures
import openstack

from nova_shares.tests.functional.devcloud import base


class ClientsTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.clouds = os.path.join(directory, "clouds.yaml")
        with open(self.clouds, "w") as f:
            f.write(self.served.clouds_yaml())
        self.server = self.cloud.create_server("vm")
        self.share = self.cloud.create_share("data")


class SDKTest(ClientsTestCase):
    def connect(self, user):
        connection = openstack.connection.Connection(
            config=openstack.config.OpenStackConfig(
                config_files=[self.clouds], load_envvars=False
            ).get_one(user)
        )
        self.addCleanup(connection.close)
        return connection

    def test_servers(self):
        compute = self.connect("member").compute
        self.assertEqual(["vm"], [s.name for s in compute.servers()])
        server = compute.find_server("vm", ignore_missing=False)
        self.assertEqual(
            ("ACTIVE", self.server.project_id, None),
            (server.status, server.project_id, server.compute_host),
        )
        compute.stop_server(server)
        server = compute.wait_for_server(server, "SHUTOFF", wait=5)
        compute.start_server(server)
        server = compute.wait_for_server(server, "ACTIVE", wait=5)
        compute.lock_server(server)
        self.assertIs(True, compute.get_server(server).is_locked)
        compute.unlock_server(server)
        compute.delete_server(server)
        self.assertIsNone(compute.find_server("vm"))

    def test_create_server(self):
        connection = self.connect("member")
        server = connection.compute.create_server(
            name="new",
            image_id=connection.image.find_image("disk").id,
            flavor_id=connection.compute.find_flavor("m1.hugepages").id,
            networks="none",
        )
        server = connection.compute.wait_for_server(server, wait=5)
        self.assertEqual(
            {"hw:mem_page_size": "large"}, server.flavor.extra_specs
        )

    def test_admin_sees_hosts(self):
        compute = self.connect("admin").compute
        (server,) = compute.servers(all_projects=True)
        self.assertEqual("devcloud", server.compute_host)

    def test_shares(self):
        manila = self.connect("member").shared_file_system
        self.assertEqual(["data"], [s.name for s in manila.shares()])
        found = manila.find_share("data", ignore_missing=False)
        share = manila.get_share(found.id)
        self.assertEqual(
            (self.share.id, "NFS"), (share.id, share.share_protocol)
        )
        (place,) = manila.export_locations(share.id)
        self.assertIs(True, place.is_preferred)
        made = manila.create_share(name="new", size=1, share_protocol="NFS")
        manila.delete_share(made)
        self.assertIsNone(manila.find_share("new"))

    def test_access_rules(self):
        manila = self.connect("admin").shared_file_system
        rule = manila.create_access_rule(
            self.share.id,
            access_type="ip",
            access_to="192.0.2.1",
            access_level="rw",
            lock_visibility=True,
            lock_deletion=True,
            lock_reason="in use",
        )
        (seen,) = manila.access_rules(self.share.id)
        self.assertEqual((rule.id, "active"), (seen.id, seen.state))
        locks = list(manila.resource_locks(resource_id=rule.id))
        self.assertEqual(
            {"show", "delete"}, {lock.resource_action for lock in locks}
        )
        manila.delete_access_rule(rule.id, self.share.id, unrestrict=True)
        self.assertEqual([], list(manila.access_rules(self.share.id)))


class CLITest(ClientsTestCase):
    def openstack(self, *arguments, user="member"):
        """Run the stock client; returns its exit status and output."""
        done = subprocess.run(
            [
                os.path.join(os.path.dirname(sys.executable), "openstack"),
                *arguments,
            ],
            env={
                **os.environ,
                "OS_CLIENT_CONFIG_FILE": self.clouds,
                "OS_CLOUD": user,
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    def test_servers(self):
        status, out, err = self.openstack("server", "list", "-f", "json")
        self.assertEqual(0, status, err)
        self.assertEqual(
            [("vm", "ACTIVE", "disk", "m1.tiny")],
            [
                (row["Name"], row["Status"], row["Image"], row["Flavor"])
                for row in json.loads(out)
            ],
        )
        status, out, err = self.openstack("server", "show", "vm", "-f", "json")
        self.assertEqual(0, status, err)
        self.assertEqual(self.server.id, json.loads(out)["id"])
        self.assertEqual("active", json.loads(out)["OS-EXT-STS:vm_state"])

    def test_names_of_server_add_share(self):
        """Both names are found; nobody serves the last call here."""
        status, _out, err = self.openstack(
            "server", "add", "share", "vm", "data"
        )
        self.assertEqual(1, status, err)
        (request,) = self.cloud.requests("nova", "^POST")
        self.assertEqual(
            f"/v2.1/servers/{self.server.id}/shares", request.path
        )
        self.assertEqual(
            self.share.id, json.loads(request.body)["share"]["share_id"]
        )
