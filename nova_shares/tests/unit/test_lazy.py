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

import gc
import threading
import unittest
import weakref

from nova_shares import lazy


class Request:
    """What a frame of a traceback would keep alive."""


class LazyTest(unittest.TestCase):
    def test_made_once_by_many(self):
        made, found = [], []
        value = lazy.Lazy(lambda: made.append(1) or object())
        threads = [
            threading.Thread(target=lambda: found.append(value()))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([1], made)
        self.assertEqual(1, len(set(map(id, found))))

    def test_tried_again_at_once(self):
        outcomes = [None, object()]

        def make():
            outcome = outcomes.pop(0)
            if outcome is None:
                raise RuntimeError("not yet")
            return outcome

        value = lazy.Lazy(make)
        self.assertRaises(RuntimeError, value)
        self.assertIs(value(), value())

    def test_a_failure_stands_and_keeps_nobody_alive(self):
        tries, requests = [], weakref.WeakSet()

        def make():
            tries.append(1)
            raise RuntimeError("broken")

        value = lazy.Lazy(make, retry_after=60)

        def serve():
            request = Request()
            requests.add(request)
            try:
                value()
            except Exception as e:
                return f"{type(e).__name__}: {e}"

        self.assertEqual("RuntimeError: broken", serve())
        for _ in range(10):
            self.assertEqual("Failed: RuntimeError: broken", serve())
        gc.collect()
        self.assertEqual(0, len(requests))
        self.assertEqual([1], tries)
