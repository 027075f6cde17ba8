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

"""What a test can make devcloud do, and what it is told."""

from __future__ import annotations

from concurrent import futures
import threading
import time

from keystoneauth1 import exceptions

from nova_shares.tests.functional.devcloud import base
from nova_shares_devcloud import compute

ALLOW = {"allow_access": {"access_type": "ip", "access_to": "192.0.2.1"}}


class FaultsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.share = self.cloud.create_share("data")
        self.path = f"/shares/{self.share.id}"
        # So that no fault meets the token's request.
        self.assertEqual(200, self.manila("GET", self.path).status_code)

    def allow(self):
        return self.manila("POST", f"{self.path}/action", ALLOW)

    def test_status_and_match(self):
        fault = self.cloud.fail("manila", "allow_access", status=500)
        answer = self.allow()
        self.assertEqual(500, answer.status_code)
        self.assertEqual(500, answer.json()["computeFault"]["code"])
        self.assertEqual([], self.cloud.rules())
        self.assertEqual(200, self.manila("GET", self.path).status_code)
        fault.clear()
        self.assertEqual(200, self.allow().status_code)

    def test_count(self):
        self.cloud.fail("manila", count=2)
        self.assertEqual(
            [503, 503, 200],
            [self.manila("GET", self.path).status_code for _ in range(3)],
        )

    def test_keystone_and_nova_fail_in_their_own_format(self):
        self.cloud.fail("nova")
        answer = self.nova("GET", "/servers")
        self.assertEqual(503, answer.json()["serviceUnavailable"]["code"])
        self.cloud.fail("keystone", status=502)
        answer = self.ask("identity/v3", "GET", "/projects")
        self.assertEqual("Bad Gateway", answer.json()["error"]["title"])

    def test_html(self):
        self.cloud.fail("manila", html=True)
        answer = self.manila("GET", self.path)
        self.assertEqual(200, answer.status_code)
        self.assertIn("text/html", answer.headers["Content-Type"])

    def test_refuse(self):
        self.cloud.fail("manila", refuse=True)
        self.assertRaises(
            exceptions.ConnectFailure, self.manila, "GET", self.path
        )
        self.assertRaises(exceptions.ConnectFailure, self.allow)
        self.assertEqual([], self.cloud.rules())

    def test_done_but_not_answered(self):
        self.cloud.fail("manila", "allow", refuse=True, after=True, count=1)
        self.assertRaises(exceptions.ConnectFailure, self.allow)
        self.assertEqual(1, len(self.cloud.rules()))

    def test_hang(self):
        self.cloud.fail("manila", hang=0.3, count=1)
        start = time.monotonic()
        self.assertEqual(200, self.manila("GET", self.path).status_code)
        self.assertGreater(time.monotonic() - start, 0.3)

    def test_hang_until_cleared(self):
        self.cloud.fail("manila", hang=60)
        threading.Timer(0.2, self.cloud.clear_faults).start()
        start = time.monotonic()
        self.assertEqual(200, self.manila("GET", self.path).status_code)
        self.assertLess(time.monotonic() - start, 10)

    def test_unknown_service(self):
        self.assertRaises(ValueError, self.cloud.fail, "cinder")

    def test_hooks(self):
        told = []

        def hook(phase, request):
            told.append((phase, request.method, len(self.cloud.rules())))

        forget = self.cloud.on_request("manila", hook)
        self.allow()
        forget()
        self.manila("GET", self.path)
        self.assertEqual([("before", "POST", 0), ("after", "POST", 1)], told)

    def test_log(self):
        self.cloud.forget_requests()
        self.allow()
        (request,) = self.cloud.requests("manila")
        self.assertEqual(
            ("POST", f"/v2{self.path}/action", "member", "demo", 200),
            (
                request.method,
                request.path,
                request.user,
                request.project,
                request.status,
            ),
        )
        self.assertEqual([], self.cloud.requests("manila", "^GET"))
        self.assertNotIn(self.cloud.password, repr(request))


class CrowdTest(base.TestCase):
    def test_requests_that_wait_for_others_here(self):
        """As many as come at once, each of which needs another request."""
        crowd = 60
        arrived = threading.Barrier(crowd, timeout=20)

        def wait_for_all(router):
            def app(environ, start_response):
                arrived.wait()
                self.ask("share/v2", "GET", "/shares")
                return router(environ, start_response)

            return app

        self.served = self.useFixture(
            base.Served(
                compute_app=lambda cloud: compute.pipeline(
                    cloud, wrap_router=wait_for_all
                )
            )
        )
        self._sessions = {}
        self.assertEqual(
            200, self.ask("share/v2", "GET", "/shares").status_code
        )
        with futures.ThreadPoolExecutor(crowd) as pool:
            asked = [
                pool.submit(self.nova, "GET", "/servers") for _ in range(crowd)
            ]
            answers = [each.result().status_code for each in asked]
        self.assertEqual([200] * crowd, answers)
