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
"""Manila stopped in the middle, or changed behind our back."""

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base


class OutageTest(base.StoryTest):
    options = {"options": "[compute]\nretry_interval_max = 1\n"}

    def test_manila_share_stopped_and_started_again(self):
        share = self.c.share()
        go_on = self.c.pause("manila-share")
        self.assertEqual(201, self.c.attach(self.server, share))
        cloud.wait_for(lambda: self.c.rules(share), "no rule", 30)
        self.assertEqual("attaching", self.c.status(self.server, share))
        go_on()
        self.c.see(self.server, share, "inactive")
        self.exact()
        go_on = self.c.pause("manila-share")
        self.assertEqual(200, self.c.detach(self.server, share))
        cloud.wait_for(
            lambda: self.c.rules(share)[0]["state"] != "active",
            "never denied",
            30,
        )
        self.assertEqual("detaching", self.c.status(self.server, share))
        go_on()
        self.c.see(self.server, share, None)
        self.exact(share)

    def test_manila_share_is_away_for_longer_than_we_wait(self):
        self.c.stop_agent()
        conf = self.c.configure(
            "agent", "[manila]\nshare_apply_policy_timeout = 0.5\n"
        )
        self.c.agent = self.c.make_agent(conf, self.c.hypervisor)
        share = self.c.share()
        go_on = self.c.pause("manila-share")
        self.assertEqual(201, self.c.attach(self.server, share))
        self.fault(self.server, share, "queued_to_apply")
        self.assertEqual(200, self.c.detach(self.server, share))
        self.fault(self.server, share, "queued_to_deny")
        go_on()
        self.c.see(self.server, share, None)
        self.exact(share)

    def test_manila_api_stopped_and_started_again(self):
        share = self.attached()
        self.c.service("stop", "manila-api")
        self.addCleanup(self.c.service, "start", "manila-api")
        other = self.c.server()
        self.assertEqual(503, self.c.attach(other, share))
        self.assertIsNone(self.c.mapping(other, share))
        self.assertEqual(200, self.c.detach(self.server, share))
        self.fault(self.server, share, "shared file system")
        self.c.service("start", "manila-api")
        self.c.see(self.server, share, None)
        self.exact(share)


class BrokerTest(base.StoryTest):
    options = {
        "options": "[compute]\nretry_interval_max = 1\n[manila]\ntimeout = 2\n"
    }

    def test_the_broker_of_manila_dies_while_it_grants_access(self):
        shares = [self.c.share() for _ in range(3)]
        self.c.service("stop", "broker")
        self.addCleanup(self.c.service, "start", "broker")
        for share in shares:
            self.assertEqual(201, self.c.attach(self.server, share))
        for share in shares:
            self.fault(self.server, share, "shared file system")
            self.assertEqual(200, self.c.detach(self.server, share))
        self.c.service("start", "broker")
        for share in shares:
            self.c.see(self.server, share, None, 120)
        # What Manila has locked meanwhile, and later, is found.
        cloud.wait_for(
            lambda: (
                not self.c.locks()
                and not any(self.c.rules(share) for share in shares)
            ),
            lambda: str(self.c.locks()),
            120,
        )
        self.exact(*shares)


class ForgottenTest(base.StoryTest):
    """Manila has a rule under way that it never takes up again."""

    options = {"policy_timeout": 3}

    def test_a_rule_that_manila_has_forgotten(self):
        for state in ("queued_to_deny", "applying"):
            share = self.attached()
            rule = self.only_rule(share)
            self.c.stop_agent()
            changed = self.c.manila_sql(
                "UPDATE share_instance_access_map SET state = :state"
                " WHERE access_id = :rule",
                state=state,
                rule=rule["id"],
            )
            self.assertEqual(1, changed)
            self.c.start_agent()
            cloud.wait_for(
                lambda share=share, rule=rule: (
                    [
                        (r["id"] != rule["id"], r["state"])
                        for r in self.c.rules(share)
                    ]
                    == [(True, "active")]
                ),
                lambda share=share: str(self.c.rules(share)),
                60,
            )
            self.c.see(self.server, share, "inactive")
            self.exact(share)
            self.detached(self.server, share)
            self.exact(share)


class ChangeTest(base.StoryTest):
    def test_a_rule_that_an_admin_removes_is_granted_again(self):
        share = self.attached()
        gone = self.c.remove_rule(share)
        cloud.wait_for(lambda: self.c.rules(share), "not granted again", 60)
        cloud.wait_for(
            lambda: self.c.rules(share)[0]["state"] == "active", limit=60
        )
        self.assertNotEqual(gone, self.only_rule(share)["id"])
        self.c.see(self.server, share, "inactive")
        cloud.wait_for(
            lambda: (
                self.c.mapping(self.server, share).access_id
                == self.only_rule(share)["id"]
            )
        )
        self.exact()

    def test_a_share_that_is_gone_is_detached(self):
        share = self.attached()
        self._delete(share)
        cloud.wait_for(
            lambda: self.c.status(self.server, share) == "error", limit=60
        )
        self.fault(self.server, share, "does not find the share")
        self.detached(self.server, share)
        self.exact()

    def _delete(self, share):
        admin = self.c.manila("admin")
        for lock in self.c.locks():
            admin.delete(f"/resource-locks/{lock['id']}")
        admin.post(f"/shares/{share}/action", json={"force_delete": None})
        cloud.wait_for(
            lambda: admin.get(f"/shares/{share}").status_code == 404,
            "not deleted",
            60,
        )

    def test_who_is_no_administrator_leaves_no_rule_behind(self):
        """Of a share of others Manila tells it that there is none."""
        share = self.attached()
        # For a token without the role: Keystone is slow to drop the old one.
        self.c.stop_agent()
        self.c.users.role("PUT", self.c.user_id, "member")
        self.c.users.role("DELETE", self.c.user_id, "admin")
        self.c.start_agent()
        self.assertEqual(200, self.c.detach(self.server, share))
        self.c.see(self.server, share, "error")
        [rule] = self.c.rules(share, "admin")
        self.assertEqual("active", rule["state"])
        self.c.users.role("PUT", self.c.user_id, "admin")
        self.c.see(self.server, share, None)
        self.exact(share)

    def test_a_share_in_error_is_detached(self):
        share = self.attached()
        reset = {"reset_status": {"status": "error"}}
        self.c.manila("admin").post(f"/shares/{share}/action", json=reset)
        self.detached(self.server, share)
        self.exact(share)

    def test_a_rule_of_somebody_else_is_in_the_way(self):
        for level in ("rw", "ro"):
            share = self.c.share()
            theirs = self.c.allow("member", share, level=level)
            rule = theirs.json()["access"]["id"]
            self.assertEqual(201, self.c.attach(self.server, share))
            self.fault(self.server, share, "not made by nova_shares")
            self.c.see(self.server, share, "error")
            self.assertEqual([rule], [r["id"] for r in self.c.rules(share)])
            self.detached(self.server, share)
            self.assertEqual([rule], [r["id"] for r in self.c.rules(share)])
            self.assertEqual([], self.c.locks())
        self.assertEqual(201, self.c.attach(self.server, share))
        self.fault(self.server, share, "not made by nova_shares")
        self.c.deny("member", share, rule)
        self.c.see(self.server, share, "inactive")
        self.exact()

    def test_our_own_rule_without_locks_is_made_anew(self):
        share = self.c.share()
        half = self.c.allow(
            self.c.user, share, metadata={"made_by": "nova_shares"}
        ).json()["access"]["id"]
        self.attached(self.server, share)
        self.assertNotEqual(half, self.only_rule(share)["id"])
        self.exact()

    def test_a_rule_in_error_is_made_anew(self):
        share = self.attached()
        first = self.only_rule(share)["id"]
        self.c.stop_agent()
        broken = self.c.manila_sql(
            "UPDATE share_instance_access_map SET state = 'error'"
            " WHERE access_id = :rule",
            rule=first,
        )
        self.assertEqual(1, broken)
        self.c.start_agent()
        cloud.wait_for(
            lambda: (
                [r["state"] for r in self.c.rules(share) if r["id"] != first]
                == ["active"]
            ),
            "not made anew",
            60,
        )
        self.c.see(self.server, share, "inactive")
        cloud.wait_for(
            lambda: self.c.mapping(self.server, share).access_id != first
        )
        self.exact()

    def test_a_place_that_has_moved_is_found(self):
        share = self.attached()
        new = "192.0.2.99:/moved"
        self.c.manila_sql(
            "UPDATE share_instance_export_locations SET path = :path"
            " WHERE share_instance_id IN"
            " (SELECT id FROM share_instances WHERE share_id = :share)",
            path=new,
            share=share,
        )
        self.c.hypervisor.fail("mount", "no such export", 1)
        self.c.act(self.server, "os-start")
        self.c.see(self.server, share, "active")
        mapping = self.c.mapping(self.server, share)
        self.assertEqual(new, mapping.export_location)
        self.assertEqual({mapping.uuid: new}, self.c.hypervisor.mounts())
