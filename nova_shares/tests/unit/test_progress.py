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
"""Tests of how long the agent waits for Manila between two looks."""

import unittest

from nova_shares import exception
from nova_shares import progress as m


class ProgressTest(unittest.TestCase):
    def waits(self, count, **how):
        progress = m.Progress(generation=1)
        return [progress.next_wait(10, "", **how) for _ in range(count)]

    def test_from_50_ms_to_two_seconds(self):
        self.assertEqual(
            [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0], self.waits(8)
        )

    def test_at_least(self):
        self.assertEqual([0.1, 0.1, 0.2], self.waits(3, at_least=0.1))

    def test_each_step_has_its_own_time(self):
        progress = m.Progress(generation=1)
        progress.next_wait(10, "")
        self.assertEqual(1, progress.waited())
        progress.step = "access"
        self.assertEqual(0, progress.waited())
        self.assertEqual(0.05, progress.next_wait(10, ""))

    def test_it_has_an_end(self):
        progress = m.Progress(generation=1)
        progress.next_wait(0, "Still denying")
        with self.assertRaises(exception.StepFailed) as failed:
            progress.next_wait(-1, "Still denying")
        self.assertEqual(
            "Still denying after -1 seconds.", failed.exception.message
        )
