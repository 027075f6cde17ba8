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

"""POST /servers/{server_id}/shares with bodies that are refused."""

from tempest.lib import decorators

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY

_FIELD = "Invalid input for field/attribute"


class AttachBodiesTest(base.ApiTest):
    """The server is stopped, so that nothing but the body is wrong."""

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)
        cls.server = cls.make_server(cls.addClassResourceCleanup)

    def tearDown(self):
        super().tearDown()
        listed = self.client.list_share_attachments(self.server)
        self.assertEqual([], listed["shares"])

    def post(self, body, **headers):
        path = f"servers/{self.server}/shares"
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client.ask("POST", path, body, headers)

    def post_tag(self, tag):
        return self.post({"share": {"share_id": self.share, "tag": tag}})

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e01")
    @decorators.attr(type=["negative"])
    def test_not_json(self):
        """Contract A2: the body is not JSON."""
        answer = self.post(b"{nope")
        self.assert_bad_request(answer, "Malformed request body")
        self.assert_headers(answer)

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e02")
    @decorators.attr(type=["negative"])
    def test_not_an_object(self):
        """Contract A3: the body is another JSON value, or empty."""
        for body, shown in (
            (b"", "None"),
            (b"null", "None"),
            (b"[]", "[]"),
            (b'"x"', "'x'"),
        ):
            message = f"{shown} is not of type 'object'"
            self.assert_bad_request(self.post(body), message)

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e03")
    @decorators.attr(type=["negative"])
    def test_required_keys(self):
        """Contract A4: a required key is not there."""
        for body, message in (
            ({}, "'share' is a required property"),
            (
                {"share": None},
                f"{_FIELD} share. Value: None. None is not of type 'object'",
            ),
            (
                {"share": {}},
                f"{_FIELD} share. Value: {{}}. 'share_id' is a required "
                "property",
            ),
        ):
            self.assert_bad_request(self.post(body), message)

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e04")
    @decorators.attr(type=["negative"])
    def test_share_id(self):
        """Contract A5: the ID of the share is not a UUID."""
        for value in (None, 5, "not-a-uuid"):
            answer = self.post({"share": {"share_id": value}})
            message = self.assert_bad_request(answer)
            start = f"{_FIELD} share_id. Value: {value}. "
            self.assertTrue(message.startswith(start), message)
        self.assertEqual(f"{start}'not-a-uuid' is not a 'uuid'", message)

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e05")
    @decorators.attr(type=["negative"])
    def test_more_keys(self):
        """Contract A6: a key that is not known."""
        message = "Additional properties are not allowed ('x' was unexpected)"
        share = {"share_id": self.share}
        self.assert_bad_request(self.post({"share": share, "x": 1}), message)
        answer = self.post({"share": {**share, "x": 1}})
        self.assertTrue(self.assert_bad_request(answer).endswith(message))

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e06")
    @decorators.attr(type=["negative"])
    def test_tag(self):
        """Contract A7: a tag that is not one."""
        for tag in ("", None, 7, "a b", "a_b", "é", "t" * 256):
            message = self.assert_bad_request(self.post_tag(tag))
            start = f"{_FIELD} tag. Value: {tag}. "
            self.assertTrue(message.startswith(start), message)

    @base.own_answer
    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e07")
    @decorators.attr(type=["negative"])
    def test_tag_with_newline(self):
        """Contract A8: a newline at the end of a tag."""
        self.assert_bad_request(self.post_tag("tag\n"))

    @base.own_answer
    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e08")
    @decorators.attr(type=["negative"])
    def test_long_tag(self):
        """Contract A9: a tag that no virtio-fs device can have."""
        for length in (37, 48, 49, 255):
            message = self.assert_bad_request(self.post_tag("t" * length))
            self.assertIn("36", message)

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e09")
    @decorators.attr(type=["negative"])
    def test_content_types(self):
        """Contract A11: what is read as JSON, and what is not."""
        # Read as JSON, this is the error.
        body = {"share": {"share_id": NOBODY}}
        for content_type in (
            None,
            "text/plain",
            "application/json; charset=utf-8",
            "application/vnd.openstack.compute+json",
        ):
            answer = self.post(body, Content_Type=content_type)
            self.assert_fault(answer, 404, "itemNotFound", about=content_type)
        answer = self.post(body, Accept="text/html")
        self.assert_fault(answer, 404, "itemNotFound")
        answer = self.post(body, Content_Type="application/xml")
        self.assert_fault(
            answer, 415, "badMediaType", "Unsupported Content-Type"
        )

    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e0a")
    @decorators.attr(type=["negative"])
    def test_large_body(self):
        """Contract A12: a body that is too large."""
        self.assertEqual(413, self.post_tag("t" * 120000).status)

    @base.own_answer
    @decorators.idempotent_id("2c1d8f7a-9a36-4d1b-a1b7-6b4f0c2d7e0b")
    @decorators.attr(type=["negative"])
    def test_strange_bodies(self):
        """Contract A13: bytes that are not UTF-8, depth, NaN."""
        start = b'{"share": {"share_id": "' + self.share.encode()
        for body in (
            start + b'", "tag": "\xff"}}',
            b"[" * 2000 + b"]" * 2000,
            start + b'", "tag": NaN}}',
        ):
            self.assert_bad_request(self.post(body))
