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

"""DELETE /servers/{server_id}/shares/{share_id}."""

from concurrent import futures

from tempest.lib import decorators

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY


class DetachTest(base.ApiTest):
    """A share, and servers that each test makes."""

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b01")
    @decorators.attr(type=["smoke"])
    def test_detach(self):
        """Contract D1: a stopped server; detaching, then gone."""
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share)
        self.client.detach_share(server, share)
        self.assertIn(self.status(server, share), ("detaching", None))
        self.wait_until_detached(server, share)
        self.wait_until_free(share)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b02")
    @decorators.attr(type=["negative"])
    def test_not_attached(self):
        """Contract D3: the share is not attached."""
        server = self.create_server()
        for share in (self.share, NOBODY, "new"):
            message = f"Share {share} could not be found."
            answer = self.ask_detach(server, share)
            self.assert_fault(answer, 404, "itemNotFound", message)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b03")
    def test_detach_at_once(self):
        """Contract D4: the mapping may still be attaching."""
        share = self.create_share()
        server = self.create_server()
        self.client.attach_share(server, share_id=share)
        self.assertEqual(200, self.ask_detach(server, share).status)
        self.wait_until_detached(server, share)
        self.wait_until_free(share)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b04")
    def test_concurrent_detaches(self):
        """Contract D5: eight requests at once; late ones find it gone."""
        server = self.create_server()
        self.attach(server, self.share)
        with futures.ThreadPoolExecutor(8) as pool:
            statuses = list(
                pool.map(
                    lambda _: self.ask_detach(server, self.share).status,
                    range(8),
                )
            )
        self.assertIn(200, statuses)
        self.assertEqual(set(), set(statuses) - {200, 404})
        self.wait_until_detached(server, self.share)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b05")
    def test_share_is_gone(self):
        """Contract D7: the share no longer exists in Manila."""
        manila = self.admin_shares_client
        share = self.create_share()
        server = self.create_server()
        self.attach(server, share)
        # What keeps a share from being deleted, an administrator removes.
        held = [share] + [rule["id"] for rule in self.rules(share)]
        for resource in held:
            for lock in manila.list_locks(resource)["resource_locks"]:
                manila.delete_lock(lock["id"])
        manila.act(share, "force_delete")
        manila.wait_for_resource_deletion(share)
        self.assertEqual(200, self.ask_detach(server, share).status)
        self.wait_until_detached(server, share)

    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b06")
    @decorators.attr(type=["negative"])
    def test_as_reader(self):
        """Contract D11: a reader of the project."""
        server = self.create_server()
        self.attach(server, self.share)
        answer = self.ask_detach(server, self.share, self.reader_client)
        self.assert_forbidden(answer, "delete")
        self.assertEqual("inactive", self.status(server, self.share))

    @base.own_answer
    @decorators.idempotent_id("5f4a1c0d-3e69-4a4e-94ea-9e7c3f5a0b07")
    @decorators.attr(type=["negative"])
    def test_locked_server(self):
        """Contract D12: the server is locked."""
        server = self.create_server()
        self.attach(server, self.share)
        self.client.lock_server(server)
        answer = self.ask_detach(server, self.share)
        self.assert_conflict(answer, f"Instance {server} is locked")
        answer = self.ask_detach(server, self.share, self.admin_client)
        self.assertEqual(200, answer.status)
        self.wait_until_detached(server, self.share)
