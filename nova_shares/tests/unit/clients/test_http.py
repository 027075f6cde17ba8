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
"""A service that answers as none should: every call ends in time."""

import contextlib
import gzip
import json
import logging
import socket
import threading
import time

import fixtures
from oslo_context import context
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.clients import http
from nova_shares.clients import manila
from nova_shares_devcloud import server
from nova_shares_devcloud import state

_CONF = """
[manila]
auth_type = password
auth_url = {auth_url}
username = nova-shares
password = devcloud
project_name = service
user_domain_name = Default
project_domain_name = Default
endpoint_override = {url}
timeout = 1
"""
_ID = "5b4b6e7a-7b0e-4a3c-8c60-6f8a1a2b3c4d"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\n"
)
_MOVED = (
    "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n"
)


class Hostile(fixtures.Fixture):
    """Listens, and has ``answer`` write what it likes to each client."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.requests = []

    def _setUp(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.stopped = threading.Event()
        self.addCleanup(self._socket.close)
        self.addCleanup(self.stopped.set)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(
                    target=self._one, args=(client,), daemon=True
                ).start()

    def _one(self, client):
        with client, contextlib.suppress(OSError):
            self.requests.append(client.recv(65536))
            self.answer(self, client)

    def trickle(self, client, data):
        for i in range(len(data)):
            if self.stopped.wait(0.2):
                return
            client.sendall(data[i : i + 1])


def _body(content, *headers):
    lines = [*headers, b"Content-Length: %d" % len(content)]
    return _HEAD + b"\r\n".join(lines) + b"\r\n\r\n" + content


def _nothing(hostile, client):
    hostile.stopped.wait(30)


def _trickled_status(hostile, client):
    hostile.trickle(client, _body(b"{}"))


def _trickled_headers(hostile, client):
    client.sendall(_HEAD)
    while not hostile.stopped.wait(0.2):
        client.sendall(b"X-A: b\r\n")


def _trickled_body(hostile, client):
    client.sendall(_HEAD + b"Content-Length: 500\r\n\r\n")
    hostile.trickle(client, b"{" * 500)


def _trickled_chunks(hostile, client):
    client.sendall(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not hostile.stopped.wait(0.2):
        client.sendall(b"1\r\n \r\n")


def _slow_redirects(hostile, client):
    hostile.stopped.wait(0.4)
    client.sendall(_MOVED.format(hostile.url + "/x").encode())


def _says(data):
    return lambda hostile, client: client.sendall(data)


#: What goes on for longer than there is time.
SLOW = {
    "silence": _nothing,
    "a status line, a byte now and then": _trickled_status,
    "headers without end": _trickled_headers,
    "a body, a byte now and then": _trickled_body,
    "chunks without end": _trickled_chunks,
    "slow redirects": _slow_redirects,
}
#: What is over at once.
WRONG = {
    "it hangs up": _says(b""),
    "half a body": _says(_HEAD + b"Content-Length: 500\r\n\r\n{}"),
    "no HTTP": _says(b"\x00\xff" * 2000),
    "too much": _says(_body(b" " * (http.MAX_RESPONSE + 1))),
    "a bomb": _says(
        _body(gzip.compress(b" " * (32 << 20)), b"Content-Encoding: gzip")
    ),
    "redirects without end": lambda hostile, client: client.sendall(
        _MOVED.format(hostile.url + "/x").encode()
    ),
    "brackets": _says(_body(b"[" * 100_000)),
    "half a character": _says(
        _body(json.dumps({"share": {"id": _ID, "status": "\ud800"}}).encode())
    ),
    "null": _says(_body(b'{"share": null}')),
    "a list": _says(_body(b"[]")),
    "numbers": _says(_body(b'{"share": {"id": 5, "project_id": ["x"]}}')),
    "another share": _says(
        _body(
            json.dumps(
                {
                    "share": {
                        "id": _ID.replace("5", "6"),
                        "project_id": "p",
                        "status": "available",
                        "share_proto": "NFS",
                    }
                }
            ).encode()
        )
    ),
}


class HostileTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.cloud = state.Cloud()
        self.addCleanup(server.serve(self.cloud).stop)
        self.keystone = f"{self.cloud.url}/identity/v3"

    def shares(self, url, keystone=None):
        path = self.useFixture(fixtures.TempDir()).join("nova-shares.conf")
        with open(path, "w") as f:
            f.write(_CONF.format(url=url, auth_url=keystone or self.keystone))
        return manila.Shares(nova_shares_conf.load(files=[path]))

    def hostile(self, answer):
        return self.useFixture(Hostile(answer))

    def find(self, shares, seconds=1.0):
        caller = context.RequestContext(
            auth_token=self.cloud.token_of("member"), overwrite=False
        )
        began = time.monotonic()
        self.assertRaises(
            exception.ServiceUnavailable,
            shares.find,
            caller,
            _ID,
            began + seconds,
        )
        return time.monotonic() - began

    def all_in_time(self, call):
        """Have one call for each slow answer fail, all at the same time."""
        took = {}

        def time_it(name, hostile):
            began = time.monotonic()
            call(hostile)
            took[name] = time.monotonic() - began

        threads = [
            threading.Thread(
                target=time_it, args=(name, self.hostile(answer).url)
            )
            for name, answer in SLOW.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(sorted(SLOW), sorted(took))
        for name, seconds in took.items():
            self.assertTrue(0.5 < seconds < 4, f"{name}: {seconds}")

    def test_a_request_of_a_user_ends_at_its_deadline(self):
        def call(hostile):
            shares = self.shares(hostile)
            # So that the token and the catalog are there.
            shares._session.user_id()
            self.find(shares)

        self.all_in_time(call)

    def test_a_request_of_the_agent_ends_at_the_timeout(self):
        def call(hostile):
            shares = self.shares(hostile)
            self.assertRaises(exception.ServiceUnavailable, shares.rule, _ID)

        self.all_in_time(call)

    def test_a_slow_keystone_is_part_of_the_time(self):
        self.all_in_time(
            lambda hostile: self.find(self.shares(self.cloud.url, hostile))
        )

    def test_what_is_wrong_is_told_at_once(self):
        for name, answer in WRONG.items():
            with self.subTest(name):
                shares = self.shares(self.hostile(answer).url)
                shares._session.user_id()
                self.assertTrue(self.find(shares, 20) < 10, name)

    def test_null_is_not_absence(self):
        shares = self.shares(
            self.hostile(_says(_body(b'{"access": null}'))).url
        )
        for call in (shares.rule, shares.access_key):
            self.assertRaises(exception.ServiceUnavailable, call, _ID)

    def test_all_who_wait_for_keystone_end_in_time(self):
        shares = self.shares(self.cloud.url, self.hostile(_nothing).url)
        took = []
        threads = [
            threading.Thread(target=lambda: took.append(self.find(shares)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(8, len(took))
        self.assertTrue(max(took) < 4, took)

    def test_no_token_goes_to_another_host(self):
        thief = self.hostile(_says(_body(b"{}")))
        url = thief.url.replace("127.0.0.1", "localhost")
        for target in (url, f"{url}/share", url.replace("http:", "")):
            with self.subTest(target):
                moved = _says(_MOVED.format(target).encode())
                self.find(self.shares(self.hostile(moved).url))
        self.assertEqual([], thief.requests)

    def test_a_redirect_on_the_same_host_is_followed(self):
        found = {
            "share": {
                "id": _ID,
                "project_id": "p",
                "status": "available",
                "share_proto": "nfs",
            }
        }

        def answer(hostile, client):
            if b"/moved" in hostile.requests[-1].split(b"\r\n")[0]:
                client.sendall(_body(json.dumps(found).encode()))
            else:
                target = hostile.url + "/moved"
                client.sendall(_MOVED.format(target).encode())

        shares = self.shares(self.hostile(answer).url)
        caller = context.RequestContext(
            auth_token=self.cloud.token_of("member"), overwrite=False
        )
        share = shares.find(caller, _ID, time.monotonic() + 5)
        self.assertEqual("NFS", share.proto)

    def test_a_large_answer_within_the_bound_is_read(self):
        rules = [
            {
                "id": str(i),
                "access_type": "ip",
                "access_to": "192.0.2.1",
                "access_level": "rw",
                "state": "active",
                "metadata": {},
            }
            for i in range(5000)
        ]
        body = json.dumps({"access_list": rules}).encode()
        shares = self.shares(self.hostile(_says(_body(body))).url)
        self.assertEqual(5000, len(shares.rules(_ID)))
