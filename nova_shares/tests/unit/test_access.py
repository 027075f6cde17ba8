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
        self.store.database_id.return_value = "database"
        self.access = conductor_access.Access(
            self.shares, self.store, lambda m: False, "host", "192.0.2.1", 10
        )
        self.m = fixtures_db.new_mapping(access_id="rule")

    def rule(self, state):
        self.shares.rule.return_value = manila.AccessRule(
            "rule", self.m.share_id, "ip", "192.0.2.1", "rw", state, True
        )

    def test_who_does_not_get_the_lock_of_a_share_gives_its_thread_back(self):
        entered, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def rule(access_id):
            entered.set()
            release.wait(30)

        self.shares.rule.side_effect = rule
        first = threading.Thread(
            target=self.access.grant, args=(self.m, Progress(1))
        )
        first.start()
        self.assertTrue(entered.wait(10))
        other = dataclasses.replace(self.m, uuid="other")
        self.assertEqual(0.1, self.access.grant(other, Progress(1)))
        self.assertEqual(0.1, self.access.revoke(other, Progress(1)))
        # Another share is another lock.
        self.shares.rule.side_effect = None
        self.rule("active")
        another = dataclasses.replace(self.m, share_id="another")
        self.assertIsNone(self.access.grant(another, Progress(1)))
        release.set()
        first.join(10)

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
                self.assertIsNotNone(self.access.grant(self.m, Progress(1)))
                self.shares.deny.assert_not_called()
                progress = Progress(1)
                for _ in range(3):
                    self.assertIsNotNone(self.access.grant(failed, progress))
                self.shares.deny.assert_called_once_with(
                    self.m.share_id, "rule"
                )
                # And made anew once it is gone.
                self.shares.rule.return_value = None
                self.shares.allow.reset_mock()
                self.shares.allow.return_value = manila.AccessRule(
                    "new", self.m.share_id, "ip", "", "rw", "active", True
                )
                self.assertIsNone(self.access.grant(failed, progress))
                self.assertEqual("new", progress.made)

    def test_one_that_is_active_at_last_is_used(self):
        fault = mapping.Fault(
            "access", "The access rule is still x", datetime.datetime.now()
        )
        self.rule("active")
        failed = dataclasses.replace(self.m, fault=fault)
        self.assertIsNone(self.access.grant(failed, Progress(1)))
        self.shares.deny.assert_not_called()
