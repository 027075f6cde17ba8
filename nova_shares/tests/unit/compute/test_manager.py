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

import dataclasses
import datetime
import threading
import unittest
from unittest import mock

from oslo_context import context as oslo_context

from nova_shares import exception
from nova_shares import mapping
from nova_shares.compute import manager as compute_manager
from nova_shares.compute import work
from nova_shares.tests import fixtures_db

HOST = "here"


class ManagerTest(unittest.TestCase):
    """The manager with the outside as it answers in each case."""

    def setUp(self):
        super().setUp()
        self.rows, self.driver = mock.Mock(), mock.Mock()
        self.access, self.servers = mock.Mock(), mock.Mock()
        self.queue = mock.Mock()
        self.manager = compute_manager.Manager(
            HOST,
            self.rows,
            self.driver,
            self.access,
            self.servers,
            self.queue,
        )
        self.server = self.servers.find.return_value
        self.server.host = HOST
        self.server.vm_state, self.server.task_state = "stopped", None
        self.access.grant.return_value = 1.0
        self.driver.mounted.return_value = set()
        self.rows.known.side_effect = set
        self.has(fixtures_db.new_mapping(host=HOST, generation=2))

    def has(self, m):
        self.m = m
        self.rows.get.return_value = m

    def handle(self, key=None, queue=work.WORK):
        return self.manager.handle(key or self.m.uuid, queue)

    def fault(self):
        _, step, message, after = self.rows.fail.call_args.args
        return step, message, after

    def test_a_row_older_than_the_message_is_read_again(self):
        self.manager.reconcile(self.m.uuid, 3)
        waits = [self.handle() for _ in range(4)]
        self.assertEqual([0.1, 0.2, 0.4, 0.8], waits)
        self.access.grant.assert_not_called()
        # The database never shows it: what it shows is reconciled.
        self.handle()
        self.access.grant.assert_called_once()

    def test_a_row_that_is_there_after_a_while(self):
        self.manager.reconcile(self.m.uuid, 3)
        self.assertEqual(0.1, self.handle())
        self.has(dataclasses.replace(self.m, generation=3))
        self.handle()
        self.assertEqual(3, self.access.grant.call_args.args[0].generation)

    def test_a_row_that_never_comes(self):
        self.rows.get.return_value = None
        waits = [self.handle() for _ in range(6)]
        self.assertEqual([0.1, 0.2, 0.4, 0.8, None, 0.1], waits)

    def test_a_conflict_is_tried_again_more_and_more_slowly(self):
        self.access.grant.side_effect = exception.Conflict(uuid=self.m.uuid)
        waits = [self.handle() for _ in range(8)]
        self.assertEqual([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], waits)
        self.access.grant.side_effect = None
        self.handle()
        self.access.grant.side_effect = exception.Conflict(uuid=self.m.uuid)
        self.assertEqual(0.05, self.handle())

    def test_a_service_that_is_away_is_asked_again_soon(self):
        """Other failures are tried again ever more slowly."""
        fault = mapping.Fault("access", "no", datetime.datetime.now(), 20)
        self.has(dataclasses.replace(self.m, fault=fault))
        for error, longest in (
            (exception.ServiceUnavailable(service="s", detail="no"), 8),
            (exception.StepFailed("no"), 300),
        ):
            self.access.grant.side_effect = error
            self.assertEqual(longest, self.handle())
            self.assertEqual(longest, self.fault()[2])

    def test_a_look_for_stale_locks_is_for_nobody(self):
        self.has(dataclasses.replace(self.m, user_id="user"))
        self.handle()
        self.assertEqual("user", oslo_context.get_current().user_id)
        self.manager.clean_up()
        (key,) = self.queue.add.call_args.args
        self.handle(key)
        self.access.clean_up.assert_called_once_with()
        self.assertIsNone(oslo_context.get_current().user_id)

    def test_no_access_while_nova_moves_the_server(self):
        for vm_state, task_state in (
            ("stopped", "resize_prep"),
            ("stopped", "resize_migrating"),
            ("stopped", "migrating"),
            ("resized", None),
        ):
            with self.subTest(vm_state, task_state=task_state):
                self.server.vm_state = vm_state
                self.server.task_state = task_state
                self.handle()
                self.access.grant.assert_not_called()
                _, message, after = self.fault()
                self.assertIn("moving", message)
                self.assertIsNotNone(after)

    def test_no_access_for_a_host_that_is_not_the_servers(self):
        for where, step, retried in (
            ("elsewhere", compute_manager.MOVED, False),
            (None, "access", True),
        ):
            with self.subTest(where):
                self.servers.find.return_value.host = where
                self.handle()
                self.access.grant.assert_not_called()
                found, message, after = self.fault()
                self.assertEqual((step, retried), (found, after is not None))
                self.assertIn(str(where or "no host"), message)

    def test_nova_is_asked_once_a_series(self):
        for _ in range(3):
            self.assertEqual(1.0, self.handle())
        self.servers.find.assert_called_once_with(self.m.instance_uuid)

    def test_who_can_not_tell_where_a_server_is_grants_nothing(self):
        self.servers.find.side_effect = exception.ServiceUnavailable(
            service="compute", detail="away"
        )
        self.handle()
        self.access.grant.assert_not_called()
        self.assertIsNotNone(self.fault()[2])

    def test_a_verify_leaves_an_error_to_resync(self):
        self.has(dataclasses.replace(self.m, status=mapping.ERROR))
        self.handle(f"verify:{self.m.uuid}")
        self.queue.add.assert_not_called()
        self.access.is_granted.assert_not_called()

    def test_who_does_not_get_a_share_gives_the_thread_back(self):
        """Many mappings of one share must not hold all threads."""
        entered, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def grant(m, progress, mounted):
            entered.set()
            release.wait(30)

        self.access.grant.side_effect = grant
        self.driver.is_running.return_value = False
        rows = {
            name: fixtures_db.new_mapping(uuid=name, host=HOST, share_id=share)
            for name, share in (("one", "x"), ("two", "x"), ("three", "y"))
        }
        rows["out"] = dataclasses.replace(
            rows["two"], uuid="out", wanted=mapping.DETACHED
        )
        self.driver.is_plugged.return_value = False
        self.driver.is_mounted.return_value = False
        self.driver.mounts_of_export.return_value = set()
        self.rows.get.side_effect = rows.get
        first = threading.Thread(target=self.handle, args=("one",))
        first.start()
        self.assertTrue(entered.wait(10))
        self.assertEqual(0.1, self.handle("two"))
        self.assertEqual(0.1, self.handle("out"))
        self.access.revoke.assert_not_called()
        # Another share is nobody's.
        self.access.grant.side_effect = None
        self.assertEqual(1.0, self.handle("three"))
        release.set()
        first.join(10)
        self.assertEqual(1.0, self.handle("two"))

    def test_what_is_mounted_goes_before_another_rule_takes_over(self):
        self.has(dataclasses.replace(self.m, access_id="old"))

        def grant(m, progress, mounted):
            progress.made = "new"
            progress.must_release = progress.released != "old"

        self.access.grant.side_effect = grant
        self.driver.is_plugged.return_value = False
        self.driver.is_mounted.return_value = True
        self.handle()
        self.assertEqual("unmount", self.fault()[0])
        self.driver.is_mounted.return_value = False
        self.driver.is_running.return_value = False
        self.driver.is_saved.return_value = False
        self.assertEqual(0.0, self.handle())
        self.rows.advance.assert_not_called()
        self.assertIsNone(self.handle())
        self.rows.advance.assert_called_once()

    def test_a_mount_of_no_mapping_keeps_the_access_rule(self):
        self.has(dataclasses.replace(self.m, wanted=mapping.DETACHED))
        self.driver.is_plugged.return_value = False
        self.driver.is_mounted.return_value = False
        self.driver.mounts_of_export.return_value = {self.m.uuid, "stranger"}
        self.rows.known.side_effect = lambda uuids: set()
        self.handle()
        self.access.revoke.assert_not_called()
        self.assertIn("stranger", self.fault()[1])
        self.rows.known.side_effect = set
        self.access.revoke.return_value = None
        self.rows.sharing.return_value = []
        self.assertIsNone(self.handle())
        self.rows.delete.assert_called_once_with(self.m)

    def test_one_file_server_holds_two_threads_at_most(self):
        self.driver.is_running.return_value = True
        self.driver.is_mounted.return_value = False
        entered, release = threading.Semaphore(0), threading.Event()
        self.addCleanup(release.set)

        def mount(m, identity):
            if "dead" in m.export_location:
                entered.release()
                release.wait(30)

        self.driver.mount.side_effect = mount
        rows = {}
        for name in ("dead", "dead", "dead", "well"):
            row = fixtures_db.new_mapping(
                host=HOST,
                status=mapping.INACTIVE,
                export_location=f"{name}.example.test:/x",
            )
            rows[row.uuid] = row
        self.rows.get.side_effect = rows.get
        *dead, well = rows
        threads = [
            threading.Thread(target=self.handle, args=(uuid, work.EVENT))
            for uuid in dead[:2]
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            self.assertTrue(entered.acquire(timeout=10))
        # The third gives its thread back, and comes again.
        self.assertEqual(0.1, self.handle(dead[2], work.EVENT))
        self.assertIsNone(self.handle(well, work.EVENT))
        self.rows.advance.assert_called_once_with(rows[well], mapping.ACTIVE)
        release.set()
        for thread in threads:
            thread.join(10)
        self.assertIsNone(self.handle(dead[2], work.EVENT))
