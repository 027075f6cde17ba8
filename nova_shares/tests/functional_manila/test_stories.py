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
"""Attach and detach with the real Manila, and what its users see."""

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base
from nova_shares.tests.functional_manila import real


class LifeTest(base.StoryTest):
    def test_attach_start_stop_detach(self):
        share = self.attached()
        rule = self.only_rule(share)
        self.assertEqual(
            ("ip", self.c.address, "rw"),
            (rule["access_type"], rule["access_to"], rule["access_level"]),
        )
        self.exact()
        self.c.act(self.server, "os-start")
        self.c.see(self.server, share, "active")
        self.c.act(self.server, "os-stop")
        self.c.see(self.server, share, "inactive")
        self.detached(self.server, share)
        self.assertEqual({}, self.c.hypervisor.mounts())
        self.exact(share)

    def test_the_upstream_scenario_on_the_level_of_the_api(self):
        """What manila-tempest-plugin's scenario of attachments looks at."""
        share, other = self.c.share(), self.c.server()
        for server in (self.server, other):
            self.attached(server, share)
        rule = self.only_rule(share)
        self._locks_hold(share, rule)
        self.detached(self.server, share)
        self.assertEqual(rule, self.only_rule(share))
        self._locks_hold(share, rule)
        self.detached(other, share)
        self.assertEqual([], self.c.rules(share))
        self.assertEqual([], self.c.locks())
        member = self.c.manila("member")
        self.assertEqual(202, member.delete(f"/shares/{share}").status_code)

    def _locks_hold(self, share, rule):
        locked = {
            (lock["resource_type"], lock["resource_action"]): lock
            for lock in self.c.locks()
        }
        self.assertEqual(
            {
                ("access_rule", "delete"),
                ("access_rule", "show"),
                ("share", "delete"),
            },
            set(locked),
        )
        why = locked["access_rule", "delete"]["lock_reason"]
        mapping = (
            self.c.mapping(self.server, share)
            or self.c.store.list_all(host=self.c.host)[0]
        )
        for who in ("user_id", "project_id"):
            self.assertIn(getattr(mapping, who), why)
        self.assertRegex(why, "request req-[0-9a-f-]{36} of user")
        [seen] = self.c.rules(share, "member")
        self.assertEqual("******", seen["access_to"])
        self.assertEqual("******", seen["access_key"])
        for user in ("member", "admin"):
            client = self.c.manila(user)
            answer = client.delete(f"/shares/{share}")
            self.assertEqual(403, answer.status_code)
            self.assertIn("prevent delete action", answer.text)
            answer = self.c.deny(user, share, rule["id"])
            self.assertEqual(403, answer.status_code)
        answer = self.c.deny("member", share, rule["id"], unrestrict=True)
        self.assertEqual(403, answer.status_code)
        mine = self.c.manila("member").get("/resource-locks").json()
        self.assertEqual([], mine["resource_locks"])

    def test_cephfs_has_an_identity_for_each_mapping(self):
        share, other = self.c.share(proto="CEPHFS"), self.c.server()
        self.attached(self.server, share)
        self.attached(other, share)
        rules = self.c.rules(share)
        self.assertEqual({"cephx"}, {rule["access_type"] for rule in rules})
        names = {rule["access_to"] for rule in rules}
        self.assertEqual(2, len(names))
        for name in names:
            self.assertRegex(name, "^shares-[0-9a-f-]+$")
        self.exact()
        self.detached(self.server, share)
        self.only_rule(share)
        self.detached(other, share)
        self.exact(share)

    def test_two_hosts_with_one_share(self):
        share = self.attached()
        host, address = "another-" + self.c.host, "203.0.113.8"
        hypervisor = real.fake.Hypervisor()
        conf = self.c.configure(
            "another", host=host, address=address, directory=self.directory()
        )
        self.addCleanup(self.c.make_agent(conf, hypervisor))
        cloud.wait_for(lambda: self.c.store.agent(host))
        there = self.c.server()
        self.c.cloud.set_server(there, host=host)
        hypervisor.define(there)
        self.attached(there, share)
        self.assertEqual(
            {self.c.address, address},
            {rule["access_to"] for rule in self.c.rules(share)},
        )
        self.exact()
        self.detached(self.server, share)
        self.assertEqual(address, self.only_rule(share)["access_to"])
        self.detached(there, share)
        self.exact(share)

    def directory(self):
        return self.useFixture(cloud.fixtures.TempDir()).path

    def test_attach_while_the_last_rule_is_being_denied_slowly(self):
        share, other = self.c.share(share_type="slow"), self.c.server()
        self.attached(self.server, share)
        first = self.only_rule(share)["id"]
        self.assertEqual(200, self.c.detach(self.server, share))
        cloud.wait_for(
            lambda: [r["state"] for r in self.c.rules(share)] != ["active"],
            "never denied",
            30,
        )
        self.attached(other, share)
        self.assertNotEqual(first, self.only_rule(share)["id"])
        self.c.see(self.server, share, None)
        self.exact()
        self.detached(other, share)
        self.exact(share)

    def test_a22b_a_share_of_another_project(self):
        for public in (False, True):
            share = self.c.share(user="other")
            if public:
                self.c.manila("admin").put(
                    f"/shares/{share}", json={"share": {"is_public": True}}
                )
                seen = self.c.manila("member").get(f"/shares/{share}")
                self.assertEqual(200, seen.status_code)
            self.assertEqual(404, self.c.attach(self.server, share))
            self.assertEqual([], self.c.rules(share))
        path = f"/servers/{self.server}/shares"
        body = {"share": {"share_id": share}}
        answer = self.c.ask("POST", path, body, user="admin")
        self.assertEqual(201, answer.status_code)
        self.c.see(self.server, share, "inactive")
        self.exact()
        self.detached(self.server, share)
        self.exact(share)

    def test_a_reader_attaches_nothing_and_others_see_nothing(self):
        share = self.attached()
        path = f"/servers/{self.server}/shares"
        answers = {
            user: self.c.ask("GET", path, user=user).status_code
            for user in ("reader", "other", "admin")
        }
        self.assertEqual({"reader": 200, "other": 403, "admin": 200}, answers)
        answer = self.c.ask("DELETE", f"{path}/{share}", user="reader")
        self.assertEqual(403, answer.status_code)
        self.detached(self.server, share)


class ServiceTokenTest(base.StoryTest):
    def _attach(self):
        seen = {}

        def hold(request, response):
            seen[request.method] = "X-Service-Token" in request.headers

        self.c.api_manila.hold = hold
        share = self.attached()
        self.detached(self.server, share)
        return seen

    def test_not_sent_by_default(self):
        self.assertEqual({"GET": False}, self._attach())


class WithServiceTokenTest(ServiceTokenTest):
    options = {"options": "[manila]\nsend_service_user_token = true\n"}

    def test_not_sent_by_default(self):
        self.assertEqual({"GET": True}, self._attach())
