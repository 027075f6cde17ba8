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

"""What the API does in processes of its own: cases for every database."""

import collections
from concurrent import futures
import threading
import time

from keystoneauth1 import exceptions as ks_exceptions

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional import test_stories as stories

_CROWD = 200


class CrowdCases(stories.StoryTest):
    # All of them, and who answers, share one CPU.
    options = {
        "options": "[manila]\napi_timeout = 20\ntimeout = 20\n"
        "[nova]\ntimeout = 20\n"
    }

    def test_a29_two_hundred_attach_one_share(self):
        # One token for all.
        self.c.ask("GET", f"/servers/{self.server}/shares")
        together = threading.Barrier(_CROWD)

        def attach(number):
            together.wait()
            return self.c.attach(self.server, self.share)

        with futures.ThreadPoolExecutor(_CROWD) as pool:
            answers = collections.Counter(pool.map(attach, range(_CROWD)))
        self.assertEqual({201: 1, 409: _CROWD - 1}, answers)
        self.see("inactive")
        [mapping] = self.c.store.list_all(instance_uuid=self.server)
        self.assertEqual(self.share, mapping.share_id)
        self.assertEqual(stories.ACTIVE_RULE, self.c.rules())


class CostCases(stories.StoryTest):
    """What reading costs; with resync off, nobody else asks anything."""

    options = {"resync": 0}

    def _cost(self, path):
        self.c.statements.forget()
        self.c.cloud.forget_requests()
        self.assertEqual(200, self.c.ask("GET", path).status_code)
        asked = [
            request
            for service in ("keystone", "nova", "manila", "glance")
            for request in self.c.cloud.requests(service)
        ]
        return self.c.statements.data(), asked

    def test_a_read_is_one_statement_and_no_call(self):
        self.attached()
        shares = f"/servers/{self.server}/shares"
        validated = 0
        for path in 10 * (shares, f"{shares}/{self.share}"):
            statements, asked = self._cost(path)
            self.assertEqual(1, len(statements), statements)
            self.assertTrue(statements[0].startswith("SELECT"), statements)
            self.assertIn("FROM share_mappings", " ".join(statements))
            for request in asked:
                self.assertEqual("keystone", request.service, request)
                # The first time a process also asks which versions it has.
                self.assertRegex(request.path, r"/v3(/auth/tokens)?$")
            validated += any(r.method == "GET" for r in asked)
        # Each process remembers the token for itself.
        self.assertLessEqual(validated, 2)


class KilledCases(stories.StoryTest):
    """The API killed when the row is there, before anybody is told."""

    def _kill_at(self, start, done):
        killed = threading.Event()

        def hook(statement):
            if statement.startswith(start) and not killed.is_set():
                killed.set()
                cloud.wait_for(done, "it was not written")
                self.c.api.kill()

        self.c.statements.hook = hook
        self.addCleanup(setattr, self.c.statements, "hook", None)
        return killed

    def _mapping(self):
        return self.c.mapping(self.server, self.share)

    def test_killed_between_the_row_and_the_cast_of_an_attach(self):
        killed = self._kill_at("INSERT INTO share_mappings", self._mapping)
        self.assertRaises(
            ks_exceptions.ConnectFailure,
            self.c.attach,
            self.server,
            self.share,
        )
        self.assertTrue(killed.is_set())
        self.c.start_api()
        self.see("inactive")
        self.assertEqual(409, self.c.attach(self.server, self.share))
        self.assertEqual(stories.ACTIVE_RULE, self.c.rules())

    def test_killed_between_the_row_and_the_cast_of_a_detach(self):
        self.attached()
        killed = self._kill_at(
            "UPDATE share_mappings",
            lambda: (
                self._mapping() is None or self._mapping().wanted == "detached"
            ),
        )
        self.assertRaises(
            ks_exceptions.ConnectFailure,
            self.c.detach,
            self.server,
            self.share,
        )
        self.assertTrue(killed.is_set())
        self.c.start_api()
        self.see(None)
        self.nothing_left()


class HangingManilaCases(stories.StoryTest):
    """With the budget that we have by default."""

    options = {"options": "[manila]\napi_timeout = 5\ntimeout = 5\n"}

    def test_a28_manila_hangs(self):
        self.c.cloud.fail("manila", hang=60)
        path = f"/servers/{self.server}/shares"
        body = {"share": {"share_id": self.share}}
        began = time.monotonic()
        response = self.c.ask("POST", path, body)
        took = time.monotonic() - began
        self.assertEqual(503, response.status_code)
        self.assertIn("shared file system", response.text)
        self.assertIn("Retry-After", response.headers)
        # One such wait and no second.
        self.assertLess(took, 9)
        self.assertGreater(took, 4)
        self.assertEqual([], self.c.store.list_all())
