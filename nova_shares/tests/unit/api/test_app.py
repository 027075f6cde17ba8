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

"""Tests of what is ours and what is not, and of the order of the checks."""

from __future__ import annotations

import io

from microversion_parse import Version
from oslo_context import context
import testtools
import webob
import webob.exc

from nova_shares.api import app as api_app
from nova_shares.pipeline import filters

SID = "aaaaaaaa-0000-4000-8000-00000000000a"
SHARES = f"/servers/{SID}/shares"


class Controller:
    """Says which of its methods was called, and with what."""

    def __getattr__(self, action):
        def call(request, caller, **ids):
            named = ",".join(ids[name] for name in sorted(ids))
            return webob.Response(f"{action} {named}")

        return call


def _authenticate(environ):
    if environ.get("anonymous"):
        raise webob.exc.HTTPUnauthorized("who?")
    return context.RequestContext(
        user_id="u", project_id="abc", overwrite=False
    )


APP = api_app.App(Controller(), _authenticate, Version(2, 97))


class TestIsOurs(testtools.TestCase):
    def test_ours(self):
        for path in (
            "/servers/x/shares",
            "/abc-123/servers/x/shares",
            "/servers/x/shares/",
            "/servers/x/shares.json",
            "/servers/x/shares/y",
            "/servers/x/shares/y/",
            "/servers/x/shares/y.json",
            "/servers/x/shares/y/z",
            "/servers/x/shares/\n",
            "/servers/\xff/shares/\x00",
        ):
            self.assertTrue(filters.is_ours(path), path)

    def test_not_ours(self):
        for path in (
            "",
            "/",
            "/shares",
            "/servers",
            "/servers/x",
            "/servers/x/sharesy",
            "/servers/x/shares-y",
            "/servers//shares",
            "/servers/shares",
            "/servers/x/y/shares",
            "/nope/servers/x/shares",
            "/abc/def/servers/x/shares",
            "/servers/x/metadata/shares",
            "/servers/x/tags/shares",
            "servers/x/shares",
        ):
            self.assertFalse(filters.is_ours(path), path)


class TestApp(testtools.TestCase):
    def _call(self, method, path, version="compute 2.97", **environ):
        request = webob.Request.blank(path, environ, method=method)
        if version:
            request.headers["OpenStack-API-Version"] = version
        return request.get_response(APP)

    def test_routes(self):
        for method, path, expected in (
            ("GET", SHARES, f"index {SID}"),
            ("POST", SHARES, f"create {SID}"),
            ("GET", f"{SHARES}/y", f"show {SID},y"),
            ("DELETE", f"{SHARES}/y", f"delete {SID},y"),
            ("GET", f"/abc{SHARES}/y.json", f"show {SID},y.json"),
            ("GET", f"{SHARES}/%F0%9F%98%80", f"show {SID},\xf0\x9f\x98\x80"),
            ("GET", f"{SHARES}/%ff", f"show {SID},\xff"),
            ("GET", f"{SHARES}/new", f"show {SID},new"),
        ):
            self.assertEqual(expected, self._call(method, path).text)

    def test_every_route_is_reached(self):
        for method, path, action in api_app.ROUTES:
            path = path.format(server_id="x", share_id="y")
            answer = self._call(method, path).text
            self.assertEqual(action, answer.split()[0])

    def _check(self, status, *call, **environ):
        response = self._call(*call, **environ)
        self.assertEqual(status, response.status_int, response.text)

    def test_order_of_the_checks(self):
        wrong_project = f"/def{SHARES}"
        self._check(401, "PUT", "/x", "compute x", anonymous=True)
        self._check(400, "PUT", "/x", "compute x")
        self._check(406, "PUT", "/x", "compute 2.98")
        self._check(404, "PUT", wrong_project, "compute 2.96")
        self._check(404, "PUT", f"{wrong_project}/")
        self._check(405, "PUT", wrong_project)
        xml = {"CONTENT_TYPE": "application/xml"}
        self._check(415, "POST", wrong_project, **xml)
        self._check(400, "POST", wrong_project)
        self._check(200, "POST", SHARES)

    def test_a_response_of_ours_names_its_version(self):
        response = self._call("GET", SHARES, "compute latest")
        self.assertEqual(
            "2.97", response.headers["X-OpenStack-Nova-API-Version"]
        )


class Untouchable(io.RawIOBase):
    """A body that nobody may read."""

    def read(self, size=-1):
        raise AssertionError("the body was read")


class TestFilter(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.seen = []
        self.guarded = []
        self.filter = filters.Filter(self._wrapped, lambda: self)

    def shares(self, environ, start_response):
        return APP(environ, start_response)

    def guard(self):
        return self._guard

    def _guard(self, environ, start_response, **server):
        self.guarded.append(server)
        return self._wrapped(environ, start_response)

    def _wrapped(self, environ, start_response):
        self.seen.append(environ)
        return self.answer

    answer: tuple[bytes, ...] = (b"Nova's",)

    def _pass(self, path, **more):
        environ = webob.Request.blank(path, method="POST").environ
        environ.update({"wsgi.input": Untouchable(), **more})
        before = dict(environ)
        start_response = object()
        answer = self.filter(environ, start_response)
        self.assertIs(self.answer, answer)
        self.assertIs(environ, self.seen[-1])
        self.assertEqual(before, environ)

    def test_what_is_not_ours_passes_untouched(self):
        self._pass("/servers")
        self._pass(f"/servers/{SID}/action")
        self._pass("/servers/shares")
        self._pass(f"/servers/{SID}/sharesy")
        self._pass("/os-shares/shares")

    def test_the_old_api_passes(self):
        self._pass(SHARES, **{"openstack.legacy_v2": True})

    def test_what_is_guarded(self):
        # Each is what Nova's router takes for an action, or a deletion.
        for method, path, deletes in (
            ("POST", f"/servers/{SID}/action", False),
            ("POST", f"/abc/servers/{SID}/action", False),
            ("POST", f"/servers/{SID}/action%0A", False),
            ("PUT", f"/servers/{SID}/action?_method=post", False),
            ("GET", f"/servers/{SID}/action?x=1&_method=POST", False),
            ("GET", f"/servers/{SID}/action?x_method&%5Fmethod=POST", False),
            ("PUT", f"/servers/{SID}/action?_method=x&_method=POST", False),
            ("POST", f"/servers/{SID}/action?_method=", False),
            ("POST", f"/servers/{SID}/action?_method=GET&x=%FF", False),
            ("DELETE", f"/servers/{SID}", True),
            ("DELETE", f"/servers/{SID}%0A", True),
            ("GET", f"/servers/{SID}?_method=DELETE", True),
            ("POST", f"/abc/servers/{SID}%0A?_method=delete", True),
        ):
            self.guarded.clear()
            self.filter(webob.Request.blank(path, method=method).environ, None)
            project = "abc" if path.startswith("/abc") else None
            self.assertEqual(
                [
                    {
                        "server_id": SID,
                        "project_id": project,
                        "deletes": deletes,
                    }
                ],
                self.guarded,
                (method, path),
            )

    def test_what_is_not_guarded(self):
        for method, path in (
            ("GET", f"/servers/{SID}"),
            ("POST", f"/servers/{SID}"),
            ("PUT", f"/servers/{SID}/action"),
            ("DELETE", f"/servers/{SID}/action"),
            ("POST", f"/servers/{SID}/action/"),
            ("POST", f"/servers/{SID}/action?_method=PUT"),
            ("DELETE", f"/servers/{SID}?_method=GET"),
            ("DELETE", f"/servers/{SID}/tags"),
            ("GET", f"/servers/{SID}?_method=DELETE&x=%FF"),
        ):
            self.filter(webob.Request.blank(path, method=method).environ, None)
            self.assertEqual([], self.guarded, (method, path))

    def test_ours_never_reaches_nova(self):
        for path in (
            SHARES,
            f"{SHARES}/",
            f"{SHARES}/x/y",
            f"{SHARES}%0A",
            f"{SHARES}/x%0A",
            f"{SHARES}%0A?_method=GET",
            f"{SHARES}?_method=GET",
        ):
            for version in ("compute 2.97", "compute 2.96", "compute x"):
                request = webob.Request.blank(path, method="PATCH")
                request.headers["OpenStack-API-Version"] = version
                response = request.get_response(self.filter)
                self.assertEqual("application/json", response.content_type)
                self.assertIn(response.status_int, (400, 404, 405))
        self.assertEqual([], self.seen)
