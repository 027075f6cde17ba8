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

"""What a store does, on whatever database: cases for its test classes."""

from __future__ import annotations

from concurrent import futures
import contextlib
import dataclasses
import datetime
import threading
import time
from typing import Any
from unittest import mock
import uuid

from oslo_db import exception as db_exc
import sqlalchemy as sa

from nova_shares import exception
from nova_shares import mapping as m
from nova_shares.db import store as db_store
from nova_shares.tests import fixtures_db

new = fixtures_db.new_mapping


class Base:
    """A store over a database that the whole class has for itself."""

    make_database = fixtures_db.Sqlite

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.database = cls.make_database()
        cls.addClassCleanup(cls.database.drop)
        cls.store = cls.database.synced()
        cls.addClassCleanup(cls.store._engine.dispose)

    def setUp(self):
        super().setUp()
        self.database.clear()

    def put(self, status=m.ATTACHING, wanted=m.ATTACHED, **values):
        """Have a mapping in a status, however it would have come there."""
        made = self.store.insert(new(**values))
        self.database.run(
            "UPDATE share_mappings SET status = :s, wanted = :w"
            " WHERE uuid = :u",
            s=status,
            w=wanted,
            u=made.uuid,
        )
        return self.store.get(made.uuid)

    def statements(self):
        """Collect the statements that the store sends from here on."""
        sent = []
        self.at_each(lambda statement: sent.append(statement))
        return sent

    def at_each(self, do, after=False):
        """Have something done before, or after, each statement."""
        dialect = self.store._engine.dialect
        execute = dialect.do_execute

        def do_execute(cursor, statement, *rest):
            if after:
                execute(cursor, statement, *rest)
            do(statement)
            if not after:
                execute(cursor, statement, *rest)

        patch = mock.patch.object(dialect, "do_execute", do_execute)
        patch.start()
        self.addCleanup(patch.stop)

    def listen(self, event, listener):
        engine = self.store._engine
        sa.event.listen(engine, event, listener)
        self.addCleanup(sa.event.remove, engine, event, listener)

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc)


class ApiCases(Base):
    """What the API calls."""

    def test_what_is_inserted_is_read(self):
        given = new(user_id="user", request_id="req-1", share_proto="CEPHFS")
        made = self.store.insert(given)
        read = self.store.get(given.uuid)
        self.assertEqual(
            dataclasses.replace(made, created_at=read.created_at), read
        )
        self.assertEqual(dataclasses.replace(given, id=made.id), made)
        self.assertIsInstance(made.id, int)
        self.assertIsNone(read.updated_at)
        self.assertIsNone(read.fault)
        age = self.now() - read.created_at
        self.assertLess(abs(age.total_seconds()), 60)

    def test_a_server_has_a_share_once(self):
        made = self.store.insert(new())
        second = new(
            instance_uuid=made.instance_uuid,
            share_id=made.share_id,
            tag="other",
        )
        with self.assertRaises(exception.MappingExists) as caught:
            self.store.insert(second)
        self.assertEqual(
            {"share_id": made.share_id, "tag": "other"}, caught.exception.data
        )
        self.assertEqual(1, len(self.store.list_all()))

    def test_a_server_has_a_tag_once(self):
        made = self.store.insert(new())
        with self.assertRaises(exception.MappingExists):
            self.store.insert(
                new(instance_uuid=made.instance_uuid, tag=made.tag)
            )
        self.store.insert(new(tag=made.tag, share_id=made.share_id))

    def test_an_insert_that_came_through_unseen_is_done_again(self):
        given = new()
        first = self.store.insert(given)
        self.assertEqual(first, self.store.insert(given))
        self.assertEqual(1, len(self.store.list_all()))

    def test_a_connection_lost_after_the_insert_is_no_failure(self):
        lost = []

        def lose(connection, cursor, statement, *rest):
            if statement.startswith("INSERT") and not lost:
                lost.append(statement)
                raise db_exc.DBConnectionError("lost")

        self.listen("after_cursor_execute", lose)
        given = new()
        made = self.store.insert(given)
        self.assertEqual(1, len(lost))
        self.assertEqual(made.id, self.store.get(given.uuid).id)

    def test_tags_are_compared_byte_for_byte(self):
        server = str(uuid.uuid4())
        tags = ["tag", "TAG", "tag\n", "Tag", "tag-"]
        for tag in tags:
            self.store.insert(new(instance_uuid=server, tag=tag))
        self.assertEqual(
            tags, [x.tag for x in self.store.list_for_server(server)]
        )

    def test_ids_and_hosts_are_compared_byte_for_byte(self):
        made = self.store.insert(new(host="Host"))
        self.assertIsNone(self.store.get(made.uuid.upper() + "\n"))
        self.assertIsNone(self.store.get(made.uuid.upper()))
        self.assertEqual([], self.store.list_for_host("host-1"))
        self.assertEqual(1, len(self.store.list_for_host("Host")))

    def test_a_server_is_listed_oldest_first(self):
        server = str(uuid.uuid4())
        made = [self.store.insert(new(instance_uuid=server)) for _ in range(5)]
        self.store.insert(new())
        self.store.want_detached(made[1].uuid)
        self.assertEqual(
            [x.share_id for x in made],
            [x.share_id for x in self.store.list_for_server(server)],
        )
        self.assertEqual(
            [x.share_id for x in made],
            [x.share_id for x in self.store.list_shown(server)],
        )

    def test_a_listed_mapping_can_be_swapped(self):
        made = self.put(m.INACTIVE)
        self.store.record_access(made, "rule")
        [seen] = self.store.list_for_server(made.instance_uuid)
        self.store.advance(seen, m.ACTIVE)
        read = self.store.get(made.uuid)
        self.assertEqual((m.ACTIVE, "rule"), (read.status, read.access_id))
        for name in ("uuid", "project_id", "export_location", "generation"):
            self.assertEqual(getattr(made, name), getattr(seen, name))

    def test_a_list_is_one_statement(self):
        made = self.store.insert(new())
        sent = self.statements()
        for read, kind in (
            (self.store.list_shown, m.ShownMapping),
            (self.store.list_summaries, m.MappingSummary),
        ):
            del sent[:]
            [seen] = read(made.instance_uuid)
            self.assertEqual(
                kind(*(getattr(made, name) for name in kind._fields)), seen
            )
            self.assertEqual(1, len(sent), sent)
            self.assertTrue(sent[0].startswith("SELECT"))

    def test_a_list_that_failed_is_read_again(self):
        made = self.store.insert(new())
        driver = self.store._engine.dialect.dbapi
        errors = []
        self.at_each(lambda _: errors and self.fail_with(errors.pop()))
        for kind in (driver.OperationalError, driver.DataError, ValueError):
            errors.append(kind("injected"))
            [seen] = self.store.list_summaries(made.instance_uuid)
            self.assertEqual(made.share_id, seen.share_id)

    def test_an_answer_that_is_not_read_is_nobodys(self):
        first, second = self.store.insert(new()), self.store.insert(new())
        stopped = [KeyboardInterrupt()]
        self.at_each(
            lambda _: stopped and self.fail_with(stopped.pop()), after=True
        )
        self.assertRaises(
            KeyboardInterrupt, self.store.list_summaries, first.instance_uuid
        )
        for made in (second, first):
            [seen] = self.store.list_summaries(made.instance_uuid)
            self.assertEqual(made.share_id, seen.share_id)

    def fail_with(self, error):
        raise error

    def test_a_change_is_one_statement(self):
        made = self.put(m.ATTACHING)
        sent = self.statements()
        inactive = self.store.advance(made, m.INACTIVE, "rule")
        self.store.record_access(inactive, None)
        self.store.insert(new())
        self.assertEqual(
            ["UPDATE", "UPDATE", "INSERT"], [x.split()[0] for x in sent]
        )

    def test_whether_there_is_any_mapping(self):
        self.assertFalse(self.store.any_mapping())
        self.store.insert(new())
        self.assertTrue(self.store.any_mapping())

    def test_detach_from_every_status(self):
        for status in m.STATUSES:
            made = self.put(status)
            gone = self.store.want_detached(made.uuid)
            self.assertEqual(
                (m.DETACHED, m.DETACHING, made.generation + 1),
                (gone.wanted, gone.status, gone.generation),
            )
            self.assertEqual(gone, self.store.get(made.uuid))
            again = self.store.want_detached(made.uuid)
            self.assertEqual(made.generation + 2, again.generation)

    def test_detach_forgets_the_fault(self):
        made = self.store.fail(self.put(), "mount", "no", 1)
        gone = self.store.want_detached(made.uuid)
        self.assertIsNone(gone.fault)
        failed = self.store.fail(gone, "deny", "no", 1)
        self.assertEqual(1, failed.fault.attempts)

    def test_detach_waits_for_a_node_that_is_behind(self):
        made = self.put()
        current = self.store._mappings
        behind = [[], [made]]

        def mappings(*conditions):
            return behind.pop(0) if behind else current(*conditions)

        with mock.patch.object(self.store, "_mappings", mappings):
            gone = self.store.want_detached(made.uuid)
        self.assertEqual(
            (m.DETACHED, made.generation + 1), (gone.wanted, gone.generation)
        )

    def test_all_of_a_server_are_detached_at_once(self):
        server = str(uuid.uuid4())
        made = [self.put(s, instance_uuid=server) for s in m.STATUSES]
        other = self.put()
        sent = self.statements()
        gone = self.store.want_all_detached(server, "user", "req-1")
        self.assertEqual(2, len(sent), sent)
        self.assertEqual([x.uuid for x in made], [x.uuid for x in gone])
        for before, after in zip(made, gone):
            self.assertEqual(
                (m.DETACHED, m.DETACHING, before.generation + 1, "req-1"),
                (
                    *(after.wanted, after.status, after.generation),
                    after.request_id,
                ),
            )
        self.assertEqual(other, self.store.get(other.uuid))
        self.assertEqual(
            [], self.store.want_all_detached("none", "user", "req-1")
        )

    def test_detach_of_what_is_gone(self):
        self.assertIsNone(self.store.want_detached(str(uuid.uuid4())))


class AgentCases(Base):
    """What the agent calls: compare and swap."""

    def test_advance_only_as_the_table_says(self):
        for source in m.STATUSES:
            for target in (m.INACTIVE, m.ACTIVE):
                made = self.put(source)
                if source in m.sources(target, "agent"):
                    made = self.store.advance(made, target)
                    self.assertEqual(target, made.status)
                else:
                    with self.assertRaises(exception.Conflict) as caught:
                        self.store.advance(made, target)
                    self.assertEqual(
                        {"uuid": made.uuid}, caught.exception.data
                    )
                read = self.store.get(made.uuid)
                self.assertEqual(made.status, read.status)

    def test_no_one_else_writes_what_the_agent_may_not(self):
        for target in (m.ATTACHING, m.DETACHING):
            with self.assertRaises(exception.Conflict):
                self.store.advance(self.put(m.ERROR), target)

    def test_an_unwanted_mapping_does_not_advance(self):
        made = self.put(m.ERROR, m.DETACHED)
        with self.assertRaises(exception.Conflict):
            self.store.advance(made, m.ACTIVE)

    def test_advance_forgets_the_fault_and_keeps_the_access_id(self):
        made = self.store.record_access(self.put(), "rule")
        self.store.fail(made, "mount", "no", 1)
        failed = self.store.fail(made, "mount", "no", 1)
        advanced = self.store.advance(failed, m.INACTIVE)
        read = self.store.get(made.uuid)
        self.assertEqual(("rule", None), (read.access_id, read.fault))
        self.assertIsNotNone(read.updated_at)
        self.assertEqual(
            dataclasses.replace(advanced, updated_at=read.updated_at), read
        )
        self.assertEqual(1, self.store.fail(read, "x", "no", 1).fault.attempts)

    def test_advance_records_the_access_id(self):
        made = self.store.advance(self.put(), m.INACTIVE, "rule")
        self.assertEqual("rule", made.access_id)
        self.assertEqual("rule", self.store.get(made.uuid).access_id)

    def test_record_access_changes_nothing_else(self):
        for status in m.STATUSES:
            made = self.put(status)
            self.store.record_access(made, "rule")
            read = self.store.get(made.uuid)
            self.assertEqual(
                dataclasses.replace(
                    made, access_id="rule", updated_at=read.updated_at
                ),
                read,
            )
            self.store.record_access(made, None)
            self.assertIsNone(self.store.get(made.uuid).access_id)

    def test_fail_from_every_status(self):
        for status in m.STATUSES:
            made = self.store.fail(self.put(status), "mount", "why", 5.5)
            self.assertEqual(m.ERROR, made.status)
            self.assertEqual(made, self.store.get(made.uuid))
            fault = made.fault
            self.assertEqual(
                ("mount", "why", 1),
                (fault.step, fault.message, fault.attempts),
            )
            self.assertEqual(
                datetime.timedelta(seconds=5.5), fault.next_try - fault.time
            )
            age = self.now() - fault.time
            self.assertLess(abs(age.total_seconds()), 60)

    def test_failures_in_a_row_are_counted(self):
        made = self.put()
        for count in range(1, 4):
            made = self.store.fail(made, "mount", "no", None)
            self.assertEqual(count, made.fault.attempts)
            self.assertIsNone(made.fault.next_try)

    def test_who_asked_last_is_recorded(self):
        made = self.put(user_id="first", request_id="req-1")
        gone = self.store.want_detached(made.uuid, "second", "req-2")
        self.assertEqual(("second", "req-2"), (gone.user_id, gone.request_id))
        # A server that is gone is nobody's wish.
        gone = self.store.want_detached(made.uuid)
        self.assertEqual(("second", "req-2"), (gone.user_id, gone.request_id))

    def test_what_is_due_is_told_by_the_database(self):
        """Whatever the host's clock says: an hour off, either way."""
        due = self.store.fail(self.put(), "mount", "no", 0)
        later = self.store.fail(self.put(), "mount", "no", 1800)
        never = self.store.fail(self.put(), "mount", "no", None)
        for off in (-3600, 0, 3600):
            now = time.time() + off
            with mock.patch.object(time, "time", lambda now=now: now):
                found = {
                    row.uuid: row for row in self.store.list_for_host("host-1")
                }
            self.assertEqual(
                (True, False, False),
                tuple(found[x.uuid].fault.due for x in (due, later, never)),
            )
            read = found[due.uuid]
            age = (read.read_at - read.fault.time).total_seconds()
            self.assertTrue(0 <= age < 60, age)

    def test_an_agent_that_stops_says_so(self):
        self.store.claim_host("h", "boot", m.Capabilities())
        self.assertFalse(self.store.agent("h").is_down(60))
        self.store.heartbeat("h", "boot", m.Capabilities(), True)
        self.assertTrue(self.store.agent("h").is_down(60))
        self.store.claim_host("h", "boot-2", m.Capabilities())
        self.assertFalse(self.store.agent("h").is_down(60))

    def test_any_message_is_kept(self):
        for message in ("", "x" * 5000, "\0", "\udce9t\xe9 \U0001f600"):
            made = self.store.fail(self.put(), "mount", message, 1)
            self.assertEqual(
                message[:3] == "xxx", len(made.fault.message) == 1000
            )
            self.assertEqual(m.ERROR, made.status)
        self.assertEqual("?t\xe9 \U0001f600", made.fault.message)

    def test_an_older_look_conflicts(self):
        for change in (
            lambda x: self.store.advance(x, m.ACTIVE),
            lambda x: self.store.record_access(x, "rule"),
            lambda x: self.store.fail(x, "mount", "no", 1),
            self.store.delete,
        ):
            made = self.put(m.INACTIVE)
            newer = self.store.want_detached(made.uuid)
            with self.assertRaises(exception.Conflict):
                change(made)
            self.assertEqual(newer, self.store.get(made.uuid))

    def test_a_mapping_that_is_gone_conflicts(self):
        for change in (
            lambda x: self.store.advance(x, m.ACTIVE),
            lambda x: self.store.record_access(x, "rule"),
            lambda x: self.store.fail(x, "mount", "no", 1),
        ):
            made = self.put(m.DETACHING, m.DETACHED)
            self.store.delete(made)
            with self.assertRaises(exception.Conflict):
                change(made)

    def test_delete_only_as_the_table_says(self):
        for status in m.STATUSES:
            for wanted in (m.ATTACHED, m.DETACHED):
                made = self.put(status, wanted)
                with contextlib.ExitStack() as stack:
                    fits = status in m.sources(None, "agent")
                    if not fits or wanted == m.ATTACHED:
                        stack.enter_context(
                            self.assertRaises(exception.Conflict)
                        )
                    self.store.delete(made)
                self.assertEqual(
                    fits and wanted == m.DETACHED,
                    self.store.get(made.uuid) is None,
                    (status, wanted),
                )

    def test_delete_of_what_is_gone_is_done(self):
        made = self.put(m.DETACHING, m.DETACHED)
        self.store.delete(made)
        self.store.delete(made)

    def test_lists_of_host_and_share(self):
        one = self.store.insert(new(host="a"))
        two = self.store.insert(new(host="a", share_id=one.share_id))
        other = self.store.insert(new(host="b", share_id=one.share_id))

        def ids(found):
            return [x.id for x in found]

        self.assertEqual([one.id, two.id], ids(self.store.list_for_host("a")))
        self.assertEqual(
            [one.id, two.id],
            ids(self.store.list_for_share("a", one.share_id)),
        )
        self.assertEqual(
            [other.id], ids(self.store.list_for_share("b", one.share_id))
        )
        self.assertEqual([], self.store.list_for_share("c", one.share_id))

    def test_the_newest_start_owns_the_host(self):
        able = m.Capabilities()
        self.store.claim_host("h", "boot-1", able)
        self.assertTrue(self.store.heartbeat("h", "boot-1", able))
        self.store.claim_host("h", "boot-2", able)
        self.assertFalse(self.store.heartbeat("h", "boot-1", able))
        self.assertTrue(self.store.heartbeat("h", "boot-2", able))
        self.assertEqual("boot-2", self.store.agent("h").boot_id)
        self.assertFalse(self.store.heartbeat("other", "boot-2", able))
        self.assertIsNone(self.store.agent("other"))

    def test_one_start_of_many_at_once_owns_the_host(self):
        boots = [f"boot-{n}" for n in range(8)]
        at_once(
            8,
            lambda n: self.store.claim_host("h", boots[n], m.Capabilities()),
            range(8),
        )
        self.assertEqual(1, len(self.store.agents()))
        owners = [
            boot
            for boot in boots
            if self.store.heartbeat("h", boot, m.Capabilities())
        ]
        self.assertEqual([self.store.agent("h").boot_id], owners)

    def test_a_heartbeat_tells_age_and_capabilities(self):
        less = m.Capabilities(
            protocols=("NFS",), virtiofs=False, file_backed_memory=False
        )
        self.store.claim_host("h", "boot", m.Capabilities())
        self.assertEqual(m.Capabilities(), self.store.agent("h").capabilities)
        time.sleep(0.2)
        aged = self.store.agent("h").age
        self.assertGreaterEqual(aged, 0.19)
        self.assertLess(aged, 30)
        self.store.heartbeat("h", "boot", less)
        agent = self.store.agent("h")
        self.assertLess(agent.age, aged)
        self.assertEqual(less, agent.capabilities)

    def test_an_agent_of_another_version_is_understood(self):
        self.store.claim_host("h", "boot", m.Capabilities())
        self.database.run(
            "UPDATE share_agents SET capabilities = :text",
            text='{"virtiofs": false, "multi_attach": true}',
        )
        self.assertEqual(
            m.Capabilities(virtiofs=False), self.store.agent("h").capabilities
        )

    def test_agents_are_listed_by_host(self):
        for host in ("b", "a", "c"):
            self.store.claim_host(host, "boot", m.Capabilities())
        self.assertEqual(
            ["a", "b", "c"], [x.host for x in self.store.agents()]
        )


class OperatorCases(Base):
    """What the operator calls."""

    def test_retry_only_what_failed(self):
        for status in m.STATUSES:
            made = self.put(status)
            if status != m.ERROR:
                self.assertIsNone(self.store.retry(made.uuid))
                self.assertEqual(made, self.store.get(made.uuid))
        self.assertIsNone(self.store.retry(str(uuid.uuid4())))

    def test_retry_makes_the_next_try_now(self):
        for after in (None, 1000):
            made = self.store.fail(self.put(), "mount", "no", after)
            again = self.store.retry(made.uuid)
            self.assertEqual(m.ERROR, again.status)
            self.assertEqual("no", again.fault.message)
            self.assertLess(
                again.fault.next_try - made.fault.time,
                datetime.timedelta(seconds=30),
            )

    def test_reset_starts_over_towards_what_is_wanted(self):
        for wanted, status in (
            (m.ATTACHED, m.ATTACHING),
            (m.DETACHED, m.DETACHING),
        ):
            made = self.put(m.INACTIVE, wanted)
            self.store.fail(made, "mount", "no", None)
            again = self.store.reset(made.uuid)
            self.assertEqual(status, again.status)
            self.assertEqual(wanted, again.wanted)
            self.assertIsNone(again.fault)
            self.assertEqual(made.generation, again.generation)
            self.assertIsNone(self.store.reset(made.uuid))

    def test_list_by_what_is_asked(self):
        one = self.put(m.ACTIVE, host="a", project_id="p1")
        two = self.put(m.ERROR, host="a", project_id="p2")
        three = self.put(m.ACTIVE, host="b", project_id="p1")

        def ids(**asked):
            return [x.id for x in self.store.list_all(**asked)]

        self.assertEqual([one.id, two.id, three.id], ids())
        self.assertEqual([one.id, two.id], ids(host="a"))
        self.assertEqual([one.id, three.id], ids(status=m.ACTIVE))
        self.assertEqual([three.id], ids(project_id="p1", host="b"))
        self.assertEqual([two.id], ids(instance_uuid=two.instance_uuid))
        self.assertEqual([], ids(host="a", status=m.INACTIVE))

    def test_all_are_listed_a_page_at_a_time(self):
        made = [self.put(m.ACTIVE, host="a").id for _ in range(7)]
        other = self.put(m.ACTIVE, host="b").id
        for page in (1, 2, 3, 7, 8, 100):
            with mock.patch.object(db_store, "_PAGE", page):
                self.assertEqual(
                    [*made, other], [x.id for x in self.store.each()]
                )
                self.assertEqual(
                    made, [x.id for x in self.store.each(host="a")]
                )
                for limit in range(1, 9):
                    found = self.store.each(host="a", limit=limit)
                    self.assertEqual(made[:limit], [x.id for x in found])
                    found = self.store.each(after=made[2], limit=limit)
                    self.assertEqual(
                        [*made, other][3 : 3 + limit], [x.id for x in found]
                    )

    def test_which_are_known(self):
        made = [self.put().uuid for _ in range(2)]
        self.assertEqual(set(made), self.store.known({*made, "none"}))
        sent = self.statements()
        self.assertEqual(set(), self.store.known(()))
        self.assertEqual([], sent)

    def test_has_access(self):
        made = self.put(m.INACTIVE)
        self.assertFalse(self.store.has_access("rule"))
        self.store.record_access(made, "rule")
        self.assertTrue(self.store.has_access("rule"))
        self.assertFalse(self.store.has_access("RULE"))

    def test_a_restore_is_confirmed_by_what_never_repeats(self):
        before = self.store.database().restores
        self.store.confirm_restore()
        first = self.store.database().restores
        self.database.run(f"UPDATE database_identity SET restores = {before}")
        with mock.patch.object(time, "time", lambda: first + 5.0):
            self.store.confirm_restore()
            self.assertEqual(first + 5, self.store.database().restores)
            self.store.confirm_restore()
        self.assertEqual(first + 6, self.store.database().restores)

    def test_mappings_of_a_rule_on_another_host(self):
        here = self.put(host="new")
        self.put(host="old")
        self.database.run(
            "UPDATE share_mappings SET share_id = :s, access_id = 'rule'",
            s=here.share_id,
        )
        for access_id, count in ((None, 1), ("rule", 2), ("other", 1)):
            found = self.store.list_for_share("new", here.share_id, access_id)
            self.assertEqual(count, len(found))

    def test_the_database_has_an_identity(self):
        self.store.ping()
        name = self.store.database_id()
        self.assertEqual(name, str(uuid.UUID(name)))
        other = db_store.Store.from_conf(self.database.conf())
        self.assertEqual(name, other.database_id())


class CrowdCases(Base):
    """Many at once, and neighbours in the way."""

    def test_two_hundred_inserts_of_one_share_make_one_row(self):
        server, share = str(uuid.uuid4()), str(uuid.uuid4())

        def insert(n: int) -> Any:
            given = new(instance_uuid=server, share_id=share, tag=f"tag-{n}")
            return self.store.insert(given)

        results = at_once(16, insert, range(200))
        made = [x for x in results if isinstance(x, m.ShareMapping)]
        refused = [
            x for x in results if isinstance(x, exception.MappingExists)
        ]
        self.assertEqual((1, 199), (len(made), len(refused)), results)
        [row] = self.store.list_for_server(server)
        self.assertEqual(made[0].uuid, row.uuid)

    def test_two_hundred_inserts_of_one_server_in_many_rows(self):
        server = str(uuid.uuid4())
        results = at_once(
            16,
            lambda n: self.store.insert(new(instance_uuid=server)),
            range(200),
        )
        self.assertEqual([], [x for x in results if isinstance(x, Exception)])
        self.assertEqual(200, len(self.store.list_for_server(server)))

    def test_one_of_many_swaps_wins(self):
        made = self.put(m.ATTACHING)
        results = at_once(
            16, lambda n: self.store.advance(made, m.INACTIVE), range(16)
        )
        lost = [x for x in results if isinstance(x, exception.Conflict)]
        self.assertEqual(15, len(lost), results)

    def test_every_detach_raises_the_generation(self):
        made = self.put(m.ACTIVE)

        def detach(n: int) -> None:
            # On a busy machine one may wait too long for its turn: it has
            # changed nothing then.
            while True:
                with contextlib.suppress(db_exc.DBError):
                    self.store.want_detached(made.uuid)
                    return

        at_once(16, detach, range(50))
        self.assertEqual(
            made.generation + 50, self.store.get(made.uuid).generation
        )

    def test_a_deadlock_is_tried_again(self):
        failed = []

        def fail(connection, cursor, statement, *rest):
            if not failed:
                failed.append(statement)
                raise db_exc.DBDeadlock("deadlock")

        made = self.put(m.ACTIVE)
        self.listen("before_cursor_execute", fail)
        self.assertEqual(
            m.DETACHING, self.store.want_detached(made.uuid).status
        )
        self.assertEqual(1, len(failed))

    def test_a_deadlock_is_not_tried_again_for_ever(self):
        def fail(*ignored):
            raise db_exc.DBDeadlock("deadlock")

        self.listen("before_cursor_execute", fail)
        with self.assertRaises(db_exc.DBDeadlock):
            self.store.ping()

    def test_a_lock_of_another_is_not_waited_for_long(self):
        made = self.put(m.ACTIVE)
        locked, done = threading.Event(), threading.Event()
        self.addCleanup(done.set)

        def hold() -> None:
            with self.database.admin.connect() as connection:
                begin = sa.text(self.begin)
                connection.execute(begin)
                connection.execute(
                    sa.text(
                        "UPDATE share_mappings SET attempts = 7"
                        " WHERE uuid = :uuid"
                    ),
                    {"uuid": made.uuid},
                )
                locked.set()
                done.wait(20)
                connection.execute(sa.text("ROLLBACK"))

        holder = threading.Thread(target=hold)
        holder.start()
        self.addCleanup(holder.join)
        self.addCleanup(done.set)
        self.assertTrue(locked.wait(10))
        began = time.monotonic()
        with self.assertRaises(db_exc.DBError):
            self.store.want_detached(made.uuid)
        self.assertLess(time.monotonic() - began, self.longest)
        # Readers read on, and what we gave up on has not happened.
        self.assertEqual(made, self.store.get(made.uuid))
        done.set()
        holder.join()
        time.sleep(0.2)
        self.assertEqual(made, self.store.get(made.uuid))
        self.store.want_detached(made.uuid)

    #: How a transaction begins.
    begin = "BEGIN"
    #: Seconds that a lock of another is waited for.
    longest = 3


def at_once(threads, work, items):
    """Do the work in threads that start together; errors are results."""
    barrier = threading.Barrier(threads)
    waited = threading.local()

    def one(item):
        if not hasattr(waited, "done"):
            waited.done = True
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(2)
        try:
            return work(item)
        except Exception as e:
            return e

    with futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, items))
