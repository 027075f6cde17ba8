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

"""Shares and servers as they live."""

from tempest import config
from tempest.common import waiters
from tempest.lib import decorators
from tempest.lib import exceptions
import testtools

from nova_shares_tempest_plugin.tests import base

CONF = config.CONF


class LifecycleTest(base.ServerSharesTest):
    """From the attach to the last access rule."""

    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d01")
    @decorators.attr(type=["slow"])
    def test_attach_start_stop_detach(self):
        """Contract T1, T2, D1: the whole life of an attachment."""
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share, tag="data")
        for _ in range(2):
            self.start(server)
            self.wait_for_status(server, share, "active")
            self.stop(server)
            self.wait_for_status(server, share, "inactive")
        self.detach(server, share)
        self.wait_until_free(share)
        self.start(server)
        listed = self.client.list_share_attachments(server)
        self.assertEqual([], listed["shares"])

    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d02")
    def test_reboot(self):
        """Contract T2: the share is active after a reboot."""
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share)
        self.start(server)
        self.wait_for_status(server, share, "active")
        self.client.reboot_server(server, type="HARD")
        waiters.wait_for_server_status(self.client, server, "ACTIVE")
        self.wait_for_status(server, share, "active")

    @testtools.skipUnless(
        CONF.compute_feature_enabled.rescue and CONF.nova_shares.own_answers,
        "[compute-feature-enabled] rescue or [nova_shares] own_answers is "
        "False",
    )
    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d03")
    def test_rescue(self):
        """Contract T2: the share is active after an unrescue."""
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share)
        self.start(server)
        self.wait_for_status(server, share, "active")
        self.client.rescue_server(server)
        waiters.wait_for_server_status(self.client, server, "RESCUE")
        self.client.unrescue_server(server)
        waiters.wait_for_server_status(self.client, server, "ACTIVE")
        self.wait_for_status(server, share, "active")

    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d06")
    def test_delete_server(self):
        """Contract P3, T5: nothing is left of a deleted server."""
        shares = [self.create_share() for _ in range(2)]
        server = self.create_server()
        for share in shares:
            self.attach(server, share)
        self.start(server)
        self.wait_for_status(server, shares[0], "active")
        self.client.delete_server(server)
        waiters.wait_for_server_termination(self.client, server)
        for share in shares:
            self.wait_until_free(share)
            self.wait_until_detached(server, share)
        self.assertRaises(
            exceptions.NotFound, self.client.list_share_attachments, server
        )


class SeveralTest(base.ServerSharesTest):
    """Several servers, several shares, and what locks keep as it is."""

    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d04")
    def test_two_servers_with_one_share(self):
        """Contract A27, T6: the last detach of a host removes its rule."""
        share = self.create_share()
        servers = [self.create_server() for _ in range(2)]
        for server in servers:
            self.attach(server, share)
            self.start(server)
            self.wait_for_status(server, share, "active")
        if CONF.nova_shares.share_protocol == "NFS":
            self.assertEqual(self.hosts(servers), len(self.rules(share)))
        first, second = servers
        self.stop(first)
        self.detach(first, share)
        base.wait_for(
            lambda: self.rules(share),
            lambda rules: len(rules) == 1,
            "one access rule to be left",
        )
        self.assertEqual("active", self.status(second, share))
        self.stop(second)
        self.detach(second, share)
        self.wait_until_free(share)

    def hosts(self, servers):
        """Tell on how many hosts servers are."""
        shown = [self.admin_client.show_server(server) for server in servers]
        return len({body["server"]["OS-EXT-SRV-ATTR:host"] for body in shown})

    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d05")
    def test_two_shares_on_one_server(self):
        """Contract A27, T2: each share goes its own way."""
        shares = [self.create_share() for _ in range(2)]
        server = self.create_server()
        for share in shares:
            self.attach(server, share)
        self.start(server)
        for share in shares:
            self.wait_for_status(server, share, "active")
        self.stop(server)
        first, second = shares
        self.detach(server, first)
        self.wait_until_free(first)
        self.start(server)
        self.wait_for_status(server, second, "active")
        self.assertIsNone(self.status(server, first))

    @testtools.skipUnless(
        CONF.nova_shares.own_answers, "[nova_shares] own_answers is False"
    )
    @decorators.idempotent_id("7b6c3e2f-5a8b-4c6a-b6ac-1a9e5b7c2d07")
    @decorators.attr(type=["negative"])
    def test_locked_server(self):
        """Contract A17, D12: a lock keeps the shares as they are."""
        shares = [self.create_share() for _ in range(2)]
        first, second = shares
        server = self.create_server()
        self.attach(server, first)
        self.client.lock_server(server)
        client = self.client
        for call in (
            lambda: client.detach_share(server, first),
            lambda: client.attach_share(server, share_id=second),
            lambda: client.delete_server(server),
        ):
            self.assertRaises(exceptions.Conflict, call)
        self.assertEqual("inactive", self.status(server, first))
        client.unlock_server(server)
        self.detach(server, first)
        self.attach(server, second)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b08")
    @decorators.attr(type=["negative"])
    def test_delete_share(self):
        """Contract T1, D1: an attached share cannot be deleted."""
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share)
        delete = self.shares_client.delete_share
        self.assertRaises(exceptions.Forbidden, delete, share)
        self.detach(server, share)
        self.wait_until_free(share)
        delete(share)
