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
"""Two compute hosts, and what of them survives what."""

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_cloud import running


class HostsTest(running.Shared, cloud.StoryTest):
    def setUp(self):
        super().setUp()
        self.share = self.c.share()

    def hosts_let_in(self):
        return {
            to
            for _, to, state in self.c.rules(self.share)
            if state == "active"
        }

    def test_one_share_on_two_hosts(self):
        servers = [self.c.server(host=host) for host in running.HOSTS]
        for server in servers:
            self.attached(server)
        self.assertEqual({"127.0.0.1", "127.0.0.2"}, self.hosts_let_in())
        for server, host in zip(servers, running.HOSTS):
            self.c.act(server, "os-start")
            self.see("active", server)
            mapping = self.c.mapping(server, self.share)
            hypervisor = self.c.hypervisor_of(host)
            self.assertEqual(
                {self.share: mapping.uuid}, hypervisor.devices(server)
            )
            self.assertEqual(
                {mapping.uuid: mapping.export_location}, hypervisor.mounts()
            )
        first, second = servers
        self.c.act(first, "os-stop")
        self.detached(first)
        self.assertEqual({"127.0.0.2"}, self.hosts_let_in())
        self.see("active", second)
        self.c.act(second, "os-stop")
        self.detached(second)
        self.assertEqual([], self.c.rules())

    def test_nova_compute_is_started_again(self):
        """Guests outlive it, and with them their devices."""
        server = self.c.server()
        self.attached(server)
        self.c.act(server, "os-start")
        self.see("active", server)
        devices = self.c.hypervisor.devices(server)
        self.c.service("stop", f"nova-{self.c.host}")
        self.c.service("start", f"nova-{self.c.host}")
        self.c.act(server, "os-stop")
        self.see("inactive", server)
        self.c.act(server, "os-start")
        self.see("active", server)
        self.assertEqual(devices, self.c.hypervisor.devices(server))

    def test_a_server_with_shares_is_not_moved(self):
        """Case P1, and P2 once it has none."""
        server = self.c.server()
        self.attached(server)
        path = f"/servers/{server}/action"
        answer = self.c.ask("POST", path, {"migrate": None}, user="admin")
        self.assertEqual(409, answer.status_code, answer.text)
        self.detached(server)
        self.c.place_on(*running.HOSTS)
        answer = self.c.ask("POST", path, {"migrate": None}, user="admin")
        self.assertEqual(202, answer.status_code, answer.text)
        self.c.wait_for_status(server, "VERIFY_RESIZE")
        domains = [
            self.c.hypervisor_of(host).domains() for host in running.HOSTS
        ]
        self.assertEqual([False, False], [its.get(server) for its in domains])
