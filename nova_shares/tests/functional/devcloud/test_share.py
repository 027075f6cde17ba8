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

"""Manila's shares, access rules and resource locks."""

from __future__ import annotations

import time

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional.devcloud import base

ALLOW = {"access_type": "ip", "access_to": "192.0.2.1", "access_level": "rw"}
LOCKED = {
    **ALLOW,
    "lock_visibility": True,
    "lock_deletion": True,
    "lock_reason": "in use",
}


class ShareTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.share = self.cloud.create_share("data")
        self.path = f"/shares/{self.share.id}"

    def act(self, name, arguments, user="member", version="2.82"):
        body = {name: arguments}
        return self.manila("POST", f"{self.path}/action", body, user, version)

    def allow(self, user="member", wish=None, version="2.82"):
        answer = self.act("allow_access", wish or ALLOW, user, version)
        self.assertEqual(200, answer.status_code, answer.text)
        return answer.json()["access"]

    def rules(self, user="member"):
        path = f"/share-access-rules?share_id={self.share.id}"
        return self.manila("GET", path, user=user).json()["access_list"]

    def states(self):
        return [rule["state"] for rule in self.rules("admin")]

    def message(self, answer, status, name):
        self.assertEqual(status, answer.status_code, answer.text)
        self.assertEqual(status, answer.json()[name]["code"])
        return answer.json()[name]["message"]


class SharesTest(ShareTestCase):
    def test_versions(self):
        for path in ("", "/v2", "/v2/"):
            (view,) = self.ask("share", "GET", path).json()["versions"]
            self.assertEqual(
                ("v2.0", "2.0", "2.82"),
                (view["id"], view["min_version"], view["version"]),
            )

    def test_negotiation(self):
        header = "X-OpenStack-Manila-API-Version"
        for asked, status, used in (
            ("2.82", 200, "2.82"),
            ("latest", 200, "2.82"),
            ("2.83", 406, "2.83"),
            ("abc", 400, None),
        ):
            answer = self.manila("GET", self.path, version=asked)
            self.assertEqual(status, answer.status_code, asked)
            self.assertEqual(used, answer.headers.get(header))
        none = self.ask("share/v2", "GET", self.path)
        self.assertEqual("2.0", none.headers[header])

    def test_who_sees_it(self):
        for user, status in (
            ("member", 200),
            ("reader", 200),
            ("admin", 200),
            ("other", 404),
        ):
            seen = self.manila("GET", self.path, user=user)
            self.assertEqual(status, seen.status_code, user)
        self.cloud.set_share(self.share.id, is_public=True)
        seen = self.manila("GET", self.path, user="other").json()["share"]
        self.assertEqual(
            (self.share.project_id, "available", "NFS", True),
            (
                seen["project_id"],
                seen["status"],
                seen["share_proto"],
                seen["is_public"],
            ),
        )
        refused = self.act("allow_access", ALLOW, "other")
        self.assertEqual(
            "Policy doesn't allow share:allow_access to be performed.",
            self.message(refused, 403, "forbidden"),
        )

    def test_no_token(self):
        self.cloud.keystone.revoke_all()
        session = self.served.session("member")
        answer = session.get(
            f"{self.served.url}/share/v2{self.path}",
            authenticated=False,
            raise_exc=False,
        )
        self.assertEqual(401, answer.status_code)
        self.assertEqual("Unauthorized", answer.json()["error"]["title"])

    def test_list(self):
        self.cloud.create_share("foreign", "other", is_public=True)
        names = [
            [
                s["name"]
                for s in self.manila("GET", path, None, user).json()["shares"]
            ]
            for path, user in (
                ("/shares", "member"),
                ("/shares/detail?is_public=True", "member"),
                ("/shares/detail?name=data", "member"),
                ("/shares?all_tenants=1", "member"),
                ("/shares?all_tenants=1", "admin"),
                ("/shares?all_tenants=1&limit=1&offset=1", "admin"),
            )
        ]
        self.assertEqual(
            [
                ["data"],
                ["foreign", "data"],
                ["data"],
                ["data"],
                ["foreign", "data"],
                ["data"],
            ],
            names,
        )

    def test_create_and_delete(self):
        body = {"share": {"name": "new", "share_proto": "nfs", "size": 1}}
        made = self.manila("POST", "/shares", body).json()["share"]
        self.assertEqual("NFS", made["share_proto"])
        path = f"/shares/{made['id']}"
        self.assertEqual(202, self.manila("DELETE", path).status_code)
        self.assertEqual(404, self.manila("GET", path).status_code)

    def test_export_locations(self):
        share = self.cloud.create_share("two", paths=["a:/a", "b:/b"])
        path = f"/shares/{share.id}/export_locations"
        seen = self.manila("GET", path).json()["export_locations"]
        self.assertEqual(
            [("a:/a", True), ("b:/b", False)],
            [(place["path"], place["preferred"]) for place in seen],
        )
        self.assertNotIn("is_admin_only", seen[0])
        one = self.manila("GET", f"{path}/{seen[1]['id']}", user="admin")
        self.assertIs(False, one.json()["export_location"]["is_admin_only"])
        none = self.manila("GET", f"{path}/{share.id}")
        self.assertEqual(404, none.status_code)


class RulesTest(ShareTestCase):
    def test_life(self):
        rule = self.allow()
        self.assertEqual("queued_to_apply", rule["state"])
        self.assertEqual(self.share.id, rule["share_id"])
        self.assertEqual(["active"], self.states())
        one = self.manila("GET", f"/share-access-rules/{rule['id']}")
        self.assertEqual(
            ("192.0.2.1", "rw", "active"),
            tuple(
                one.json()["access"][key]
                for key in ("access_to", "access_level", "state")
            ),
        )
        gone = self.act("deny_access", {"access_id": rule["id"]})
        self.assertEqual(202, gone.status_code)
        self.assertEqual([], self.states())
        again = self.act("deny_access", {"access_id": rule["id"]})
        self.assertEqual(404, again.status_code)

    def test_states_take_their_time(self):
        self.cloud.manila.delays.update(allow=1, deny=1)
        rule = self.allow()
        for state in ("queued_to_apply", "applying", "active"):
            self.wait_for_states([state])
        self.act("deny_access", {"access_id": rule["id"]})
        for states in (["queued_to_deny"], ["denying"], []):
            self.wait_for_states(states)

    def wait_for_states(self, states):
        """Each lasts for half a second: a busy machine misses none."""
        cloud.wait_for(lambda: self.states() == states, self.states)

    def test_hold_and_release(self):
        self.cloud.hold("allow")
        rule = self.allow()
        time.sleep(0.05)
        self.assertEqual(["queued_to_apply"], self.states())
        self.cloud.release("allow")
        self.assertEqual(["active"], self.states())
        self.cloud.hold("deny")
        self.act("deny_access", {"access_id": rule["id"]})
        self.assertEqual(["queued_to_deny"], self.states())
        refused = self.act("allow_access", ALLOW)
        self.assertEqual(
            "Share access ip:192.0.2.1 exists.",
            self.message(refused, 400, "badRequest"),
        )
        self.cloud.release("deny")
        self.allow()

    def test_a_rule_that_fails(self):
        self.cloud.rule_error(self.share.id)
        rule = self.allow()
        self.assertEqual(["error"], self.states())
        self.act("deny_access", {"access_id": rule["id"]})
        self.cloud.rule_error(self.share.id, on=False)
        self.allow()
        self.assertEqual(["active"], self.states())

    def test_equal_rules_are_refused(self):
        self.allow()
        refused = self.act("allow_access", ALLOW)
        self.assertEqual(
            "Share access ip:192.0.2.1 exists.",
            self.message(refused, 400, "badRequest"),
        )
        self.allow(wish={**ALLOW, "access_to": "192.0.2.2"})

    def test_bad_rules(self):
        for change in (
            {"access_type": "magic"},
            {"access_to": "no address"},
            {"access_to": None},
            {"access_level": "rwx"},
            {"lock_reason": "nothing is locked"},
        ):
            answer = self.act("allow_access", {**ALLOW, **change})
            self.assertEqual(400, answer.status_code, change)
        self.cloud.set_share(self.share.id, status="error")
        self.assertEqual(400, self.act("allow_access", ALLOW).status_code)

    def test_who_may(self):
        for user, status in (("reader", 403), ("other", 404)):
            answer = self.act("allow_access", ALLOW, user)
            self.assertEqual(status, answer.status_code, user)
        self.allow("nova-shares")

    def test_list_needs_a_share(self):
        for query in ("", "?share_id=none"):
            answer = self.manila("GET", f"/share-access-rules{query}")
            self.assertEqual(400, answer.status_code)
        old = self.manila("GET", "/share-access-rules", version="2.44")
        self.assertEqual(404, old.status_code)

    def test_cephx_key(self):
        wish = {"access_type": "cephx", "access_to": "alice"}
        self.assertIsNone(self.allow(wish=wish)["access_key"])
        (rule,) = self.rules()
        self.assertEqual(40, len(rule["access_key"]))
        self.assertEqual("rw", rule["access_level"])


class LocksTest(ShareTestCase):
    def locks(self, user="admin", query="?all_projects=1"):
        path = f"/resource-locks{query}"
        return self.manila("GET", path, user=user).json()["resource_locks"]

    def test_a_locked_rule(self):
        rule = self.allow("nova-shares", LOCKED)
        self.assertEqual("192.0.2.1", rule["access_to"])
        by_what = {
            (lock["resource_type"], lock["resource_action"]): lock
            for lock in self.locks()
        }
        self.assertEqual(
            {
                ("access_rule", "show"),
                ("access_rule", "delete"),
                ("share", "delete"),
            },
            set(by_what),
        )
        deletion = by_what["access_rule", "delete"]
        self.assertEqual(
            (rule["id"], "in use", "admin"),
            (
                deletion["resource_id"],
                deletion["lock_reason"],
                deletion["lock_context"],
            ),
        )
        self.assertEqual(
            self.cloud.users["nova-shares"].id, deletion["user_id"]
        )
        self.assertEqual(
            f"Locked by access lock: {deletion['id']}",
            by_what["share", "delete"]["lock_reason"],
        )
        self.assertEqual([], self.locks("member"))

    def test_who_sees_a_hidden_rule(self):
        self.allow("nova-shares", LOCKED)
        for user, seen in (
            ("member", "******"),
            ("admin", "192.0.2.1"),
            ("nova-shares", "192.0.2.1"),
        ):
            (rule,) = self.rules(user)
            self.assertEqual(seen, rule["access_to"], user)
        (rule,) = self.rules("member")
        self.assertEqual("******", rule["access_key"])

    def test_who_may_deny_a_locked_rule(self):
        rule = self.allow("nova-shares", LOCKED)
        for user in ("member", "admin"):
            plain = self.act("deny_access", {"access_id": rule["id"]}, user)
            self.assertEqual(
                f"Cannot deny access for share '{self.share.id}' since it "
                "has been locked. Please remove the locks and retry the "
                "operation",
                self.message(plain, 403, "forbidden"),
            )
        wish = {"access_id": rule["id"], "unrestrict": True}
        self.assertEqual(
            "Unable to drop access rule restrictions that are not placed by "
            "you.",
            self.message(self.act("deny_access", wish), 403, "forbidden"),
        )
        gone = self.act("deny_access", wish, "nova-shares")
        self.assertEqual(202, gone.status_code)
        self.assertEqual([], self.states())
        self.assertEqual([], self.locks())

    def test_a_locked_share_stays(self):
        self.allow("nova-shares", LOCKED)
        lock = self.cloud.manila.locks_on(self.share.id)[0]
        for user in ("member", "admin"):
            answer = self.manila("DELETE", self.path, user=user)
            self.assertEqual(
                f"Resource lock/s ['{lock.id}'] prevent delete action.",
                self.message(answer, 403, "forbidden"),
            )

    def test_no_locks_before_their_version(self):
        self.allow("nova-shares", LOCKED, "2.81")
        self.assertEqual([], self.locks())
        old = self.manila("GET", "/resource-locks", version="2.80")
        self.assertEqual(404, old.status_code)

    def test_a_lock_of_ones_own(self):
        body = {
            "resource_lock": {
                "resource_id": self.share.id,
                "resource_type": "share",
                "lock_reason": "mine",
            }
        }
        made = self.manila("POST", "/resource-locks", body)
        lock = made.json()["resource_lock"]
        self.assertEqual("user", lock["lock_context"])
        query = f"?resource_id={self.share.id}&lock_reason=mine"
        self.assertEqual([lock], self.locks("member", query))
        path = f"/resource-locks/{lock['id']}"
        self.assertEqual(
            404, self.manila("GET", path, None, "other").status_code
        )
        self.assertEqual(204, self.manila("DELETE", path).status_code)
        self.assertEqual(404, self.manila("GET", path).status_code)


class OldManilaTest(base.TestCase):
    def test_maximum(self):
        self.served = self.useFixture(base.Served(share_max="2.80"))
        self._sessions = {}
        answer = self.manila("GET", "/shares")
        self.assertEqual(406, answer.status_code)
        self.assertEqual(
            "Version 2.82 is not supported by the API. Minimum is 2.0 and "
            "maximum is 2.80.",
            answer.json()["computeFault"]["message"],
        )
