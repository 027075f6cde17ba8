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
"""Who may wait for another service, by a clock of the test's."""

import contextlib
import threading
import time
import unittest
from unittest import mock

from nova_shares import bulkhead
from nova_shares import exception


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class BulkheadTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.clock = Clock()
        self.bulkhead = bulkhead.Bulkhead("service", 4, self.clock)

    def enter(self, project="p"):
        """Begin a call; it goes on until the stack is closed."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(self.bulkhead.call(project))
        return stack

    def refused(self, project="p"):
        with self.assertRaises(exception.ServiceUnavailable) as caught:
            with self.bulkhead.call(project):
                self.fail("it was let through")
        return caught.exception.data["detail"]

    def hang(self, seconds=5, project="p"):
        """Make a call that is given up after some time."""
        with contextlib.suppress(exception.ServiceUnavailable):
            with self.bulkhead.call(project):
                self.clock.now += seconds
                raise exception.ServiceUnavailable(service="service")

    def patience(self, seconds):
        return mock.patch.object(bulkhead, "PATIENCE", seconds)

    def test_a_project_leaves_a_place_to_others(self):
        for _ in range(3):
            self.enter()
        with self.patience(0):
            self.assertIn("too many", self.refused())
            self.enter("another")
            self.assertIn("too many", self.refused("a third"))

    def test_one_place_is_for_whoever_comes(self):
        self.bulkhead = bulkhead.Bulkhead("service", 1, self.clock)
        self.enter().close()
        self.enter("another")

    def test_who_waits_gets_the_place_that_is_free(self):
        stacks = [self.enter() for _ in range(3)]
        entered = threading.Event()

        def wait():
            with self.bulkhead.call("p"):
                entered.set()

        with self.patience(30):
            thread = threading.Thread(target=wait)
            thread.start()
            self.assertFalse(entered.wait(0.05))
            stacks.pop().close()
            self.assertTrue(entered.wait(10))
            thread.join(10)

    def test_the_waiters_are_bounded_and_a_project_is_not_all_of_them(self):
        for _ in range(3):
            self.enter()
        self.enter("another")
        release, refusals = threading.Event(), []

        def wait(project):
            try:
                with self.bulkhead.call(project):
                    release.wait(10)
            except exception.ServiceUnavailable as e:
                refusals.append(e.data["detail"])

        # The clock stands still: nobody's patience is over.
        threads = [
            threading.Thread(target=wait, args=("p",), daemon=True)
            for _ in range(13)
        ]
        for thread in threads:
            thread.start()
        while not refusals:
            time.sleep(0.01)
        # Twelve of sixteen places wait with the project, the last is refused.
        self.assertEqual(1, len(refusals))
        waiting = self.bulkhead._queue
        self.assertTrue(waiting.has_room("another"))
        self.assertFalse(waiting.has_room("p"))
        with self.bulkhead._changed:
            self.clock.now += 60
            self.bulkhead._changed.notify_all()
        for thread in threads:
            thread.join(10)
        self.assertEqual(13, len(refusals))

    def test_one_that_is_out_for_long_closes_it_for_the_others(self):
        stack = self.enter()
        self.clock.now += 1
        self.enter("another").close()
        self.clock.now += 1
        # Another call has been answered since the one began.
        self.enter("another").close()
        stack.close()
        self.clock.now += 1
        stack = self.enter()
        self.clock.now += 2
        self.assertIn("does not answer", self.refused("another"))
        stack.close()
        self.enter("another")

    def limit(self, project="p"):
        with self.bulkhead.call(project) as limit:
            return limit

    def test_who_comes_to_one_that_lets_others_wait_gives_it_less(self):
        self.assertEqual(float("inf"), self.limit())
        self.clock.now += 1
        stack = self.enter()
        self.assertEqual(float("inf"), self.limit("another"))
        stack.close()
        self.clock.now += 1
        self.enter()
        self.clock.now += 1
        self.assertEqual(bulkhead.SLOW, self.limit("another"))
        # It was answered: the service is well.
        self.assertEqual(float("inf"), self.limit("another"))

    def test_who_tries_after_a_hang_gives_it_less(self):
        self.hang()
        self.clock.now += bulkhead.PAUSE
        self.assertEqual(bulkhead.SLOW, self.limit())
        self.assertEqual(float("inf"), self.limit())

    def test_each_try_after_a_hang_gives_it_more(self):
        """A service that is slow, and well, is not refused for good."""
        self.hang()
        limits = []
        for _ in range(3):
            self.clock.now += bulkhead.PAUSE
            with contextlib.suppress(exception.ServiceUnavailable):
                with self.bulkhead.call("p") as limit:
                    limits.append(limit)
                    self.clock.now += limit
                    raise exception.ServiceUnavailable(service="service")
        self.assertEqual([1.5, 3, 6], limits)

    def test_who_had_little_time_does_not_close_it(self):
        first = self.enter("another")
        self.clock.now += 1
        with contextlib.suppress(exception.ServiceUnavailable):
            with self.bulkhead.call("p") as limit:
                self.assertEqual(bulkhead.SLOW, limit)
                self.clock.now += limit
                raise exception.ServiceUnavailable(service="service")
        first.close()
        self.assertEqual(float("inf"), self.limit())

    def test_one_that_answers_others_does_not_hang(self):
        """Nova cannot show a server of a cell that is down, after a while."""
        with contextlib.suppress(exception.ServiceUnavailable):
            with self.bulkhead.call("p"):
                self.clock.now += 0.4
                self.enter("another").close()
                self.clock.now += 1
                raise exception.ServiceUnavailable(service="service")
        self.assertEqual(float("inf"), self.limit())

    def test_after_a_hang_one_at_a_time_tries(self):
        self.hang()
        self.assertIn("does not answer", self.refused())
        self.clock.now += bulkhead.PAUSE
        probe = self.enter()
        self.assertIn("does not answer", self.refused("another"))
        probe.close()
        self.enter("another")

    def test_a_try_that_hangs_closes_it_again(self):
        self.hang()
        self.clock.now += bulkhead.PAUSE
        self.hang()
        self.clock.now += bulkhead.PAUSE / 2
        self.refused()
        self.clock.now += bulkhead.PAUSE / 2
        self.enter()

    def test_a_service_that_refuses_quickly_is_asked_again(self):
        for _ in range(10):
            self.hang(0.5)
        self.enter()

    def test_any_other_error_is_an_answer(self):
        with contextlib.suppress(exception.ShareNotFound):
            with self.bulkhead.call("p"):
                self.clock.now += 5
                raise exception.ShareNotFound(share_id="s")
        self.enter()
