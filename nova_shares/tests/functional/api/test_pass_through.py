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

"""P4: what is not ours is Nova's own answer, byte for byte."""

from __future__ import annotations

import json

import webob

from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world
from nova_shares_devcloud import compute

#: Their values are another at each request.
_VARYING = {"x-openstack-request-id", "x-compute-request-id"}


class TestPassThrough(base.Case):
    """The same requests to a compute API with our filter, and without."""

    deployment = world.FILTER

    def setUp(self):
        super().setUp()
        self.plain = compute.pipeline(self.world.cloud)

    def send(self, app, method, path, body=b"", version=None, user="member"):
        request = webob.Request.blank(path, method=method, body=body)
        if user:
            request.headers["X-Auth-Token"] = self.world.tokens[user]
        if version:
            request.headers["OpenStack-API-Version"] = version
        answer = request.get_response(app)
        headers = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _VARYING
        ]
        return answer.status, sorted(headers), answer.body

    def test_p4_reads(self):
        stopped = self.world.servers["stopped"]
        demo = self.world.cloud.projects["demo"].id
        for path in (
            "/",
            "/v2.1",
            "/v2.1/servers",
            "/v2.1/servers/detail?limit=2",
            f"/v2.1/servers/{stopped}",
            f"/v2.1/{demo}/servers/{stopped}",
            f"/v2.1/servers/{stopped}/tags",
            f"/v2.1/servers/{stopped}/sharesx",
            f"/v2.1/servers/{stopped}/metadata/shares",
            "/v2.1/servers/shares",
            "/v2.1/shares",
            f"/v2.1/nope/servers/{stopped}/shares",
            "/v2.1/servers/%ff/x",
            "/v2.1/flavors/detail",
            f"/v2.1/servers/{base.UNKNOWN}",
        ):
            for version in (None, "compute 2.26", "compute 2.96", "compute x"):
                for user in ("member", "admin", None):
                    for method in ("GET", "HEAD", "PUT"):
                        sent = (method, path, b"", version, user)
                        self.assertEqual(
                            self.send(self.plain, *sent),
                            self.send(self.world.bare, *sent),
                            sent,
                        )

    def test_p4_writes(self):
        path = f"/v2.1/servers/{self.world.servers['empty']}/action"
        for body in (
            {"lock": None},
            {"unlock": None},
            {"os-start": None},
            {"os-stop": None},
            {"nope": None},
            [],
        ):
            # Twice the same, so that both find the same server.
            sent = ("POST", path, json.dumps(body).encode(), "compute 2.96")
            self.send(self.plain, *sent)
            self.assertEqual(
                self.send(self.plain, *sent),
                self.send(self.world.bare, *sent),
                body,
            )
        for body in (b"{nope", b"\xff", b"[" * 3000):
            sent = ("POST", path, body, "compute 2.96")
            self.assertEqual(
                self.send(self.plain, *sent), self.send(self.world.bare, *sent)
            )
