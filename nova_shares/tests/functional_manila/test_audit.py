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
"""The audit finds each kind of wrong thing, and mends what is safe."""

import contextlib
import io
import uuid

import fixtures

from nova_shares.audit import findings as audit
from nova_shares.cmd import manage
from nova_shares.db import store as db_store
from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base

_SQL_AGE = "UPDATE share_agents SET last_heartbeat = '2020-01-01 00:00:00'"


class AuditTest(base.StoryTest):
    """With the agent stopped, so that nothing heals meanwhile."""

    # Its silence is no finding.
    options = {"options": "[api]\nagent_down_time = 3600\n"}

    def setUp(self):
        super().setUp()
        self.share = self.attached()
        self.mapping = self.c.mapping(self.server, self.share)
        # One that is stopped says so, which would be a finding.
        self.c.kill_agent()
        self.exact()

    def finds(self, kind, id_=None, **fields):
        """Run the audit: it finds this one thing, and says so to cron."""
        code, found = self.audit()
        [finding] = [f for f in found if f["kind"] == kind]
        self.assertEqual(id_ or self.mapping.uuid, finding["id"])
        for name, value in fields.items():
            self.assertEqual(value, finding[name])
        self.assertEqual(3, code)
        # Of another host it is not.
        code, elsewhere = self.audit("--host", "elsewhere")
        self.assertEqual((0, []), (code, elsewhere))
        return found

    def mends(self, *options):
        """Run the audit with --fix: all that it has found is put right."""
        code, found = self.audit("--fix", *options)
        self.assertEqual({True}, {f["fixed"] for f in found})
        self.assertEqual(0, code)
        cloud.wait_for(
            lambda: self.audit() == (0, []), lambda: str(self.audit()), 60
        )

    def refuses(self, why, *options):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code, _ = self.audit("--fix", *options)
        self.assertEqual(1, code)
        self.assertIn(why, said.getvalue())

    def forget_mapping(self):
        self.c.database.run("DELETE FROM share_mappings")

    def test_rule(self):
        self.forget_mapping()
        self.finds(
            audit.RULE,
            self.mapping.access_id,
            host=self.c.host,
            share_id=self.share,
        )
        self.mends()
        self.exact(self.share)

    def test_rule_of_a_killed_agent_is_needed(self):
        self.c.database.run("UPDATE share_mappings SET access_id = NULL")
        _, found = self.audit()
        self.assertNotIn(audit.RULE, {f["kind"] for f in found})

    def test_lock(self):
        self.c.manila_sql(
            "UPDATE resource_locks SET lock_reason ="
            " 'Locked by access lock: nothing'"
            " WHERE resource_type = 'share' AND user_id = :user",
            user=self.c.user_id,
        )
        [lock] = [
            lock for lock in self.c.locks() if lock["resource_type"] == "share"
        ]
        [finding] = self.audit()[1]
        self.assertEqual(
            (audit.LOCK, lock["id"]), (finding["kind"], finding["id"])
        )
        self.mends()

    def test_lock_of_a_rule_that_is_gone(self):
        self.c.manila_sql(
            "UPDATE resource_locks SET resource_id = :gone"
            " WHERE resource_type = 'access_rule' AND user_id = :user"
            " AND resource_action = 'show'",
            gone=str(uuid.uuid4()),
            user=self.c.user_id,
        )
        kinds = {f["kind"] for f in self.audit()[1]}
        self.assertEqual({audit.LOCK, audit.UNLOCKED}, kinds)

    def test_all_locks_of_a_rule_that_is_gone(self):
        """They are found, and deleted, in one pass."""
        self.c.manila_sql(
            "UPDATE resource_locks SET resource_id = :gone"
            " WHERE resource_type = 'access_rule' AND user_id = :user",
            gone=str(uuid.uuid4()),
            user=self.c.user_id,
        )
        [rule] = self.c.rules(self.share)
        self.c.deny("admin", self.share, rule["id"])
        cloud.wait_for(lambda: not self.c.rules(self.share), "it stays", 60)
        self.forget_mapping()
        _, found = self.audit("--fix")
        self.assertEqual(
            [(audit.LOCK, True)] * 3, [(f["kind"], f["fixed"]) for f in found]
        )
        self.assertEqual((0, []), self.audit())
        self.assertEqual([], self.c.locks())

    def test_a_rule_with_neither_mapping_nor_lock(self):
        for lock in self.c.locks():
            self.c.manila("admin").delete(f"/resource-locks/{lock['id']}")
        self.forget_mapping()
        self.assertEqual((0, []), self.audit())
        _, found = self.audit("--all-shares")
        self.assertIn(
            (audit.RULE, self.mapping.access_id),
            {(f["kind"], f["id"]) for f in found},
        )
        self.mends("--all-shares", "--yes")
        cloud.wait_for(lambda: not self.c.rules(self.share), "it stays", 60)
        self.exact(self.share)

    def test_no_rule(self):
        self.c.remove_rule(self.share)
        self.finds(audit.NO_RULE)
        self.c.start_agent()
        cloud.wait_for(
            lambda: self.audit() == (0, []), lambda: str(self.audit()), 60
        )

    def test_unlocked(self):
        for lock in self.c.locks():
            self.c.manila("admin").delete(f"/resource-locks/{lock['id']}")
        self.finds(audit.UNLOCKED)

    def test_no_share(self):
        self.c.remove_rule(self.share)
        admin = self.c.manila("admin")
        admin.delete(f"/shares/{self.share}")
        cloud.wait_for(
            lambda: admin.get(f"/shares/{self.share}").status_code == 404,
            "not deleted",
            60,
        )
        self.finds(audit.NO_SHARE, share_id=self.share)

    def test_moved(self):
        self.c.database.run(
            "UPDATE share_mappings SET export_location = '192.0.2.1:/was'"
        )
        self.finds(audit.MOVED)

    def test_no_server(self):
        self.c.cloud.set_server(self.server, deleted=True)
        self.finds(audit.NO_SERVER)
        self.audit("--fix")
        self.assertEqual(
            "detached", self.c.mapping(self.server, self.share).wanted
        )
        self.c.start_agent()
        cloud.wait_for(
            lambda: self.audit() == (0, []), lambda: str(self.audit()), 60
        )
        self.exact(self.share)

    def test_no_server_is_said_twice_of_the_server_itself(self):
        # What else is wrong with the mapping does not count as the second.
        for lock in self.c.locks():
            self.c.manila("admin").delete(f"/resource-locks/{lock['id']}")
        self.c.cloud.fail(
            "nova", f"servers/{self.server}", status=404, count=1
        )
        code, found = self.audit("--fix")
        self.assertEqual(3, code)
        self.assertEqual(
            {(audit.NO_SERVER, False), (audit.UNLOCKED, False)},
            {(f["kind"], f["fixed"]) for f in found},
        )
        self.assertEqual(
            "attached", self.c.mapping(self.server, self.share).wanted
        )

    def test_what_is_attached_meanwhile_is_needed(self):
        each, earlier = db_store.Store.each, [[]]

        def listed(store, **of):
            return earlier.pop() if earlier else each(store, **of)

        self.useFixture(
            fixtures.MonkeyPatch("nova_shares.db.store.Store.each", listed)
        )
        self.assertEqual((0, []), self.audit())
        self.assertEqual([], earlier)

    def test_nova_that_fails_is_no_deleted_server(self):
        self.c.cloud.fail("nova")
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual((1, None), self.audit())
        self.assertIn("compute", said.getvalue())

    def test_elsewhere(self):
        self.c.cloud.set_server(self.server, host="there")
        self.finds(audit.ELSEWHERE)

    def test_stale(self):
        self.c.store.want_detached(self.mapping.uuid)
        self.assertEqual((0, []), self.audit())
        self.c.database.run(
            "UPDATE share_mappings SET updated_at = '2020-01-01 00:00:00'"
        )
        self.finds(audit.STALE)

    def test_silent(self):
        self.c.database.run(_SQL_AGE)
        self.finds(audit.AGENT_DOWN, self.c.host)

    def test_many_removals_want_a_yes(self):
        self.detached_behind_our_back()
        self.refuses("--yes")
        self.assertEqual(12, len(self.c.rules(self.share)))
        self.mends("--yes")

    def detached_behind_our_back(self):
        """Plant eleven rules of ours that no mapping needs."""
        reason = {lock["lock_reason"] for lock in self.c.locks()} - {
            lock["lock_reason"]
            for lock in self.c.locks()
            if lock["resource_type"] == "share"
        }
        for number in range(11):
            planted = self.c.allow(
                self.c.user,
                self.share,
                f"203.0.113.{100 + number}",
                metadata={"made_by": "nova_shares"},
                lock_visibility=True,
                lock_deletion=True,
                lock_reason=next(iter(reason)),
            )
            self.assertEqual(200, planted.status_code, planted.text)
        cloud.wait_for(
            lambda: (
                {r["state"] for r in self.c.rules(self.share)} == {"active"}
            ),
            limit=60,
        )

    def test_another_database_mends_nothing(self):
        other = fixtures_db.Mysql()
        self.addCleanup(other.drop)
        other.synced()
        self.c.configure("api", database=other.url)
        code, found = self.audit()
        self.assertEqual(3, code)
        self.assertEqual([audit.FOREIGN], [f["kind"] for f in found])
        self.refuses("another database", "--yes")
        self.assertEqual(
            self.mapping.access_id, self.only_rule(self.share)["id"]
        )

    def test_the_database_is_not_the_one_that_agents_know(self):
        path = self.c.directory + "/database-id"
        with open(path, "w") as f:
            f.write("another\n")
        self.forget_mapping()
        self.refuses("another")
        self.only_rule(self.share)

    def test_all_is_well(self):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = manage.main(
                ["--config-file", self.c.path_of("api"), "audit"]
            )
        self.assertEqual((0, "No findings.\n"), (code, said.getvalue()))

    def test_a_table(self):
        self.forget_mapping()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = manage.main(
                ["--config-file", self.c.path_of("api"), "audit"]
            )
        self.assertEqual(3, code)
        self.assertIn(self.mapping.access_id, said.getvalue())


class ForceDetachTest(base.StoryTest):
    def setUp(self):
        super().setUp()
        self.share = self.attached()
        self.mapping = self.c.mapping(self.server, self.share)

    def force(self, uuid, *options):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            code = manage.main(
                [
                    "--config-file",
                    self.c.path_of("api"),
                    "mapping",
                    "force-detach",
                    uuid,
                    *(options or ("--host-is-fenced",)),
                ]
            )
        # Beside it are the logs of the agent that has just stopped here.
        ours = (
            line
            for line in said.getvalue().splitlines()
            if line.startswith("nova-shares-manage:")
        )
        return code, "".join(ours)

    def die(self):
        self.c.stop_agent()
        self.c.database.run(_SQL_AGE)

    def test_the_host_is_dead(self):
        self.c.act(self.server, "os-start")
        self.c.see(self.server, self.share, "active")
        self.die()
        # Fenced: the guest is gone, the mount is still written down.
        self.c.hypervisor.stop(self.server)
        self.assertEqual((0, ""), self.force(self.mapping.uuid))
        self.assertIsNone(self.c.status(self.server, self.share))
        self.assertEqual([], self.c.rules(self.share))
        self.assertEqual([], self.c.locks())
        self.assertEqual({self.mapping.uuid}, set(self.c.hypervisor.mounts()))
        self.c.start_agent()
        cloud.wait_for(
            lambda: not self.c.hypervisor.mounts(), "still mounted", 30
        )
        cloud.wait_for(lambda: self.audit() == (0, []), limit=30)
        self.exact(self.share)

    def test_the_last_of_the_host_takes_the_rule(self):
        other = self.c.server()
        self.attached(other, self.share)
        self.die()
        self.assertEqual((0, ""), self.force(self.mapping.uuid))
        self.only_rule(self.share)
        left = self.c.mapping(other, self.share)
        self.assertEqual((0, ""), self.force(left.uuid))
        self.assertEqual([], self.c.rules(self.share))
        self.assertEqual([], self.c.locks())

    def test_a_rule_that_is_not_recorded(self):
        self.die()
        self.c.database.run("UPDATE share_mappings SET access_id = NULL")
        self.assertEqual((0, ""), self.force(self.mapping.uuid))
        self.assertEqual([], self.c.rules(self.share))

    def test_a_live_agent_is_in_the_way(self):
        code, said = self.force(self.mapping.uuid)
        self.assertEqual(1, code)
        self.assertIn("is up", said)
        self.assertEqual("inactive", self.c.status(self.server, self.share))

    def test_it_must_be_said_that_the_host_is_fenced(self):
        self.die()
        self.assertRaises(
            SystemExit, self.force, self.mapping.uuid, "--host", "x"
        )
        self.assertEqual("inactive", self.c.status(self.server, self.share))
