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

"""GET /servers/{server_id}/shares, and of one share."""

import uuid

from tempest import config
from tempest.lib import decorators

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY

CONF = config.CONF


class ListAndShowTest(base.ApiTest):
    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        share = cls.make_share(cls.addClassResourceCleanup)
        other = cls.make_share(cls.addClassResourceCleanup)
        cls.empty = cls.make_server(cls.addClassResourceCleanup)
        cls.server = cls.make_server(cls.addClassResourceCleanup)
        # In the order in which their IDs do not sort.
        cls.shares = sorted((share, other), reverse=True)
        for number, share in enumerate(cls.shares):
            cls.attach(cls.server, share, tag=f"tag-{number}")
        cls.share = cls.shares[0]

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c01")
    @decorators.attr(type=["smoke"])
    def test_list_empty(self):
        """Contract L1: a server without shares."""
        listed = self.client.list_share_attachments(self.empty)
        self.assertEqual([], listed["shares"])

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c02")
    @decorators.attr(type=["smoke"])
    def test_list(self):
        """Contract L2: several shares, in the order of attachment."""
        listed = self.client.list_share_attachments(self.server)["shares"]
        if not CONF.nova_shares.own_answers:
            listed.sort(key=lambda share: share["tag"])
        self.assertEqual(
            [
                {"share_id": share, "status": "inactive", "tag": f"tag-{n}"}
                for n, share in enumerate(self.shares)
            ],
            listed,
        )

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c03")
    def test_list_as_admin(self):
        """Contract L2, L6: an administrator sees no more in a list."""
        listed = self.client.list_share_attachments(self.server)
        by_admin = self.admin_client.list_share_attachments(self.server)
        self.assertEqual(listed["shares"], by_admin["shares"])

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c04")
    def test_reader(self):
        """Contract L3, S5: a reader of the project sees what a member sees."""
        client = self.reader_client
        listed = client.list_share_attachments(self.server)["shares"]
        self.assertEqual(
            set(self.shares), {share["share_id"] for share in listed}
        )
        shown = client.show_share_attachment(self.server, self.share)["share"]
        self.assertEqual(self.share, shown["share_id"])
        self.assertIn(shown, listed)

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c05")
    @decorators.attr(type=["negative"])
    def test_query_parameters(self):
        """Contract L9, S5: no call has a query parameter."""
        shares = f"servers/{self.server}/shares"
        start = "Additional properties are not allowed "
        for path in (shares, f"{shares}/{self.share}"):
            answer = self.client.ask("GET", f"{path}?foo=bar")
            self.assert_bad_request(answer, start + "('foo' was unexpected)")
            answer = self.client.ask("GET", f"{path}?limit=1&all_tenants=1")
            self.assert_bad_request(
                answer, start + "('all_tenants', 'limit' were unexpected)"
            )

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c06")
    @decorators.attr(type=["smoke"])
    def test_show(self):
        """Contract S1: a share that is attached."""
        shown = self.client.show_share_attachment(self.server, self.share)
        self.assertEqual(
            {"share_id": self.share, "status": "inactive", "tag": "tag-0"},
            shown["share"],
        )

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c07")
    def test_show_in_upper_case(self):
        """Contract S1, L2: UUIDs in upper case find the same."""
        server, share = self.server.upper(), self.share.upper()
        shown = self.client.show_share_attachment(server, share)["share"]
        self.assertEqual(self.share, shown["share_id"])
        listed = self.client.list_share_attachments(server)["shares"]
        self.assertEqual(2, len(listed))

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c08")
    def test_show_as_admin(self):
        """Contract S2: an administrator sees two fields more."""
        shown = self.admin_client.show_share_attachment(
            self.server, self.share
        )["share"]
        self.assertEqual(
            {"share_id", "status", "tag", "export_location", "uuid"},
            set(shown),
        )
        self.assertIn(":/", shown["export_location"])
        self.assertEqual(str(uuid.UUID(shown["uuid"])), shown["uuid"])

    @decorators.idempotent_id("1b6b3a50-0d0f-4a5e-8d0d-3b2b0a3f9c09")
    @decorators.attr(type=["negative"])
    def test_show_what_is_not_attached(self):
        """Contract S4, S5: another share, or what is not a UUID."""
        for server in (self.server, self.empty):
            for share in (NOBODY, "new"):
                path = f"servers/{server}/shares/{share}"
                answer = self.client.ask("GET", path)
                message = f"Share {share} could not be found."
                self.assert_fault(answer, 404, "itemNotFound", message, path)
