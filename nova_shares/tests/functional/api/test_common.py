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

"""Cases of the contract that hold for all four calls.

L3 to L19; S5, A31 and D14 say that they are also those of a show, an attach
and a detach. Each runs against the service and against the filter.
"""

from __future__ import annotations

import json
from urllib import parse

from nova_shares import mapping as m
from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

_NOT_FOUND = "The resource could not be found."


class TestService(base.Case):
    """The calls on a server with a share, which a member may make."""

    deployment = world.SERVICE

    def setUp(self):
        super().setUp()
        self.world.mapped("stopped", "nfs", tag="data")

    def test_l4_no_role(self):
        for name, answer in self.answers("stopped", user="norole"):
            self.assertEqual(
                f"Policy doesn't allow os_compute_api:os-server-shares:{name}"
                " to be performed.",
                self.message(403, answer),
            )

    def test_l5_another_projects_server(self):
        for server in ("stopped", "empty"):
            for name, answer in self.answers(server, user="other"):
                self.assertEqual(
                    "Policy doesn't allow"
                    f" os_compute_api:os-server-shares:{name} to be"
                    " performed.",
                    self.message(403, answer),
                )

    def test_l6_an_admin_of_another_project(self):
        statuses = [
            self.world.ask(method, path, user="admin", **how).status_int
            for method, _, path, how in self.each_call("stopped")
        ]
        self.assertEqual([200, 201, 200, 200], statuses)

    def test_l7_an_unknown_server(self):
        for server in (base.UNKNOWN, "new", base.UNKNOWN.replace("-", "")):
            for _, answer in self.answers(server):
                self.assertEqual(
                    f"Instance {server} could not be found.",
                    self.message(404, answer),
                )

    def test_l7_an_id_that_is_no_uuid_is_asked_for_nowhere(self):
        self.world.cloud.forget_requests()
        for _, answer in self.answers("x" * 300):
            self.message(404, answer)
        self.assertEqual([], self.world.cloud.requests("manila"))
        self.assertEqual([], self.world.cloud.requests("nova", "/servers"))

    def test_l8_a_deleted_server(self):
        server = self.world.servers["deleted"]
        for user in ("member", "admin"):
            for _, answer in self.answers("deleted", user=user):
                self.assertEqual(
                    f"Instance {server} could not be found.",
                    self.message(404, answer),
                )

    def test_l8_while_its_mappings_are_undone(self):
        self.world.mapped("deleted", "nfs", status=m.DETACHING)
        shares = self.world.list("deleted").json["shares"]
        self.assertEqual(["detaching"], [s["status"] for s in shares])
        share = self.world.show("deleted", "nfs").json["share"]
        self.assertEqual("detaching", share["status"])
        self.message(404, self.world.detach("deleted", "nfs"))
        self.message(404, self.world.attach("deleted", "nfs2"))

    def test_l10_an_older_version(self):
        for version, used in (
            ("compute 2.96", "2.96"),
            ("compute 2.1", "2.1"),
            (None, "2.1"),
            ("2.97", "2.1"),
            ("volume 2.97", "2.1"),
        ):
            for _, answer in self.answers("stopped", version=version):
                self.assertEqual(_NOT_FOUND, self.message(404, answer))
                self.assertEqual(
                    f"compute {used}", answer.headers["OpenStack-API-Version"]
                )

    def test_l11_ways_to_ask_for_it(self):
        old = "X-OpenStack-Nova-API-Version"
        for headers in (
            {"version": "compute latest"},
            {"version": "volume 3.0, compute 2.97"},
            {"version": "COMPUTE  2.97"},
            {"version": None, old: "2.97"},
            {"version": None, old: "latest"},
            {"version": "compute 2.97", old: "2.1"},
            {"version": "volume 3.0", old: "2.97"},
        ):
            answer = self.world.list("stopped", **headers)
            self.assertEqual(200, answer.status_int)
            self.assertEqual("2.97", answer.headers[old])

    def test_l12_above_the_maximum(self):
        for _, answer in self.answers("stopped", version="compute 2.105"):
            self.assertEqual(
                "Version 2.105 is not supported by the API. Minimum is 2.1"
                " and maximum is 2.97.",
                self.message(406, answer),
            )
            self.assertEqual(
                "compute 2.105", answer.headers["OpenStack-API-Version"]
            )

    def test_l13_no_version(self):
        for text in ("abc", "2", "2.97.1", "2.-1"):
            for _, answer in self.answers(
                "stopped", version=f"compute {text}"
            ):
                self.assertEqual(
                    f"API Version String {text} is of invalid format. Must"
                    " be of format MajorNum.MinorNum.",
                    self.message(400, answer),
                )
                self.assertNotIn("OpenStack-API-Version", answer.headers)
                self.assertNotIn("Vary", answer.headers)

    def test_l14_the_urls_project(self):
        demo = self.world.cloud.projects["demo"].id
        dashed = "-".join((demo[:8], demo[8:]))
        other = self.world.cloud.projects["other"].id
        for project in (other, "0" * 32, dashed):
            for _, answer in self.answers("stopped", prefix=f"/{project}"):
                self.assertEqual(
                    f"Malformed request URL: URL's project_id '{project}'"
                    f" doesn't match Context's project_id '{demo}'",
                    self.message(400, answer),
                )
        admin = self.world.cloud.projects["admin"].id
        for _, answer in self.answers(
            "stopped", prefix=f"/{demo}", user="admin"
        ):
            self.assertIn(
                f"Context's project_id '{admin}'", self.message(400, answer)
            )

    def test_the_urls_project_is_the_tokens(self):
        demo = self.world.cloud.projects["demo"].id
        for method, _, path, how in self.each_call("stopped"):
            answer = self.world.ask(method, f"/{demo}{path}", **how)
            self.assertIn(answer.status_int, (200, 201))

    def test_an_agent_may_be_faster_than_the_answer_to_a_detach(self):
        # Whatever is to go is gone before the API looks at it again.
        self.world.execute(
            "CREATE TRIGGER agent AFTER UPDATE ON share_mappings"
            " WHEN NEW.wanted = 'detached'"
            " BEGIN DELETE FROM share_mappings WHERE uuid = NEW.uuid; END"
        )
        self.addCleanup(self.world.execute, "DROP TRIGGER agent")
        path = self.world.path("stopped", "nfs")
        answer = self.world.ask("DELETE", path)
        self.assertEqual(200, answer.status_int)
        self.message(404, self.world.ask("DELETE", path))

    def test_l15_methods(self):
        for share, methods, allowed in (
            (None, ("PUT", "PATCH", "HEAD", "DELETE"), "GET, POST"),
            ("nfs", ("PUT", "PATCH", "HEAD", "POST"), "DELETE, GET"),
        ):
            for method in methods:
                answer = self.world.ask(
                    method, self.world.path("stopped", share)
                )
                self.assertEqual(405, answer.status_int)
                self.assertEqual(allowed, answer.headers["Allow"])
                if method != "HEAD":
                    self.assertIn("badMethod", answer.json)

    def test_l15_an_older_version_has_no_route(self):
        answer = self.world.ask(
            "PUT", self.world.path("stopped"), version="compute 2.96"
        )
        self.assertEqual(_NOT_FOUND, self.message(404, answer))

    def test_l16_below(self):
        for end in ("/", ".json", ".xml", "//", "/x/y", "/x/", "/x/y/z"):
            for method in ("GET", "POST", "PUT", "DELETE"):
                answer = self.world.ask(
                    method, self.world.path("stopped") + end
                )
                self.assertEqual(
                    _NOT_FOUND, self.message(404, answer), (method, end)
                )

    def test_l17_bytes(self):
        for sent in (
            "%ff",
            "%00",
            "%F0%9F%98%80",
            "%C3%A9",
            "a%0Ab",
            "%3Cscript%3E",
            "'%22%25s%7Bx%7D",
            "x" * 300,
        ):
            # As Nova does: byte for byte, safe in JSON.
            shown = parse.unquote_to_bytes(sent).decode("latin-1")
            for _, answer in self.answers(sent):
                self.assertEqual(
                    f"Instance {shown} could not be found.",
                    self.message(404, answer),
                )
            for method in ("GET", "DELETE"):
                with self.nothing_written():
                    path = self.world.path("stopped", sent)
                    answer = self.world.ask(method, path)
                self.assertEqual(
                    f"Share {shown} could not be found.",
                    self.message(404, answer),
                )

    def test_l18_no_token(self):
        for token in (None, "", "bad"):
            for version in ("compute 2.97", "compute 2.1", "compute x"):
                for _, answer in self.answers(
                    "stopped",
                    user=token,
                    version=version,
                    **{"X-Auth-Token": token},
                ):
                    self.assertEqual(401, answer.status_int)
        for path in ("/servers/x/shares/y/z", "/servers/x/shares/"):
            answer = self.world.ask("PUT", path, **{"X-Auth-Token": None})
            self.assertEqual(401, answer.status_int)

    def test_l18_identity_headers_of_a_client_are_nothing(self):
        for _, answer in self.answers(
            "stopped",
            **{
                "X-Auth-Token": None,
                "X-User-Id": "me",
                "X-Roles": "admin",
                "X-Identity-Status": "Confirmed",
            },
        ):
            self.assertEqual(401, answer.status_int)

    def test_l19_a_system_scoped_token(self):
        for server in ("stopped", "empty"):
            for name, answer in self.answers(server, user="system"):
                self.assertIn(
                    f"os-server-shares:{name}", self.message(403, answer)
                )

    def test_upper_case_ids_find_the_same(self):
        server = self.world.servers["stopped"].upper()
        share = self.world.shares["nfs"].upper()
        self.assertEqual(1, len(self.world.list(server).json["shares"]))
        shown = self.world.show(server, share).json["share"]
        self.assertEqual(self.world.shares["nfs"], shown["share_id"])
        answer = self.world.attach(self.world.servers["empty"].upper(), share)
        self.assertEqual(
            self.world.shares["nfs"], answer.json["share"]["share_id"]
        )
        self.assertEqual(self.world.shares["nfs"], answer.json["share"]["tag"])
        self.assertEqual(1, len(self.world.list("empty").json["shares"]))
        self.assertEqual(200, self.world.detach(server, share).status_int)

    def test_a_list_or_show_with_rows_asks_nobody(self):
        self.world.list("stopped")
        self.world.cloud.forget_requests()
        self.assertEqual(200, self.world.list("stopped").status_int)
        self.assertEqual(200, self.world.show("stopped", "nfs").status_int)
        for service in ("keystone", "nova", "manila"):
            self.assertEqual([], self.world.cloud.requests(service))

    def test_s5_a_share_not_on_a_server_with_rows_needs_no_look_up(self):
        self.world.list("stopped")
        self.world.cloud.forget_requests()
        self.message(404, self.world.show("stopped", "nfs2"))
        self.assertEqual([], self.world.cloud.requests("nova"))

    def test_the_clients_request_id_becomes_the_global_one(self):
        sent = "req-aaaaaaaa-0000-4000-8000-000000000001"
        self.world.cloud.forget_requests()
        answer = self.world.attach(
            "empty", "nfs", **{"X-OpenStack-Request-ID": sent}
        )
        self.assertEqual(201, answer.status_int)
        asked = self.world.cloud.requests("manila")
        self.assertEqual({sent}, {r.global_request_id for r in asked})
        for request in self.world.cloud.requests("nova", "/servers/"):
            self.assertEqual(sent, request.global_request_id)
        self.assertEqual(
            answer.headers["x-openstack-request-id"],
            self.rows()[-1].request_id,
        )

    def test_415_for_any_method(self):
        for _, answer in self.answers(
            "stopped", **{"Content-Type": "application/xml"}
        ):
            self.assertEqual(
                "Unsupported Content-Type", self.message(415, answer)
            )

    def test_the_order_of_the_checks_on_a_post(self):
        """Each request is wrong in all that comes after its answer."""
        other = self.world.cloud.projects["other"].id
        steps = (
            (401, {"user": "bad", "version": "compute x"}),
            (400, {"version": "compute x"}),
            (406, {"version": "compute 2.98"}),
            (404, {"version": "compute 2.96"}),
            (400, {"prefix": f"/{other}"}),
            (400, {"body": b"{"}),
            (400, {"body": {"share": {}}}),
            (404, {"server": base.UNKNOWN}),
            (403, {"server": "active", "user": "reader"}),
            (409, {"server": "active"}),
            (409, {"server": "no_virtiofs"}),
            (404, {"share": base.UNKNOWN}),
            (409, {"share": self.world.shares["creating"]}),
            (409, {"share": self.world.shares["nfs"]}),
        )
        for n, (status, _) in enumerate(steps):
            wrong = {}
            for _, more in reversed(steps[n:]):
                wrong.update(more)
            share = wrong.pop("share")
            body = wrong.pop("body", {"share": {"share_id": share}})
            path = self.world.path(wrong.pop("server", "stopped"))
            path = wrong.pop("prefix", "") + path
            answer = self.world.ask("POST", path, body, **wrong)
            self.assertEqual(status, answer.status_int, (n, answer.text))
        self.assertEqual(1, len(self.rows()))

    def test_a_body_is_ignored_where_there_is_none(self):
        for body in (b"{nope", b"\xff", json.dumps({"x": 1}).encode()):
            answer = self.world.ask("GET", self.world.path("stopped"), body)
            self.assertEqual(200, answer.status_int)


class TestFilter(TestService):
    """The same in front of Nova's router."""

    deployment = world.FILTER

    def test_l7_an_id_that_is_no_uuid_is_asked_for_nowhere(self):
        # Nova is asked in the process: devcloud's log knows of no request.
        self.world.cloud.forget_requests()
        for _, answer in self.answers("x" * 300):
            self.message(404, answer)
        self.assertEqual([], self.world.cloud.requests("manila"))

    def test_l16_another_project_is_novas(self):
        path = self.world.path("stopped")
        answer = self.world.ask("GET", f"/nope{path}", app=self.world.bare)
        self.assertEqual(404, answer.status_int)
