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

"""What is answered when a neighbour is away, slow, or speaks nonsense.

L19, A28 to A30, D7 to D9 of the contract.
"""

from __future__ import annotations

from concurrent import futures
import socket
import threading
import time

import fixtures

from nova_shares import mapping as m
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

MANILA = "shared file system"


class TestService(base.Case):
    """The API as a service."""

    deployment = world.SERVICE
    options = """
[manila]
api_timeout = 1
[nova]
timeout = 1
[api]
max_concurrent_requests = 32
"""

    def check_503(self, answer, service):
        message = self.message(503, answer)
        self.assertIn(service, message)
        self.assertIn("Answered 503", self.log.output)

    def test_l19_nova_fails(self):
        for fault in (
            {"status": 500},
            {"status": 503},
            {"status": 403},
            {"status": 404, "html": True},
            {"status": 200, "html": True},
        ):
            self.world.break_nova(**fault)
            for _, answer in self.answers("empty"):
                self.check_503(answer, "compute")
            self.world.mend()

    def test_l19_rows_need_no_nova(self):
        self.world.mapped("stopped", "nfs")
        # Which versions Nova has is asked once, at the first request.
        self.world.list("stopped")
        self.world.break_nova()
        self.assertEqual(200, self.world.list("stopped").status_int)
        self.assertEqual(200, self.world.show("stopped", "nfs").status_int)
        self.check_503(self.world.detach("stopped", "nfs"), "compute")

    def test_a28_manila_fails(self):
        for fault in (
            {"status": 400},
            {"status": 401},
            {"status": 403},
            {"status": 429},
            {"status": 500},
            {"status": 503},
            {"status": 404, "html": True},
            {"html": True},
            {"refuse": True},
            {"match": "export_locations", "status": 500},
            {"match": "export_locations", "html": True},
        ):
            self.world.cloud.fail("manila", **fault)
            with self.nothing_written():
                answer = self.world.attach("stopped", "nfs")
            self.check_503(answer, MANILA)
            self.world.mend()

    def test_a28_manila_hangs(self):
        for match in ("", "export_locations"):
            self.world.cloud.fail("manila", match, hang=30)
            began = time.monotonic()
            with self.nothing_written():
                self.check_503(self.world.attach("stopped", "nfs"), MANILA)
            self.assertLess(time.monotonic() - began, 2.5)
            self.world.mend()

    def test_d7_the_share_is_gone(self):
        self.world.mapped("stopped", "nfs")
        self.world.mapped("stopped", "nfs2")
        share = self.world.cloud.shares[self.world.shares["nfs"]]
        self.world.cloud.remove_share(share.id)
        self.addCleanup(self.world.cloud.shares.__setitem__, share.id, share)
        self.assertEqual(200, self.world.detach("stopped", "nfs").status_int)

    def test_d8_manila_is_down(self):
        self.world.mapped("stopped", "nfs")
        self.world.cloud.fail("manila", refuse=True)
        self.assertEqual(200, self.world.detach("stopped", "nfs").status_int)
        (row,) = self.rows()
        self.assertEqual((m.DETACHED, m.DETACHING), (row.wanted, row.status))

    def test_d9_the_agent_is_down(self):
        for server in ("dead_agent", "no_agent", "no_host"):
            host = server.replace("_", "-")
            self.world.mapped(server, "nfs", host=host)
            answer = self.world.detach(server, "nfs")
            self.assertEqual(200, answer.status_int)
        self.assertEqual({m.DETACHING}, {row.status for row in self.rows()})


class TestFilter(TestService):
    """The API as a filter."""

    deployment = world.FILTER

    def test_l19_nova_raises(self):
        self.world.broken = RuntimeError("a secret of Nova's")
        for _, answer in self.answers("empty"):
            self.check_503(answer, "compute")
            self.assertNotIn("secret", answer.text)
        self.assertIn("a secret of Nova's", self.log.output)


class TestServiceAlone(base.Case):
    """What only a service of our own asks by itself."""

    options = """
[nova]
timeout = 1
[keystone_authtoken]
http_request_max_retries = 0
"""

    def test_l19_nova_hangs(self):
        self.world.cloud.fail("nova", hang=30)
        began = time.monotonic()
        message = self.message(503, self.world.list("empty"))
        self.assertIn("compute", message)
        self.assertLess(time.monotonic() - began, 3)

    def test_l19_keystone_is_away(self):
        # A token that was seen before is known for a while.
        self.world.mapped("stopped", "nfs")
        self.assertEqual(200, self.world.list("stopped").status_int)
        self.world.cloud.fail("keystone", refuse=True)
        self.assertEqual(200, self.world.list("stopped").status_int)
        answer = self.world.list("stopped", user="x" * 32)
        self.assertIn("identity", self.message(503, answer))


class TestConcurrent(base.Case):
    """A29, by REST."""

    options = "[api]\nmax_concurrent_requests = 32\n"

    def test_a29_concurrent_attaches(self):
        count = 16
        answers = []
        gate = threading.Barrier(count)

        def attach():
            gate.wait()
            answers.append(self.world.attach("stopped", "nfs"))

        threads = [threading.Thread(target=attach) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            [201] + [409] * (count - 1),
            sorted(answer.status_int for answer in answers),
        )
        self.assertEqual(1, len(self.rows()))


class TestConcurrentFilter(TestConcurrent):
    """A29, in the pipeline."""

    deployment = world.FILTER


class TestFewMayWait(base.Case):
    """Only so many requests wait for a neighbour at once."""

    options = "[api]\nmax_concurrent_requests = 1\n[manila]\napi_timeout = 5\n"

    def test_the_rest_is_answered_503(self):
        self.world.mapped("stopped2", "nfs2")
        fault = self.world.cloud.fail("manila", hang=30)
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(self.world.attach("stopped", "nfs"))
        )
        thread.start()
        cloud.wait_for(lambda: self.world.cloud.requests("manila"))
        began = time.monotonic()
        self.message(503, self.world.attach("stopped", "nfs"))
        # It waited for a second, not for Manila.
        self.assertLess(time.monotonic() - began, 3)
        # What waits for nobody, or for Nova alone, is served: D8 too.
        began = time.monotonic()
        self.assertEqual(200, self.world.list("stopped2").status_int)
        self.assertEqual(200, self.world.list("empty").status_int)
        answer = self.world.detach("stopped2", "nfs2")
        self.assertEqual(200, answer.status_int)
        (row,) = self.rows()
        self.assertEqual(m.DETACHED, row.wanted)
        self.assertLess(time.monotonic() - began, 1)
        fault.clear()
        thread.join()
        self.assertEqual([201], [answer.status_int for answer in answers])
        self.assertEqual(200, self.world.list("empty").status_int)


class TestFewMayWaitFilter(TestFewMayWait):
    """The same, in the pipeline."""

    deployment = world.FILTER


class TestOneProjectFloods(base.Case):
    """Manila hangs, and one project sends attach after attach."""

    # More threads than Manila's share of them, and fewer than the flood.
    threads = 16

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch("nova_shares.bulkhead.PAUSE", 60))
        self.pool = futures.ThreadPoolExecutor(self.threads)
        self.addCleanup(self.pool.shutdown)

    def serve(self, call, *args, **kwargs):
        """Send a request through the threads; returns answer and seconds."""
        began = time.monotonic()
        answer = self.pool.submit(call, *args, **kwargs).result()
        return answer, time.monotonic() - began

    def test_others_are_answered_in_time(self):
        self.world.mapped("stopped2", "nfs2")
        self.world.cloud.fail("manila", hang=30)
        stopped, refused = threading.Event(), []

        def flood():
            while not stopped.is_set():
                answer, _ = self.serve(self.world.attach, "stopped", "nfs")
                refused.append(self.message(503, answer))

        clients = [threading.Thread(target=flood) for _ in range(60)]
        for client in clients:
            client.start()
        try:
            # As it begins: who asked first still waits.
            cloud.wait_for(lambda: len(refused) > 200)
            self.check_others()
            # When those have given up, and Manila is known to hang.
            cloud.wait_for(lambda: "timed out" in self.log.output)
            asked = len(self.world.cloud.requests("manila"))
            self.check_others()
            self.assertEqual(asked, len(self.world.cloud.requests("manila")))
        finally:
            stopped.set()
            for client in clients:
                client.join()
        # No more than may wait at a time have asked at all.
        self.assertLessEqual(asked, 4)

    def check_others(self):
        """Send requests of others; they are answered within two seconds."""
        for call in (
            lambda: self.world.attach("other", "other", user="other"),
            lambda: self.world.list("stopped2"),
            lambda: self.world.list("empty"),
        ):
            answer, seconds = self.serve(call)
            self.assertIn(answer.status_int, (200, 503))
            self.assertLess(seconds, 2)


class TestOneProjectFloodsFilter(TestOneProjectFloods):
    """The same, in the pipeline."""

    deployment = world.FILTER


class TestOneThread(base.Case):
    """A process that serves one request at a time."""

    def test_a_request_waits_for_manila_for_a_second(self):
        self.world.cloud.fail("manila", hang=30)
        began = time.monotonic()
        answer = self.world.attach("stopped", "nfs", app=self.world.bare)
        self.assertIn(MANILA, self.message(503, answer))
        self.assertLess(time.monotonic() - began, 2.5)
        with fixtures.MonkeyPatch("nova_shares.bulkhead.PAUSE", 60):
            began = time.monotonic()
            self.world.attach("stopped", "nfs", app=self.world.bare)
            waited = time.monotonic() - began
            began = time.monotonic()
            self.world.attach("stopped", "nfs", app=self.world.bare)
            self.assertLess(time.monotonic() - began, waited / 2)


class TestOneThreadFilter(TestOneThread):
    """The same, in the pipeline."""

    deployment = world.FILTER


class TestNoBroker(base.Case):
    """A30: nobody listens where the broker should be."""

    options = """
[DEFAULT]
transport_url = rabbit://u:secret@127.0.0.1:1/
"""

    def test_a30_attach_and_detach(self):
        began = time.monotonic()
        self.assertEqual(201, self.world.attach("stopped", "nfs").status_int)
        self.assertEqual(200, self.world.detach("stopped", "nfs").status_int)
        self.assertLess(time.monotonic() - began, 2)
        (row,) = self.rows()
        self.assertEqual(m.DETACHING, row.status)


class TestSilentBroker(base.Case):
    """A30: the broker accepts and never speaks."""

    @classmethod
    def setUpClass(cls):
        cls.silent = socket.create_server(("127.0.0.1", 0))
        port = cls.silent.getsockname()[1]
        cls.options = (
            f"[DEFAULT]\ntransport_url = rabbit://u:p@127.0.0.1:{port}/\n"
        )
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.silent.close()

    def test_a30_attach(self):
        for n in ("nfs", "nfs2", "nfs3"):
            began = time.monotonic()
            self.assertEqual(201, self.world.attach("stopped", n).status_int)
            self.assertLess(time.monotonic() - began, 2)
