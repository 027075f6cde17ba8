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

import threading
import time
import unittest

from nova_shares.compute import work


class WorkQueueTest(unittest.TestCase):
    def _start(self, handle, **queues):
        queue = work.WorkQueue(queues or {"work": 4, "event": 1})
        queue.start(handle)
        self.addCleanup(queue.stop)
        return queue

    def _wait(self, condition, limit=5):
        end = time.monotonic() + limit
        while not condition():
            self.assertLess(time.monotonic(), end, "never came true")
            time.sleep(0.005)

    def test_handles_what_is_added(self):
        seen = []
        queue = self._start(lambda uuid, queue: seen.append((uuid, queue)))
        queue.add("a")
        queue.add("b", queue=work.EVENT)
        self._wait(lambda: len(seen) == 2)
        self.assertEqual({("a", "work"), ("b", "event")}, set(seen))

    def test_one_thread_a_mapping_and_once_more_at_most(self):
        going, looks, gate = [], [], threading.Event()

        def handle(uuid, queue):
            going.append(uuid)
            self.assertEqual(1, len(going))
            gate.wait(5)
            going.remove(uuid)
            looks.append(uuid)

        queue = self._start(handle)
        queue.add("a")
        self._wait(lambda: going)
        for _ in range(10):
            queue.add("a")
            queue.add("a", queue=work.EVENT)
        gate.set()
        self._wait(queue.is_idle)
        self.assertEqual(["a", "a"], looks)

    def test_looks_again_when_the_handler_says_so(self):
        looks = []

        def handle(uuid, queue):
            looks.append(time.monotonic())
            return 0.05 if len(looks) < 3 else None

        queue = self._start(handle)
        queue.add("a")
        self._wait(lambda: len(looks) == 3)
        self._wait(queue.is_idle)
        self.assertGreaterEqual(looks[2] - looks[0], 0.1)

    def test_the_sooner_of_two_counts(self):
        seen = []
        queue = self._start(lambda uuid, queue: seen.append(uuid))
        queue.add("a", after=60)
        queue.add("a")
        self._wait(lambda: seen == ["a"])
        queue.add("b")
        queue.add("b", after=60)
        self._wait(lambda: seen == ["a", "b"])

    def test_an_event_overtakes_what_waits_for_work(self):
        gate, seen = threading.Event(), []
        self.addCleanup(gate.set)

        def handle(uuid, queue):
            seen.append((uuid, queue))
            if queue == work.WORK:
                gate.wait(10)

        queue = self._start(handle)
        blockers = [f"blocker {number}" for number in range(20)]
        for blocker in blockers:
            queue.add(blocker)
        queue.add("a")
        queue.add("a", queue=work.EVENT)
        # And does not fall behind again.
        queue.add("a")
        self._wait(lambda: ("a", work.EVENT) in seen)
        gate.set()
        self._wait(queue.is_idle)
        self.assertNotIn(("a", work.WORK), seen)

    def test_a_lane_does_not_wait_for_the_other(self):
        gate, seen = threading.Event(), []
        self.addCleanup(gate.set)

        def handle(uuid, queue):
            if queue == work.WORK:
                gate.wait(10)
            seen.append(uuid)

        queue = self._start(handle)
        for number in range(20):
            queue.add(f"slow-{number}")
        queue.add("a", queue=work.EVENT)
        self._wait(lambda: seen == ["a"])

    def test_survives_a_handler_that_raises(self):
        seen = []

        def handle(uuid, queue):
            if uuid == "bad":
                raise ValueError("no good")
            seen.append(uuid)

        queue = self._start(handle, work=1)
        with self.assertLogs("nova_shares.compute.work", "ERROR"):
            queue.add("bad")
            queue.add("good", after=0.05)
            self._wait(lambda: seen == ["good"])

    def test_stop_tells_whether_all_has_ended(self):
        began, gate = threading.Event(), threading.Event()
        self.addCleanup(gate.set)

        def handle(uuid, queue):
            began.set()
            gate.wait(10)

        queue = self._start(handle)
        queue.add("a")
        self.assertTrue(began.wait(5))
        self.assertFalse(queue.stop(timeout=0.05))
        gate.set()
        self.assertTrue(queue.stop())

    def test_stop_takes_nothing_up(self):
        seen = []
        queue = self._start(lambda uuid, queue: seen.append(uuid))
        queue.stop()
        queue.add("a")
        time.sleep(0.05)
        self.assertEqual([], seen)
