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

import unittest

from nova_shares import mapping
from nova_shares import mapping as m


class AgentTest(unittest.TestCase):
    def test_a_heartbeat_proves_little_of_the_past_or_of_the_future(self):
        for age, down in (
            (0, False),
            (59, False),
            (61, True),
            (-2, False),
            (-3600, True),
        ):
            agent = m.Agent("h", "boot", m.Capabilities(), age)
            self.assertEqual(down, agent.is_down(60), age)


class TransitionsTest(unittest.TestCase):
    def test_every_status_is_reached_and_left(self):
        for status in mapping.STATUSES:
            self.assertTrue(
                any(t.target == status for t in mapping.TRANSITIONS), status
            )
            self.assertTrue(
                any(
                    t.source == status and t.target != status
                    for t in mapping.TRANSITIONS
                ),
                status,
            )

    def test_only_known_statuses(self):
        known = {*mapping.STATUSES, None}
        for t in mapping.TRANSITIONS:
            self.assertLessEqual({t.source, t.target}, known)

    def test_no_line_stands_twice(self):
        lines = [(t.source, t.target, t.actor) for t in mapping.TRANSITIONS]
        self.assertEqual(len(lines), len(set(lines)))

    def test_the_agent_never_writes_what_the_user_wants(self):
        for status in (mapping.ATTACHING, mapping.DETACHING):
            self.assertEqual(
                frozenset(), mapping.sources(status, "agent"), status
            )

    def test_every_status_can_be_detached_by_the_user(self):
        self.assertEqual(
            set(mapping.STATUSES), mapping.sources(mapping.DETACHING, "api")
        )

    def test_a_row_goes_only_out_of_an_undone_status(self):
        self.assertEqual(
            {mapping.DETACHING, mapping.ERROR}, mapping.sources(None, "agent")
        )
