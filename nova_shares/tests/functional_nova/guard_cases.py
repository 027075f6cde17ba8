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


"""What must not happen to a server with shares, by Nova's own API."""

import json

from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova.nova import wait_for

REFUSED = {
    "resize": {"flavorRef": "bigger"},
    "migrate": None,
    "os-migrateLive": {"host": None, "block_migration": "auto"},
    "evacuate": {},
    "rebuild": {"imageRef": "11111111-0000-4000-8000-000000000001"},
    "shelve": None,
    "shelveOffload": None,
    "suspend": None,
}


class TestGuard(base.TestCase):
    def act(self, server, body, **sent):
        return self.ask("POST", f"/servers/{server}/action", body, **sent)

    def with_share(self, vm_state="stopped", **fields):
        server, share = self.nova.server(), self.nova.share()
        self.nova.attach(server, share)
        self.nova.set_server(server, vm_state, **fields)
        return server, share

    def not_found(self, path):
        wait_for(lambda: self.ask("GET", path).status_code == 404)

    def gone(self, server, share):
        wait_for(
            lambda: self.nova.store.list_for_server(server) == [],
            lambda: str(self.nova.store.list_for_server(server)),
        )
        self.assertEqual([], self.nova.cloud.rules(share))

    def test_p1(self):
        for vm_state in ("active", "stopped"):
            server, _ = self.with_share(vm_state)
            for action, value in REFUSED.items():
                for version, said in (
                    ("2.1", "2.1"),
                    ("2.96", "2.96"),
                    ("2.97", "2.97"),
                    (None, "2.1"),
                ):
                    answer = self.act(server, {action: value}, version=version)
                    self.assertEqual(
                        {
                            "conflictingRequest": {
                                "code": 409,
                                "message": "Feature not supported with"
                                " instances that have shares.",
                            }
                        },
                        answer.json(),
                        action,
                    )
                    self.assertEqual(409, answer.status_code)
                    self.assertEqual(
                        f"compute {said}",
                        answer.headers["OpenStack-API-Version"],
                    )
                    self.assertIn("x-compute-request-id", answer.headers)

    def test_p1_in_upper_case_and_with_the_project(self):
        server, _ = self.with_share()
        project = self.nova.cloud.projects["demo"].id
        for path in (
            f"/servers/{server.upper()}/action",
            f"/{project}/servers/{server}/action",
        ):
            answer = self.ask("POST", path, {"shelve": None})
            self.assertEqual(409, answer.status_code)
            self.assertIn("that have shares", answer.text)

    def test_p1_by_whatever_novas_router_takes_for_an_action(self):
        server, _ = self.with_share("active")
        path = f"/servers/{server}/action"
        for method, query in (
            ("POST", "%0A"),
            ("PUT", "?_method=POST"),
            ("PUT", "%0A?_method=post"),
            ("POST", "?_method=POST"),
        ):
            answer = self.ask(method, path + query, {"suspend": None})
            self.assertEqual(409, answer.status_code, query)
            self.assertIn("that have shares", answer.text)

    def test_p1_is_for_those_who_may_list_the_shares(self):
        server, _ = self.with_share()
        for user in ("other", "norole"):
            theirs, ours = self.both(
                server, {"resize": {"flavorRef": "bigger"}}, user=user
            )
            self.assertEqual(theirs, ours)
        answer = self.act(server, {"migrate": None}, user="admin")
        self.assertIn("that have shares", answer.text)

    def test_p1_does_not_depend_on_who_may_list_the_shares(self):
        rule = '"os_compute_api:os-server-shares:index": "role:admin"\n'
        path = self.nova._write("policy-list.yaml", rule)
        api = self.filtered(f"[oslo_policy]\npolicy_file = {path}\n")
        server, _ = self.with_share("active")
        for action in ("suspend", "shelve", "os-migrateLive"):
            for user in ("member", "admin"):
                answer = self.act(server, {action: {}}, user=user, url=api.url)
                self.assertEqual(409, answer.status_code, answer.text)
                self.assertIn("that have shares", answer.text)
        theirs, ours = (
            self.act(
                server,
                {"suspend": None},
                user="other",
                url=url,
                version="2.96",
            )
            for url in (self.nova.plain.url, api.url)
        )
        self.assertEqual(self.answer(theirs), self.answer(ours))
        self.assertEqual(404, ours.status_code)

    def test_p1_is_for_what_nova_reads_as_the_action(self):
        server, _ = self.with_share()
        two = {"resize": {"flavorRef": "bigger"}, "x": 1}
        for body, sent in (
            (two, {}),
            (b"", {}),
            (b"{nope", {}),
            (b"[]", {}),
            (b'["resize"]', {}),
            (b'"resize"', {}),
            ({}, {}),
            ({"nothing": None}, {}),
            ({"resize": None}, {"Content_Type": "application/xml"}),
            ({"resize": None}, {"version": "abc"}),
        ):
            theirs, ours = self.both(server, body, **sent)
            if sent.get("version") != "abc":
                self.assertEqual(theirs, ours, body)
            else:
                self.assertIn(ours[0], (400, 409))

    def test_p2_novas_own_answers(self):
        # A state in which Nova refuses them all, so that both can be asked.
        server = self.nova.server("building", task_state="spawning")
        for action, value in REFUSED.items():
            for user in ("member", "admin", "other"):
                theirs, ours = self.both(server, {action: value}, user=user)
                self.assertEqual(theirs, ours, action)

    def test_nova_reads_the_same_bytes(self):
        server, _ = self.with_share()
        name = "é" * 100
        body = json.dumps(
            {"addSecurityGroup": {"name": name}}, ensure_ascii=False
        ).encode()
        theirs, ours = self.both(server, body)
        self.assertEqual(theirs, ours)
        self.assertEqual(202, self.act(server, {"os-start": None}).status_code)

    def test_p3(self):
        for vm_state in ("active", "stopped"):
            server, share = self.with_share(vm_state)
            answer = self.ask("DELETE", f"/servers/{server}")
            self.assertEqual(204, answer.status_code, answer.text)
            self.gone(server, share)
            self.not_found(f"/servers/{server}/shares")

    def test_p3_by_whatever_novas_router_takes_for_a_deletion(self):
        for method, query in (
            ("DELETE", "%0A"),
            ("GET", "?_method=DELETE"),
        ):
            server, share = self.with_share()
            answer = self.ask(method, f"/servers/{server}{query}")
            self.assertEqual(204, answer.status_code, answer.text)
            self.gone(server, share)

    def test_p3_not_by_what_nova_takes_for_something_else(self):
        server, _ = self.with_share()
        answer = self.ask(
            "POST",
            f"/servers/{server}",
            b"_method=DELETE",
            Content_Type="application/x-www-form-urlencoded",
        )
        self.assertEqual(415, answer.status_code, answer.text)
        for method, query, status in (
            ("DELETE", "?_method=GET", 200),
            ("GET", "?_method=DELETE&x=%FF", 400),
        ):
            answer = self.ask(method, f"/servers/{server}{query}")
            self.assertEqual(status, answer.status_code, answer.text)
        (mapping,) = self.nova.store.list_for_server(server)
        self.assertEqual("attached", mapping.wanted)

    def test_p3_by_force(self):
        server, share = self.with_share("soft-delete")
        answer = self.act(server, {"forceDelete": None})
        self.assertEqual(202, answer.status_code, answer.text)
        self.gone(server, share)

    def test_p3_refused_by_nova(self):
        server, _ = self.with_share(locked=1, locked_by="admin")
        answer = self.ask("DELETE", f"/servers/{server}")
        self.assertEqual(409, answer.status_code)
        answer = self.ask("DELETE", f"/servers/{server}", user="other")
        self.assertEqual(404, answer.status_code)
        (mapping,) = self.nova.store.list_for_server(server)
        self.assertEqual("attached", mapping.wanted)

    def test_p3_soft(self):
        server, _ = self.with_share("active")
        api = self.filtered(
            nova_options="[DEFAULT]\nreclaim_instance_interval = 600\n"
        )
        answer = self.ask("DELETE", f"/servers/{server}", url=api.url)
        self.assertEqual(204, answer.status_code, answer.text)
        (mapping,) = self.nova.store.list_for_server(server)
        self.assertEqual("attached", mapping.wanted)

    def both(self, server, body, **sent):
        sent = {"version": "2.96", **sent}
        return [
            self.answer(self.act(server, body, url=api.url, **sent))
            for api in (self.nova.plain, self.nova.api)
        ]
