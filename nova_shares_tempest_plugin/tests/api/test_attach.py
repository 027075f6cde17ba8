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

"""POST /servers/{server_id}/shares."""

from concurrent import futures

from tempest import config
from tempest.lib import decorators
import testtools

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY
from nova_shares_tempest_plugin.tests.base import wait_for

CONF = config.CONF


class AttachTest(base.ApiTest):
    """Two shares, and servers that each test makes."""

    credentials = (*base.ApiTest.credentials, "admin")

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)
        cls.other_share = cls.make_share(cls.addClassResourceCleanup)

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f01")
    @decorators.attr(type=["smoke"])
    def test_attach(self):
        """Contract A1, T1: a stopped server; then inactive."""
        server = self.create_server()
        share = self.client.attach_share(
            server, share_id=self.share, tag="data"
        )["share"]
        self.assertEqual(
            {"share_id": self.share, "status": "attaching", "tag": "data"},
            share,
        )
        self.wait_for_status(server, self.share, "inactive")
        self.assertIn("active", [r["state"] for r in self.rules(self.share)])

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f02")
    def test_default_tag(self):
        """Contract A1: without a tag, it is the ID of the share."""
        server = self.create_server()
        self.assertEqual(self.share, self.attach(server, self.share)["tag"])

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f03")
    def test_upper_case(self):
        """Contract A1: the ID of the share in upper case."""
        server = self.create_server()
        answer = self.ask_attach(server, self.share.upper())
        self.assertEqual(201, answer.status)
        self.assertEqual(self.share, answer.json["share"]["share_id"])
        self.wait_for_status(server, self.share, "inactive")

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f04")
    def test_as_admin(self):
        """Contract A1, A22, A31: an administrator of another project."""
        client = self.os_admin.nova_shares.ServerSharesClient()
        server = self.create_server()
        answer = self.ask_attach(server, self.share, client)
        self.assertEqual(201, answer.status)
        self.assertEqual(
            {"share_id", "status", "tag", "export_location", "uuid"},
            set(answer.json["share"]),
        )
        self.wait_for_status(server, self.share, "inactive")

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f05")
    def test_query_and_versions(self):
        """Contract A10, A31, D10, D14: what is ignored, and each header."""
        server = self.create_server()
        path = f"servers/{server}/shares?foo=bar"
        highest = self.client.version_document()["version"]
        body = {"share": {"share_id": self.share}}
        headers = {"OpenStack-API-Version": "compute latest"}
        answer = self.client.ask("POST", path, body, headers, None)
        self.assertEqual(201, answer.status)
        self.assert_headers(answer, highest)
        self.assertNotIn("location", answer.headers)
        self.wait_for_status(server, self.share, "inactive")

        path = f"servers/{server}/shares/{self.share}?foo=bar"
        headers = {"X-OpenStack-Nova-API-Version": "2.97"}
        answer = self.client.ask("DELETE", path, {"x": 1}, headers, None)
        self.assertEqual((200, b""), (answer.status, answer.body))
        self.assertEqual("0", answer.headers["content-length"])
        self.assert_headers(answer)
        self.wait_until_detached(server, self.share)

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0d")
    @decorators.attr(type=["negative"])
    def test_attached_already(self):
        """Contract A26, A27: the same share or tag; another of both."""
        server = self.create_server()
        self.attach(server, self.share, tag="data")
        for share, tag in (
            (self.share, "data"),
            (self.share, "other"),
            (self.other_share, "data"),
        ):
            self.assert_conflict(
                self.ask_attach(server, share, tag=tag),
                f"Share '{share}' or tag '{tag}' already associated to this "
                "server.",
            )
        # A tag is compared byte for byte.
        tag = "DATA" if CONF.nova_shares.own_answers else "other"
        self.attach(server, self.other_share, tag=tag)
        listed = self.client.list_share_attachments(server)["shares"]
        self.assertEqual({"data", tag}, {share["tag"] for share in listed})

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0e")
    def test_concurrent_attaches(self):
        """Contract A29: one share, one server, eight requests at once."""
        server = self.create_server()
        with futures.ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _: self.ask_attach(server, self.share), range(8)
                )
            )
        self.assertEqual(
            [201] + 7 * [409], sorted(answer.status for answer in answers)
        )
        message = (
            f"Share '{self.share}' or tag '{self.share}' already associated "
            "to this server."
        )
        for answer in answers:
            if answer.status == 409:
                self.assert_conflict(answer, message)
        self.wait_for_status(server, self.share, "inactive")
        listed = self.client.list_share_attachments(server)["shares"]
        self.assertEqual(1, len(listed))

    @base.own_answer
    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0f")
    def test_start_at_once(self):
        """Contract T4: the server starts while the share is attaching."""
        server = self.create_server()
        self.client.attach_share(server, share_id=self.share)
        self.start(server)
        self.wait_for_status(server, self.share, "active")
        self.stop(server)
        wait_for(
            lambda: self.status(server, self.share),
            lambda status: status == "inactive",
            "the share to be inactive",
        )


class AttachRefusedTest(base.ApiTest):
    """A share, and servers that each test makes."""

    credentials = (*base.ApiTest.credentials, "admin")

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)

    def assert_not_found(self, answer, share_id):
        message = f"Share {share_id} could not be found."
        self.assert_fault(answer, 404, "itemNotFound", message)

    def assert_nothing_recorded(self, server):
        listed = self.client.list_share_attachments(server)
        self.assertEqual([], listed["shares"])

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f06")
    @decorators.attr(type=["negative"])
    def test_as_reader(self):
        """Contract A14: a reader of the project."""
        server = self.create_server()
        answer = self.ask_attach(server, self.share, self.reader_client)
        self.assert_forbidden(answer, "create")
        self.assert_nothing_recorded(server)

    @base.own_answer
    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f07")
    @decorators.attr(type=["negative"])
    def test_locked_server(self):
        """Contract A17: the server is locked."""
        server = self.create_server()
        self.client.lock_server(server)
        answer = self.ask_attach(server, self.share)
        self.assert_conflict(answer, f"Instance {server} is locked")
        answer = self.ask_attach(server, self.share, self.admin_client)
        self.assertEqual(201, answer.status)

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f08")
    @decorators.attr(type=["negative"])
    def test_no_share(self):
        """Contract A22: no share, or one of another project."""
        server = self.create_server()
        self.assert_not_found(self.ask_attach(server, NOBODY), NOBODY)
        theirs = self.make_share(self.addCleanup, self.alt_shares_client)
        self.assert_not_found(self.ask_attach(server, theirs), theirs)
        self.assert_nothing_recorded(server)

    @base.own_answer
    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f09")
    @decorators.attr(type=["negative"])
    def test_public_share(self):
        """Contract A22b: a public share of another project."""
        client = self.os_admin.nova_shares_manila.SharesClient()
        public = self.make_share(self.addCleanup, client, is_public=True)
        self.shares_client.show_share(public)
        server = self.create_server()
        self.assert_not_found(self.ask_attach(server, public), public)
        self.assert_nothing_recorded(server)

    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0a")
    @decorators.attr(type=["negative"])
    def test_share_in_error(self):
        """Contract A23: the share is not available."""
        share = self.create_share()
        server = self.create_server()
        act = self.admin_shares_client.act
        act(share, "reset_status", {"status": "error"})
        self.assert_conflict(
            self.ask_attach(server, share),
            f"Share {share} is in 'error' instead of 'available' status.",
        )
        act(share, "reset_status", {"status": "available"})

    @base.own_answer
    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0b")
    @decorators.attr(type=["negative"])
    def test_share_in_recycle_bin(self):
        """Contract A23b: the share is in the recycle bin of Manila."""
        share = self.create_share()
        server = self.create_server()
        self.shares_client.act(share, "soft_delete")
        message = self.assert_conflict(self.ask_attach(server, share))
        self.assertIn("recycle bin", message)
        self.shares_client.act(share, "restore")

    @testtools.skipUnless(
        CONF.nova_shares.unsupported_share_protocol,
        "[nova_shares] unsupported_share_protocol is not set",
    )
    @decorators.idempotent_id("3d2e9a8b-1c47-4e2c-b2c8-7c5a1d3e8f0c")
    @decorators.attr(type=["negative"])
    def test_protocol(self):
        """Contract A25: a protocol that servers cannot have."""
        protocol = CONF.nova_shares.unsupported_share_protocol
        share = self.create_share(
            share_proto=protocol,
            share_type=CONF.nova_shares.unsupported_share_type,
        )
        self.assert_conflict(
            self.ask_attach(self.create_server(), share),
            f"Share protocol {protocol} is not supported.",
        )
