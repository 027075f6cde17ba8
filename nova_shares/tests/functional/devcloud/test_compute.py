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

"""Nova's servers over HTTP, and its router behind a context of ours."""

from __future__ import annotations

import webob

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional.devcloud import base
from nova_shares_devcloud import compute

UNKNOWN = "aaaaaaaa-0000-4000-8000-000000000001"


class ServersTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.server = self.cloud.create_server("vm", vm_state="stopped")
        self.path = f"/servers/{self.server.id}"

    def show(self, user="member", version="2.96"):
        return self.nova("GET", self.path, None, user, version).json()[
            "server"
        ]

    def act(self, action, user="member", **arguments):
        body = {action: arguments or None}
        return self.nova("POST", f"{self.path}/action", body, user)

    def test_show(self):
        seen = self.show()
        self.assertEqual("SHUTOFF", seen["status"])
        self.assertEqual(self.server.project_id, seen["tenant_id"])
        self.assertEqual("stopped", seen["OS-EXT-STS:vm_state"])
        self.assertIsNone(seen["OS-EXT-STS:task_state"])
        self.assertEqual(4, seen["OS-EXT-STS:power_state"])
        self.assertIs(False, seen["locked"])
        self.assertEqual({}, seen["flavor"]["extra_specs"])
        self.assertNotIn("OS-EXT-SRV-ATTR:host", seen)

    def test_show_to_admin(self):
        seen = self.show("admin", "2.47")
        self.assertEqual("devcloud", seen["OS-EXT-SRV-ATTR:host"])
        self.assertIn("OS-EXT-SRV-ATTR:instance_name", seen)

    def test_old_versions_show_less(self):
        seen = self.show(version="2.1")
        self.assertNotIn("locked", seen)
        self.assertNotIn("tags", seen)
        self.assertEqual(self.server.flavor.id, seen["flavor"]["id"])

    def test_who_sees_it(self):
        for user, status in (
            ("reader", 200),
            ("admin", 200),
            ("other", 404),
            ("nova-shares", 200),
        ):
            seen = self.nova("GET", self.path, user=user)
            self.assertEqual(status, seen.status_code, user)
        none = self.nova("GET", f"/servers/{UNKNOWN}")
        self.assertEqual(404, none.status_code)
        self.assertEqual(
            f"Instance {UNKNOWN} could not be found.",
            none.json()["itemNotFound"]["message"],
        )

    def test_list(self):
        self.cloud.create_server("foreign", "other")
        names = [
            [
                s["name"]
                for s in self.nova("GET", path, None, user).json()["servers"]
            ]
            for path, user in (
                ("/servers", "member"),
                ("/servers/detail?all_tenants=True", "admin"),
                ("/servers/detail?name=for&all_tenants=1", "admin"),
                ("/servers/detail?limit=1&all_tenants=1", "admin"),
                ("/servers?status=SHUTOFF", "member"),
                ("/servers?status=ACTIVE", "member"),
                ("/servers", "admin"),
            )
        ]
        self.assertEqual(
            [
                ["vm"],
                ["foreign", "vm"],
                ["foreign"],
                ["foreign"],
                ["vm"],
                [],
                [],
            ],
            names,
        )
        refused = self.nova("GET", "/servers?all_tenants=1")
        self.assertEqual(403, refused.status_code)

    def test_project_in_the_url(self):
        own = self.server.project_id
        self.assertEqual(
            200, self.nova("GET", f"/{own}{self.path}").status_code
        )
        wrong = self.nova("GET", f"/{'0' * 32}{self.path}")
        self.assertEqual(400, wrong.status_code)
        self.assertEqual(
            f"Malformed request URL: URL's project_id '{'0' * 32}' doesn't "
            f"match Context's project_id '{own}'",
            wrong.json()["badRequest"]["message"],
        )
        self.assertEqual(
            404, self.nova("GET", f"/nope{self.path}").status_code
        )

    def test_create(self):
        flavors = self.nova("GET", "/flavors").json()["flavors"]
        flavor = next(f for f in flavors if f["name"] == "m1.hugepages")
        body = {
            "name": "new",
            "flavorRef": flavor["id"],
            "imageRef": next(iter(self.cloud.nova.images)),
            "networks": "none",
        }
        events = []
        self.cloud.on_power(lambda server, event: events.append(event))
        made = self.nova("POST", "/servers", {"server": body})
        self.assertEqual(202, made.status_code)
        path = f"/servers/{made.json()['server']['id']}"
        seen = self.nova("GET", path).json()["server"]
        self.assertEqual("ACTIVE", seen["status"])
        self.assertEqual(
            {"hw:mem_page_size": "large"}, seen["flavor"]["extra_specs"]
        )
        self.assertEqual(["create", "start"], events)
        refused = self.nova("POST", "/servers", {"server": body}, "reader")
        self.assertEqual(403, refused.status_code)

    def test_start_tells_before_the_state_does(self):
        seen = []
        self.cloud.on_power(
            lambda server, event: seen.append(
                (server, event, self.server.vm_state, self.server.task_state)
            )
        )
        self.assertEqual(202, self.act("os-start").status_code)
        self.assertEqual(
            [(self.server.id, "start", "stopped", "powering-on")], seen
        )
        self.assertEqual("ACTIVE", self.show()["status"])

    def test_start_takes_its_time(self):
        self.cloud.nova.delays["power"] = 1
        self.act("os-start")
        self.assertEqual("powering-on", self.show()["OS-EXT-STS:task_state"])
        busy = self.act("os-start")
        self.assertEqual(
            f"Cannot 'start' instance {self.server.id} while it is in "
            "task_state powering-on",
            busy.json()["conflictingRequest"]["message"],
        )
        cloud.wait_for(lambda: self.show()["status"] == "ACTIVE", self.show)

    def test_a_start_that_fails(self):
        def fail(server, event):
            raise RuntimeError("no such domain")

        self.cloud.on_power(fail)
        self.act("os-start")
        self.assertEqual("ERROR", self.show()["status"])

    def test_actions(self):
        for action, status in (
            ("os-start", "ACTIVE"),
            ("pause", "PAUSED"),
            ("unpause", "ACTIVE"),
            ("suspend", "SUSPENDED"),
            ("resume", "ACTIVE"),
            ("rescue", "RESCUE"),
            ("unrescue", "ACTIVE"),
            ("reboot", "ACTIVE"),
            ("os-stop", "SHUTOFF"),
            ("resize", "VERIFY_RESIZE"),
        ):
            answer = self.act(action, user="member")
            self.assertIn(answer.status_code, (200, 202), answer.text)
            self.assertEqual(status, self.show()["status"], action)
        wrong = self.act("os-start")
        self.assertEqual(409, wrong.status_code)
        self.assertEqual(
            f"Cannot 'start' instance {self.server.id} while it is in "
            "vm_state resized",
            wrong.json()["conflictingRequest"]["message"],
        )
        unknown = self.act("fly")
        self.assertEqual(
            "There is no such action: fly",
            unknown.json()["badRequest"]["message"],
        )
        self.assertEqual(403, self.act("os-start", "reader").status_code)
        self.assertEqual(404, self.act("os-start", "other").status_code)

    def test_lock(self):
        self.assertEqual(202, self.act("lock").status_code)
        self.assertIs(True, self.show()["locked"])
        refused = self.act("os-start")
        self.assertEqual(409, refused.status_code)
        self.assertEqual(
            f"Instance {self.server.id} is locked",
            refused.json()["conflictingRequest"]["message"],
        )
        self.assertEqual(202, self.act("os-start", "admin").status_code)
        self.act("unlock")
        self.assertEqual(202, self.act("os-stop").status_code)

    def test_delete(self):
        events = []
        self.cloud.on_power(lambda server, event: events.append(event))
        gone = self.nova("DELETE", self.path)
        self.assertEqual((204, ""), (gone.status_code, gone.text))
        self.assertEqual(["delete"], events)
        self.assertEqual(404, self.nova("GET", self.path).status_code)
        self.assertEqual(404, self.nova("DELETE", self.path).status_code)
        self.assertEqual([], self.nova("GET", "/servers").json()["servers"])

    def test_tags(self):
        self.cloud.set_server(self.server.id, tags=("a",))
        seen = self.nova("GET", f"{self.path}/tags", version="2.26")
        self.assertEqual({"tags": ["a"]}, seen.json())
        old = self.nova("GET", f"{self.path}/tags", version="2.25")
        self.assertEqual(404, old.status_code)

    def test_flavors(self):
        small = next(
            f
            for f in self.cloud.nova.flavors.values()
            if f.name == "m1.smallpages"
        )
        path = f"/flavors/{small.id}"
        specs = self.nova("GET", f"{path}/os-extra_specs").json()
        self.assertEqual({"extra_specs": {"hw:mem_page_size": "small"}}, specs)
        seen = self.nova("GET", path).json()["flavor"]
        self.assertEqual(specs["extra_specs"], seen["extra_specs"])
        self.assertEqual(404, self.nova("GET", "/flavors/none").status_code)


class VersionsTest(base.TestCase):
    def negotiate(self, path="/servers", **headers):
        return self.ask("compute/v2.1", "GET", path, **headers)

    def test_documents(self):
        root = self.ask("compute", "GET", "/").json()["versions"]
        self.assertEqual(
            [("v2.1", "2.97", "2.1")],
            [(v["id"], v["version"], v["min_version"]) for v in root],
        )
        for path in ("/v2.1", "/v2.1/"):
            one = self.ask("compute", "GET", path).json()["version"]
            self.assertEqual("2.97", one["version"])
            self.assertEqual(
                f"{self.served.url}/compute/v2.1/", one["links"][0]["href"]
            )

    def test_negotiation(self):
        old, new = "X_OpenStack_Nova_API_Version", "OpenStack_API_Version"
        for headers, status, used in (
            ({}, 200, "2.1"),
            ({new: "compute 2.97"}, 200, "2.97"),
            ({new: "compute latest"}, 200, "2.97"),
            ({new: "volume 3.0, compute 2.90"}, 200, "2.90"),
            ({new: "COMPUTE  2.90"}, 200, "2.90"),
            ({new: "2.90"}, 200, "2.1"),
            ({old: "2.90"}, 200, "2.90"),
            ({new: "compute 2.90", old: "2.80"}, 200, "2.90"),
            ({new: "compute 2.105"}, 406, "2.105"),
            ({new: "compute 3.0"}, 406, "3.0"),
            ({new: "compute abc"}, 400, None),
            ({new: "compute 2"}, 400, None),
            ({new: "compute 2.-1"}, 400, None),
        ):
            answer = self.negotiate(**headers)
            self.assertEqual(status, answer.status_code, headers)
            self.assertEqual(
                used and f"compute {used}",
                answer.headers.get("OpenStack-API-Version"),
            )
            self.assertEqual(
                used, answer.headers.get("X-OpenStack-Nova-API-Version")
            )
        self.assertEqual(
            "Version 3.0 is not supported by the API. Minimum is 2.1 and "
            "maximum is 2.97.",
            self.negotiate(**{new: "compute 3.0"}).json()["computeFault"][
                "message"
            ],
        )

    def test_request_ids(self):
        given = "req-11111111-2222-4333-8444-555555555555"
        answer = self.negotiate(X_OpenStack_Request_ID=given)
        made = answer.headers["x-openstack-request-id"]
        self.assertEqual(made, answer.headers["x-compute-request-id"])
        self.assertNotEqual(given, made)
        (request,) = self.cloud.requests("nova", "/servers")
        self.assertEqual(
            (given, made, "member", "demo", 200),
            (
                request.global_request_id,
                request.request_id,
                request.user,
                request.project,
                request.status,
            ),
        )


class FilterTest(base.TestCase):
    """What a filter in front of the router can do."""

    def setUp(self):
        self.seen = seen = []

        def put_in_front(router):
            def app(environ, start_response):
                seen.append((environ, router))
                return router(environ, start_response)

            return app

        # The cloud of the base class is not the one that is asked here.
        super().setUp()
        self.served = self.useFixture(
            base.Served(
                compute_app=lambda cloud: compute.pipeline(
                    cloud, wrap_router=put_in_front
                )
            )
        )
        self.cloud = self.served.cloud
        self.server = self.cloud.create_server("vm")
        self._sessions = {}

    def sub_request(self, context):
        _environ, router = self.seen[-1]
        req = webob.Request.blank(f"/servers/{self.server.id}")
        req.headers["OpenStack-API-Version"] = "compute 2.47"
        req.environ["nova.context"] = context
        return req.get_response(router)

    def test_environ(self):
        project = self.cloud.projects["demo"].id
        for path in ("/servers", f"/{project}/servers"):
            self.nova("GET", path)
            environ, _router = self.seen[-1]
            self.assertEqual("/compute/v2.1", environ["SCRIPT_NAME"])
            self.assertEqual(path, environ["PATH_INFO"])
        context = environ["nova.context"]
        self.assertEqual(environ["openstack.request_id"], context.request_id)
        self.assertEqual(project, context.project_id)
        self.assertEqual("member", context.user_name)
        self.assertIs(False, context.is_admin)
        self.assertIn(
            "compute", [entry["type"] for entry in context.service_catalog]
        )

    def test_elevated(self):
        self.nova("GET", "/servers", user="other")
        context = self.seen[-1][0]["nova.context"]
        self.assertEqual(404, self.sub_request(context).status_int)
        elevated = context.elevated()
        self.assertIs(False, context.is_admin)
        self.assertNotIn("admin", context.roles)
        answer = self.sub_request(elevated)
        self.assertEqual(200, answer.status_int)
        self.assertEqual(
            "devcloud", answer.json["server"]["OS-EXT-SRV-ATTR:host"]
        )

    def test_deleted(self):
        self.nova("DELETE", f"/servers/{self.server.id}")
        context = self.seen[-1][0]["nova.context"]
        self.assertEqual(404, self.sub_request(context.elevated()).status_int)
        answer = self.sub_request(context.elevated(read_deleted="yes"))
        self.assertEqual("DELETED", answer.json["server"]["status"])
