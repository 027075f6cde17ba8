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
import unittest
from unittest import mock

from oslo_db import exception as db_exc

from nova_shares import exception
from nova_shares import mapping
from nova_shares.clients import manila
from nova_shares.conductor import access as conductor_access
from nova_shares.progress import Progress
from nova_shares.tests import fixtures_db


class AccessTest(unittest.TestCase):
    """Access rules, with Manila's answers as they are in each case."""

    def setUp(self):
        super().setUp()
        self.shares, self.store = mock.Mock(), mock.Mock()
        self.store.list_for_share.return_value = []
        self.mounted = set()
        self.store.database_id.return_value = "database"
        self.access = conductor_access.Access(
            self.shares, self.store, "host", "192.0.2.1", 10
        )
        self.m = fixtures_db.new_mapping(access_id="rule")

    def rule(self, state):
        self.shares.rule.return_value = manila.AccessRule(
            "rule", self.m.share_id, "ip", "192.0.2.1", "rw", state, True
        )

    def test_a_rule_that_was_waited_for_in_vain_is_denied(self):
        """Manila has forgotten it, as when its broker died."""
        fault = mapping.Fault(
            "access", "The access rule is still x", datetime.datetime.now()
        )
        failed = dataclasses.replace(self.m, fault=fault)
        for state in ("queued_to_deny", "queued_to_apply", "applying"):
            with self.subTest(state):
                self.shares.deny.reset_mock()
                self.rule(state)
                self.assertIsNotNone(
                    self.access.grant(self.m, Progress(1), self.mounted)
                )
                self.shares.deny.assert_not_called()
                progress = Progress(1)
                for _ in range(3):
                    self.assertIsNotNone(
                        self.access.grant(failed, progress, self.mounted)
                    )
                self.shares.deny.assert_called_once_with(
                    self.m.share_id, "rule"
                )
                # And made anew once it is gone.
                self.shares.rule.return_value = None
                self.shares.allow.reset_mock()
                self.shares.allow.return_value = manila.AccessRule(
                    "new", self.m.share_id, "ip", "", "rw", "active", True
                )
                self.assertIsNone(
                    self.access.grant(failed, progress, self.mounted)
                )
                self.assertEqual("new", progress.made)

    def test_a_rule_is_recorded_before_it_is_active(self):
        made = dataclasses.replace(self.m, access_id=None)
        self.shares.allow.return_value = manila.AccessRule(
            "new", made.share_id, "ip", "", "rw", "queued_to_apply", True
        )
        progress = Progress(1)
        self.assertIsNotNone(self.access.grant(made, progress, self.mounted))
        self.store.record_access.assert_called_once_with(made, "new")
        self.assertFalse(progress.must_release)

    def test_a_database_that_is_away_is_no_fault_of_a_mapping(self):
        away = db_exc.DBConnectionError()
        self.rule("active")
        self.store.list_for_share.side_effect = away
        self.store.record_access.side_effect = away
        unrecorded = dataclasses.replace(self.m, access_id=None)
        for call, m in (
            (self.access.grant, unrecorded),
            (self.access.revoke, self.m),
        ):
            with self.assertRaises(exception.StateUnavailable):
                call(m, Progress(1), self.mounted)

    def test_a_neighbours_rule_that_does_not_go_is_denied_again(self):
        """Manila has forgotten the deny; the mapping has none recorded."""
        fault = mapping.Fault(
            "access", "The access rule is still x", datetime.datetime.now()
        )
        failed = fixtures_db.new_mapping(access_id=None, fault=fault)
        self.shares.allow.side_effect = manila.Refused(message="exists")
        self.shares.rules.return_value = [
            manila.AccessRule(
                *("old", failed.share_id, "ip", "192.0.2.1", "rw"),
                *("queued_to_deny", True),
            )
        ]
        self.assertIsNotNone(
            self.access.grant(failed, Progress(1), self.mounted)
        )
        self.shares.deny.assert_called_once_with(failed.share_id, "old")

    def test_the_rule_of_a_host_that_was_renamed_is_needed(self):
        renamed = fixtures_db.new_mapping(host="before", access_id="rule")
        self.store.list_for_share.return_value = [renamed]
        self.rule("active")
        self.assertIsNone(
            self.access.revoke(self.m, Progress(1), self.mounted)
        )
        self.shares.deny.assert_not_called()
        self.store.list_for_share.assert_called_with(
            "host", self.m.share_id, "rule"
        )

    def test_a_share_that_moved_is_mounted_where_it_can_be(self):
        self.shares.export_locations.return_value = ["/vol$1", "h:/new"]
        self.access.relocated(self.m)
        self.store.relocate.assert_called_once_with(self.m, "h:/new")
        self.shares.export_locations.return_value = ["/vol$1"]
        self.assertIs(self.m, self.access.relocated(self.m))

    def test_one_that_is_active_at_last_is_used(self):
        fault = mapping.Fault(
            "access", "The access rule is still x", datetime.datetime.now()
        )
        self.rule("active")
        failed = dataclasses.replace(self.m, fault=fault)
        self.assertIsNone(self.access.grant(failed, Progress(1), self.mounted))
        self.shares.deny.assert_not_called()


class CephFSTest(unittest.TestCase):
    """Identities of CephFS shares, of today's prefix and of others."""

    def setUp(self):
        super().setUp()
        self.shares, self.mounted = mock.Mock(), set()
        self.shares.makes_locks.return_value = True
        self.store = mock.Mock()
        self.store.database_id.return_value = "database"
        self.access = conductor_access.Access(
            self.shares, self.store, "host", "", 10
        )
        self.m = fixtures_db.new_mapping(access_id="old", share_proto="CEPHFS")
        self.name = self.access._who(self.m)[1]
        self.rules = {"old": self.rule("old", f"nova-{self.name}")}
        self.shares.rule.side_effect = self.rules.get
        self.shares.deny.side_effect = lambda share, rule: (
            self.rules.pop(rule, None) is not None
        )
        self.shares.allow.side_effect = self.allow
        self.shares.metadata.return_value = {}

    def rule(self, id_, name, state="active"):
        return manila.AccessRule(
            id_, self.m.share_id, "cephx", name, "rw", state, True
        )

    def allow(self, share_id, kind, to, level, reason):
        self.rules["new"] = self.rule("new", to)
        return self.rules["new"]

    def test_nova_does_not_take_an_identity_for_its_own(self):
        self.assertFalse(self.name.startswith("nova-"))
        self.assertNotIn(".", self.name)

    def test_a_guest_keeps_the_identity_that_it_has(self):
        self.mounted.add(self.m.uuid)
        self.assertTrue(self.access.is_granted(self.m, self.mounted))
        progress = Progress(1)
        self.assertIsNone(self.access.grant(self.m, progress, self.mounted))
        self.assertEqual("old", progress.made)
        self.assertEqual({"old"}, set(self.rules))

    def test_another_takes_over_when_nothing_is_mounted(self):
        self.assertFalse(self.access.is_granted(self.m, self.mounted))
        progress = Progress(1)
        self.assertIsNone(self.access.grant(self.m, progress, self.mounted))
        self.assertEqual("new", progress.made)
        self.assertEqual({"new"}, set(self.rules))
        self.assertEqual(self.name, self.rules["new"].access_to)
        # An agent that was killed before this was recorded finds it again.
        self.shares.allow.side_effect = manila.Refused(message="exists")
        self.shares.rules.return_value = [self.rules["new"]]
        self.shares.locks.return_value = [
            manila.Lock("l", "access_rule", "new", action, "")
            for action in ("delete", "show")
        ]
        progress = Progress(1)
        self.assertIsNone(self.access.grant(self.m, progress, self.mounted))
        self.assertEqual("new", progress.made)

    def test_it_is_recorded_when_what_is_mounted_is_gone(self):
        progress = Progress(1)
        self.access.grant(self.m, progress, self.mounted)
        self.assertTrue(progress.must_release)
        self.store.record_access.assert_not_called()
        progress.released = "old"
        self.assertIsNone(self.access.grant(self.m, progress, self.mounted))
        self.assertFalse(progress.must_release)
        self.store.record_access.assert_called_once_with(self.m, "new")

    def test_the_old_one_stays_until_the_new_one_is_active(self):
        self.shares.allow.side_effect = lambda *args: self.rules.setdefault(
            "new", self.rule("new", self.name, "applying")
        )
        progress = Progress(1)
        self.assertIsNotNone(self.access.grant(self.m, progress, self.mounted))
        self.assertEqual({"old", "new"}, set(self.rules))
        self.rules["new"] = self.rule("new", self.name)
        self.assertIsNone(self.access.grant(self.m, progress, self.mounted))
        self.assertEqual({"new"}, set(self.rules))

    def test_who_mounts_is_named_as_in_the_rule(self):
        self.shares.access_key.return_value = manila.AccessKey("name", "key")
        identity = self.access.identity(self.m)
        self.assertEqual(("name", "key"), (identity.name, identity.key))
        self.assertIsNone(identity.file_system)
        self.assertNotIn("'key'", repr(self.shares.access_key.return_value))

    def test_mount_options_name_a_file_system_and_nothing_else(self):
        self.shares.access_key.return_value = manila.AccessKey("name", "key")
        for options, file_system in (("fs=two", "two"), ("", None)):
            self.shares.metadata.return_value = {"__mount_options": options}
            found = self.access.identity(self.m).file_system
            self.assertEqual(file_system, found)
        for options in (
            "fs=two,suid",
            "suid",
            "fs=two fs=three",
            "fs=",
            "fs=-o",
            "mds_namespace=two",
            7,
            ["fs=two"],
        ):
            self.shares.metadata.return_value = {"__mount_options": options}
            with self.assertRaises(exception.StepFailed):
                self.access.identity(self.m)

    def test_no_key_or_no_share(self):
        for found in (None, manila.AccessKey("name", None)):
            self.shares.access_key.return_value = found
            with self.assertRaises(exception.StepFailed):
                self.access.identity(self.m)
        self.shares.access_key.return_value = manila.AccessKey("name", "key")
        self.shares.metadata.side_effect = exception.ShareNotFound()
        with self.assertRaises(exception.StepFailed):
            self.access.identity(self.m)
