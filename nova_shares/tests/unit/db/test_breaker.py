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

"""Which operations try while the database is away."""

from __future__ import annotations

import threading
import unittest

from oslo_db import exception as db_exc

from nova_shares.db import breaker

AWAY = db_exc.DBConnectionError("away")


class BreakerTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.tried = 0
        self.breaker = breaker.Breaker(clock=lambda: self.now)

    def operation(self, seconds=0.0, error=None):
        """Make an operation that takes so long and may fail."""

        def run():
            self.tried += 1
            self.now += seconds
            if error is not None:
                raise error
            return "done"

        return run

    def succeeds(self, seconds=0.0):
        tried = self.tried
        self.assertEqual("done", self.breaker.run(self.operation(seconds)))
        self.assertEqual(tried + 1, self.tried)

    def fails(self, seconds=0.0, error=AWAY):
        tried = self.tried
        with self.assertRaises(type(error)):
            self.breaker.run(self.operation(seconds, error))
        self.assertEqual(tried + 1, self.tried)

    def is_not_tried(self):
        tried = self.tried
        with self.assertRaises(db_exc.DBConnectionError):
            self.breaker.run(self.operation())
        self.assertEqual(tried, self.tried)

    def test_what_an_operation_gives_is_given(self):
        for pause in (0, breaker.FRESH / 2, breaker.FRESH * 3):
            self.now += pause
            self.succeeds()

    def test_after_one_that_failed_others_are_not_tried(self):
        for took, pause in ((0, 2), (0.1, 2), (1, 5), (2, 10), (12, 10)):
            self.breaker = breaker.Breaker(clock=lambda: self.now)
            self.fails(took)
            for part in (0, pause / 2, pause / 2 - 0.1):
                self.now += part
                self.is_not_tried()
            self.now += 0.2
            self.succeeds()
            self.succeeds()

    def test_it_fails_again(self):
        self.fails(2)
        for _ in range(3):
            self.is_not_tried()
            self.now += 10
            self.fails(2)
        self.now += 10
        self.succeeds()

    def test_other_errors_are_answers(self):
        for error in (
            db_exc.DBError("no such table"),
            db_exc.DBDeadlock("deadlock"),
            db_exc.DBDuplicateEntry(["uuid"]),
        ):
            self.now += breaker.FRESH * 2
            self.fails(0.1, error)
            self.succeeds()

    def test_what_is_no_error_of_a_database_ends_the_probe(self):
        self.now += breaker.FRESH * 2
        self.fails(0, RuntimeError())
        self.succeeds()

    def test_beside_one_that_is_out_others_are_not_tried(self):
        """Nothing waits: GRACE is over when the others come."""

        def first():
            self.now += breaker.GRACE
            for _ in range(30):
                self.is_not_tried()
            # However long it takes.
            self.now += 12
            self.is_not_tried()
            raise AWAY

        self.now += breaker.FRESH
        with self.assertRaises(db_exc.DBConnectionError):
            self.breaker.run(first)
        self.assertEqual(0, self.tried)

    def test_beside_one_that_tries_again_none_waits(self):
        def again():
            for _ in range(30):
                self.is_not_tried()
            return "done"

        self.fails(2)
        self.now += 10
        self.assertEqual("done", self.breaker.run(again))
        self.succeeds()

    def test_while_the_database_answers_all_pass(self):
        def slow():
            self.now += breaker.FRESH - 0.1
            for _ in range(30):
                self.succeeds()
            return "done"

        self.succeeds()
        self.assertEqual("done", self.breaker.run(slow))

    def test_an_answer_in_the_middle_lets_others_pass(self):
        def slow():
            self.now += breaker.GRACE
            self.is_not_tried()
            self.breaker.answered()
            for _ in range(30):
                self.succeeds()
            return "done"

        self.now += breaker.FRESH
        self.assertEqual("done", self.breaker.run(slow))

    def test_it_is_logged_once(self):
        with self.assertLogs(breaker.__name__, "INFO") as logged:
            for _ in range(2):
                self.fails(2)
                self.is_not_tried()
                self.now += 10
            self.succeeds()
            self.succeeds()
        self.assertEqual(
            ["WARNING", "INFO"], [r.levelname for r in logged.records]
        )
        self.assertIn("away", logged.output[0])
        self.assertIsNone(logged.records[0].exc_info)


class WaitingTest(unittest.TestCase):
    """What those see that wait for the one beside them, by threads."""

    def beside(self, outcome):
        """Have one operation out and 30 wait for it, then end it."""
        # GRACE does not end by itself.
        made = breaker.Breaker(clock=lambda: 5000.0)
        out, end, seen = threading.Event(), threading.Event(), []

        def first():
            out.set()
            self.assertTrue(end.wait(30))
            return outcome()

        def run(operation):
            try:
                seen.append(made.run(operation))
            except db_exc.DBConnectionError:
                seen.append("away")

        threads = [threading.Thread(target=run, args=(first,))]
        threads[0].start()
        self.assertTrue(out.wait(30))
        for _ in range(30):
            thread = threading.Thread(target=run, args=(lambda: "done",))
            thread.start()
            threads.append(thread)
        self.assertEqual([], seen)
        end.set()
        for thread in threads:
            thread.join(30)
        return seen

    def test_it_succeeds(self):
        self.assertEqual(["done"] * 31, self.beside(lambda: "done"))

    def test_it_fails(self):
        def fail():
            raise AWAY

        self.assertEqual(["away"] * 31, self.beside(fail))
