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

"""What is around the calls: versions, health, other sites' pages."""

from __future__ import annotations

import os
import time

import fixtures
import webob

from nova_shares.api import deploy
from nova_shares.tests.functional.api import base


class TestService(base.Case):
    """The API as a service."""

    options = """
[cors]
allowed_origin = http://horizon.example.test
[oslo_middleware]
enable_proxy_headers_parsing = true
"""

    def get(self, path, method="GET", app=None, **headers):
        request = webob.Request.blank(path, method=method)
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        request.remote_addr = "127.0.0.1"
        return request.get_response(app or self.world.app)

    def test_list_of_versions(self):
        answer = self.get("/")
        (version,) = answer.json["versions"]
        self.assertEqual("v2.1", version["id"])
        self.assertEqual("CURRENT", version["status"])
        self.assertEqual("2.97", version["version"])
        self.assertEqual("2.1", version["min_version"])
        # As of the client's own request.
        self.assertEqual(
            [{"rel": "self", "href": "http://localhost/compute/v2.1/"}],
            version["links"],
        )

    def test_one_version(self):
        for path in ("/v2.1", "/v2.1/", "//v2.1//"):
            version = self.get(path).json["version"]
            self.assertEqual("2.97", version["version"])
            self.assertEqual(
                "application/json", version["media-types"][0]["base"]
            )

    def test_raised(self):
        for maximum, shown in (
            ("2.95", "2.95"),
            ("2.96", "2.97"),
            ("2.104", "2.104"),
        ):
            self.world.cloud.compute_max = maximum
            self.addCleanup(setattr, self.world.cloud, "compute_max", "2.97")
            app = deploy.make_service(self.world._configure())
            for path in ("/", "/v2.1/"):
                content = self.get(path, app=app).json
                version = content.get("version") or content["versions"][-1]
                self.assertEqual(shown, version["version"])

    def test_not_raised(self):
        self.world.cloud.compute_max = "2.96"
        self.addCleanup(setattr, self.world.cloud, "compute_max", "2.97")
        conf = self.world._configure()
        conf.set_override("advertise", False, group="api")
        answer = self.get("/v2.1/", app=deploy.make_service(conf))
        self.assertEqual("2.96", answer.json["version"]["version"])

    def test_at_a_version(self):
        self.world.cloud.compute_max = "2.96"
        self.addCleanup(setattr, self.world.cloud, "compute_max", "2.97")
        app = deploy.make_service(self.world._configure())
        for asked, status in (
            ("2.96", 200),
            ("2.97", 200),
            ("latest", 200),
            ("2.98", 406),
        ):
            answer = self.get(
                "/v2.1/", app=app, OpenStack_API_Version=f"compute {asked}"
            )
            self.assertEqual(status, answer.status_int)
            self.assertIn("2.97", answer.text)
            self.assertEqual(
                "compute " + asked.replace("latest", "2.97"),
                answer.headers["OpenStack-API-Version"],
            )

    def test_a_document_that_requires_a_token(self):
        # Devcloud has none there; Nova is asked with the client's token.
        answer = self.get("/v2.1/versions/v2.1", X_Auth_Token="nonsense")
        self.assertEqual(401, answer.status_int)
        self.assertIn("WWW-Authenticate", answer.headers)
        answer = self.get(
            "/v2.1/versions/v2.1", X_Auth_Token=self.world.tokens["member"]
        )
        self.assertEqual(404, answer.status_int)

    def test_nova_is_away(self):
        self.world.cloud.fail("nova", refuse=True)
        app = deploy.make_service(self.world._configure())
        for path in ("/", "/v2.1/"):
            answer = self.get(path, app=app)
            self.assertEqual(503, answer.status_int)
            self.assertIn("compute service", answer.text)

    def test_nova_hangs(self):
        self.useFixture(fixtures.MonkeyPatch("nova_shares.bulkhead.PAUSE", 10))
        self.world.cloud.fail("nova", hang=30)
        app = deploy.make_service(self.world._configure())
        began = time.monotonic()
        self.assertEqual(503, self.get("/", app=app).status_int)
        self.assertLess(time.monotonic() - began, 6)
        # And from then on nobody waits.
        began = time.monotonic()
        self.assertEqual(503, self.get("/v2.1", app=app).status_int)
        self.assertLess(time.monotonic() - began, 0.5)

    def test_a_loop(self):
        answer = self.get("/v2.1/", Via="1.1 lb, 1.1 nova-shares")
        self.assertEqual(503, answer.status_int)
        self.assertIn("endpoint_override", self.log.output)

    def test_nothing_else_at_the_root(self):
        for path in ("/v2", "/v2.2", "/x", "/%ff", "/v2.1x", "/versions"):
            answer = self.get(path)
            self.assertEqual(404, answer.status_int)
            self.assertEqual(
                "The resource could not be found.",
                answer.json["itemNotFound"]["message"],
            )

    def test_documents_are_only_read(self):
        for path in ("/", "/v2.1"):
            self.assertEqual(200, self.get(path, "HEAD").status_int)
            answer = self.get(path, "POST")
            self.assertEqual(405, answer.status_int)
            self.assertEqual("GET, HEAD", answer.headers["Allow"])

    def test_below_a_token_is_needed(self):
        answer = self.get("/v2.1/servers")
        self.assertEqual(401, answer.status_int)
        self.assertIn("Keystone uri", answer.headers["WWW-Authenticate"])

    def test_the_rest_of_nova_is_not_here(self):
        for version in ("compute 2.97", "compute 2.1"):
            answer = self.world.ask("GET", "/servers", version=version)
            self.assertEqual(404, answer.status_int)
            self.assertIn("itemNotFound", answer.json)

    def test_health(self):
        answer = self.get("/healthcheck", Accept="application/json")
        self.assertEqual(200, answer.status_int)
        self.world.cloud.fail("keystone")
        self.assertEqual(200, self.get("/healthcheck").status_int)

    def test_deep_health(self):
        deep = "/healthcheck/deep"
        self.assertEqual(200, self.get(deep).status_int)
        self.assertEqual(200, self.get(deep, "HEAD").status_int)
        conf = self.world._configure()
        missing = os.path.join(self.world.directory, "missing", "database")
        conf.set_override(
            "connection", f"sqlite:///{missing}", group="database"
        )
        app = deploy.make_service(conf)
        answer = self.get(deep, app=app)
        self.assertEqual(503, answer.status_int)
        self.assertEqual("The database is not available.", answer.text)
        self.assertEqual(200, self.get("/healthcheck", app=app).status_int)

    def test_every_answer_has_an_id(self):
        for path in ("/", "/v2.1", "/x", "/healthcheck", "/v2.1/servers"):
            headers = self.get(path).headers
            self.assertEqual(
                headers["x-openstack-request-id"],
                headers["x-compute-request-id"],
            )

    def test_a_page_of_an_allowed_origin(self):
        origin = "http://horizon.example.test"
        # What a browser asks first; it has no token, and gets no id.
        answer = self.world.ask(
            "OPTIONS",
            self.world.path("empty"),
            app=self.world.bare,
            Origin=origin,
            Access_Control_Request_Method="POST",
            Access_Control_Request_Headers="X-Auth-Token,"
            "OpenStack-API-Version",
            **{"X-Auth-Token": None},
        )
        self.assertEqual(200, answer.status_int)
        self.assertEqual(origin, answer.headers["Access-Control-Allow-Origin"])
        answer = self.world.list("empty", Origin=origin, app=self.world.bare)
        self.assertEqual(origin, answer.headers["Access-Control-Allow-Origin"])
        exposed = answer.headers["Access-Control-Expose-Headers"].split(",")
        self.assertIn("OpenStack-API-Version", exposed)

    def test_a_page_of_another_origin(self):
        answer = self.world.list("empty", Origin="http://evil.example.test")
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)
