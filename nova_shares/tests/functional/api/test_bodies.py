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

"""Bodies that no YAML file can hold: A3, A5, A7, A8, A11 to A13."""

from __future__ import annotations

import io
import json

import webob

from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world


class TestService(base.Case):
    """The API as a service."""

    deployment = world.SERVICE

    def post(self, body, **headers):
        return self.world.ask(
            "POST", self.world.path("stopped"), body, **headers
        )

    def check_400(self, body, *texts):
        with self.nothing_written():
            message = self.message(400, self.post(body))
        for text in texts:
            self.assertIn(text, message)

    def test_a2_a13_no_json(self):
        for body in (
            b"{nope",
            b"\xff\xfe\xfd",
            b'{"share": "\xe9"}',
            b"[" * 2000 + b"]" * 2000,
            b'{"a":' * 2000 + b"1" + b"}" * 2000,
            b'{"share": {"share_id": NaN}}',
            b"Infinity",
            b"\x00",
        ):
            self.check_400(body, "Malformed request body")

    def test_a13_no_utf8_whatever_its_charset_says(self):
        answer = self.post(
            b'{"share": "\xe9"}',
            Content_Type="application/json; charset=latin-1",
        )
        self.assertEqual("Malformed request body", self.message(400, answer))

    def test_a3_no_object(self):
        self.check_400(b"", "None is not of type 'object'")
        self.check_400(b"null", "None is not of type 'object'")
        self.check_400([], "[] is not of type 'object'")
        self.check_400("x", "'x' is not of type 'object'")

    def test_a5_share_id(self):
        for share_id, text in (
            (None, "None is not of type 'string'"),
            (5, "5 is not of type 'string'"),
            ("\x00", "is not a 'uuid'"),
            ("é" * 36, "is not a 'uuid'"),
        ):
            self.check_400({"share": {"share_id": share_id}}, text)

    def test_a7_a8_a9_tags(self):
        share_id = self.world.shares["nfs"]
        for tag in ("", None, 7, "a b", "a_b", "é", "\ud83d", "x" * 256):
            self.check_400({"share": {"share_id": share_id, "tag": tag}})
        for tag in ("ab\n", "x" * 37, "x" * 255):
            self.check_400(
                {"share": {"share_id": share_id, "tag": tag}},
                "virtio-fs tag",
                "at most 36 bytes",
            )

    def test_a1_the_longest_tag(self):
        answer = self.world.attach("stopped", "nfs", tag="x" * 36)
        self.assertEqual("x" * 36, answer.json["share"]["tag"])

    def test_a11_what_is_read_as_json(self):
        types = (
            None,
            "text/plain",
            "application/json; charset=utf-8",
            "application/vnd.openstack.compute+json",
        )
        for type_, share in zip(types, ("nfs", "nfs2", "nfs3", "cephfs")):
            answer = self.world.attach(
                "stopped", share, Content_Type=type_, Accept="application/xml"
            )
            self.assertEqual(201, answer.status_int, type_)

    def test_a11_what_is_not(self):
        for type_ in ("application/xml", "text/html", "multipart/form-data"):
            answer = self.post(b"{}", Content_Type=type_)
            self.assertEqual(
                "Unsupported Content-Type", self.message(415, answer)
            )

    def test_a_body_that_is_shorter_than_it_says(self):
        request = webob.Request.blank(
            "/v2.1" + self.world.path("stopped"), method="POST"
        )
        request.headers["X-Auth-Token"] = self.world.tokens["member"]
        request.headers["OpenStack-API-Version"] = "compute 2.97"
        request.environ["CONTENT_LENGTH"] = "100"
        request.environ["wsgi.input"] = io.BytesIO(b"{}")
        answer = request.get_response(self.world.app)
        self.assertEqual("Malformed request body", self.message(400, answer))


class TestFilter(TestService):
    """The API as a filter."""

    deployment = world.FILTER


class TestTooLarge(base.Case):
    """A12: as a service of our own, we look at the size ourselves."""

    def post(self, body, **environ):
        request = webob.Request.blank(
            "/v2.1" + self.world.path("stopped"), method="POST", body=body
        )
        request.headers["X-Auth-Token"] = self.world.tokens["member"]
        request.headers["OpenStack-API-Version"] = "compute 2.97"
        request.environ.update(environ)
        return request.get_response(self.world.app)

    def test_a12_over_the_limit(self):
        deep = b"[" * 10_000_000
        for body in (b" " * 114_689, deep):
            answer = self.post(body)
            self.message(413, answer)

    def test_a12_at_the_limit(self):
        body = {"share": {"share_id": self.world.shares["nfs"]}}
        answer = self.post(json.dumps(body).encode().ljust(114_688))
        self.assertEqual(201, answer.status_int)

    def test_a12_a_length_that_is_not_said(self):
        request = webob.Request.blank(
            "/v2.1" + self.world.path("stopped"), method="POST"
        )
        request.headers["X-Auth-Token"] = self.world.tokens["member"]
        request.headers["OpenStack-API-Version"] = "compute 2.97"
        request.environ.update(
            {
                "CONTENT_LENGTH": "",
                "HTTP_TRANSFER_ENCODING": "chunked",
                "wsgi.input": io.BytesIO(b" " * 200_000),
                "wsgi.input_terminated": True,
            }
        )
        self.message(413, request.get_response(self.world.app))
