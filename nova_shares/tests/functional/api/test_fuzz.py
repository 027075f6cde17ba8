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

"""Bad input of every kind: a 4xx in our format, and nothing is written.

:class:`nova_shares.tests.functional.api.world.Checked` holds each answer to
the format; what is checked here is that it is never a success.
"""

from __future__ import annotations

import io
import json

import hypothesis
from hypothesis import strategies as st
import webob

from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

_SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "max_examples": 80,
    "database": None,
    "suppress_health_check": [
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.differing_executors,
    ],
}
#: Names that make a value more interesting than letters drawn at random.
_WORDS = st.sampled_from(
    ["share", "share_id", "tag", "x", "", "\x00", "é", "\ud83d", "$ref"]
)
_TEXT = st.one_of(
    _WORDS,
    st.text(max_size=40),
    st.sampled_from([base.UNKNOWN, "a" * 37, "a\n", "NaN", "9" * 400]),
)
_JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        _TEXT,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(_TEXT, inner, max_size=3),
    ),
    max_leaves=8,
)
_BODIES = st.one_of(
    st.binary(max_size=60),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"share": _JSON}).map(
        lambda value: json.dumps(value).encode()
    ),
    st.fixed_dictionaries(
        {
            "share": st.fixed_dictionaries(
                {"share_id": st.one_of(_TEXT, _JSON)},
                optional={"tag": _JSON, "x": _JSON},
            )
        }
    ).map(lambda value: json.dumps(value).encode()),
    st.integers(1, 3000).map(lambda depth: b"[" * depth),
    st.integers(1, 3000).map(lambda depth: b'{"share":' * depth),
)
_BYTES = st.binary(min_size=1, max_size=30).filter(lambda b: b"/" not in b)
_HEADER = st.text(
    st.characters(min_codepoint=32, max_codepoint=255), max_size=30
)
_METHODS = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "X", "get")


class TestService(base.Case):
    """The API as a service."""

    deployment = world.SERVICE

    def send(self, method, path, body=b"", **environ):
        """Send a request, byte for byte.

        :param path: bytes, as they are after the decoding of ``%``
        """
        request = webob.Request.blank("/", method="GET")
        request.environ.update(
            {
                "REQUEST_METHOD": method,
                "PATH_INFO": (b"/v2.1" + path).decode("latin-1"),
                "REMOTE_ADDR": "127.0.0.1",
                "HTTP_X_AUTH_TOKEN": self.world.tokens["member"],
                "HTTP_OPENSTACK_API_VERSION": "compute 2.97",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
                **environ,
            }
        )
        return request.get_response(self.world.app)

    def server(self, name="empty"):
        return self.world.path(name).encode()

    def run_property(self, strategies, check):
        """Run a check on what is drawn; the world stays as it is."""

        @hypothesis.settings(**_SETTINGS)
        @hypothesis.given(**strategies)
        def drawn(**values):
            check(**values)

        with self.nothing_written():
            drawn()
        self.assertNotIn("Traceback", self.log.output)

    def test_bodies(self):
        def check(body):
            answer = self.send("POST", self.server(), body)
            self.assertIn(answer.status_int, (400, 404))

        self.run_property({"body": _BODIES}, check)

    def test_server_ids(self):
        valid = {"share": {"share_id": self.world.shares["nfs"]}}

        def check(method, name, share):
            body = json.dumps(valid).encode()
            path = b"/servers/" + name + b"/shares" + share
            answer = self.send(method, path, body)
            self.assertIn(answer.status_int, (400, 404, 405))

        self.run_property(
            {
                "method": st.sampled_from(_METHODS[:5]),
                "name": _BYTES,
                "share": st.one_of(
                    st.just(b""), st.binary(max_size=20).map(b"/".__add__)
                ),
            },
            check,
        )

    def test_share_ids(self):
        self.world.mapped("stopped", "nfs")

        def check(method, name):
            path = self.server("stopped") + b"/" + name
            answer = self.send(method, path)
            self.assertIn(answer.status_int, (404, 405))

        self.run_property(
            {"method": st.sampled_from(_METHODS[:5]), "name": _BYTES}, check
        )

    def test_versions(self):
        def check(new, old):
            versions = {}
            if new is not None:
                versions["HTTP_OPENSTACK_API_VERSION"] = new
            if old is not None:
                versions["HTTP_X_OPENSTACK_NOVA_API_VERSION"] = old
            answer = self.send("PATCH", self.server(), **versions)
            self.assertIn(answer.status_int, (400, 404, 405, 406))

        value = st.one_of(st.none(), _HEADER, _HEADER.map("compute ".__add__))
        self.run_property({"new": value, "old": value}, check)

    def test_headers_and_queries(self):
        def check(content_type, query, request_id, length, accept):
            answer = self.send(
                "POST",
                self.server(),
                b"{}",
                CONTENT_TYPE=content_type,
                QUERY_STRING=query,
                HTTP_X_OPENSTACK_REQUEST_ID=request_id,
                HTTP_ACCEPT=accept,
                HTTP_X_ROLES="admin",
                CONTENT_LENGTH=length,
            )
            self.assertIn(answer.status_int, (400, 415))
            answer = self.send("GET", self.server(), QUERY_STRING="x" + query)
            self.assertEqual(400, answer.status_int)

        self.run_property(
            {
                "content_type": _HEADER,
                "query": _HEADER,
                "request_id": _HEADER,
                "accept": _HEADER,
                "length": st.sampled_from(["", "0", "2", "9", "-1", "x"]),
            },
            check,
        )

    def test_tokens(self):
        def check(token, path):
            answer = self.send("GET", path, HTTP_X_AUTH_TOKEN=token)
            self.assertIn(answer.status_int, (200, 401, 404))
            if b"/shares" in path:
                self.assertEqual(401, answer.status_int)

        self.run_property(
            {
                "token": _HEADER,
                "path": st.one_of(
                    st.just(self.server()),
                    st.binary(max_size=20).map(b"/".__add__),
                ),
            },
            check,
        )


class TestFilter(TestService):
    """The API as a filter."""

    deployment = world.FILTER
