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
"""What a neighbor over HTTP may do, short of answering."""

import contextlib
import gzip
import json
import socket
import threading

import fixtures

from nova_shares.clients import http

#: Whose share an answer is that names another one.
SHARE = "5b4b6e7a-7b0e-4a3c-8c60-6f8a1a2b3c4d"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\n"
)
MOVED = (
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


def body(content, *headers):
    lines = [*headers, b"Content-Length: %d" % len(content)]
    return HEAD + b"\r\n".join(lines) + b"\r\n\r\n" + content


def nothing(hostile, client):
    hostile.stopped.wait(30)


def _trickled_status(hostile, client):
    hostile.trickle(client, body(b"{}"))


def _trickled_headers(hostile, client):
    client.sendall(HEAD)
    while not hostile.stopped.wait(0.2):
        client.sendall(b"X-A: b\r\n")


def _trickled_body(hostile, client):
    client.sendall(HEAD + b"Content-Length: 500\r\n\r\n")
    hostile.trickle(client, b"{" * 500)


def _trickled_chunks(hostile, client):
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while not hostile.stopped.wait(0.2):
        client.sendall(b"1\r\n \r\n")


def _slow_redirects(hostile, client):
    hostile.stopped.wait(0.4)
    client.sendall(MOVED.format(hostile.url + "/x").encode())


def says(data):
    return lambda hostile, client: client.sendall(data)


#: What goes on for longer than there is time.
SLOW = {
    "silence": nothing,
    "a status line, a byte now and then": _trickled_status,
    "headers without end": _trickled_headers,
    "a body, a byte now and then": _trickled_body,
    "chunks without end": _trickled_chunks,
    "slow redirects": _slow_redirects,
}
#: What is over at once.
WRONG = {
    "it hangs up": says(b""),
    "half a body": says(HEAD + b"Content-Length: 500\r\n\r\n{}"),
    "no HTTP": says(b"\x00\xff" * 2000),
    "too much": says(body(b" " * (http.MAX_RESPONSE + 1))),
    "a bomb": says(
        body(gzip.compress(b" " * (32 << 20)), b"Content-Encoding: gzip")
    ),
    "redirects without end": lambda hostile, client: client.sendall(
        MOVED.format(hostile.url + "/x").encode()
    ),
    "brackets": says(body(b"[" * 100_000)),
    "half a character": says(
        body(json.dumps({"share": {"id": SHARE, "status": "\ud800"}}).encode())
    ),
    "null": says(body(b'{"share": null}')),
    "a list": says(body(b"[]")),
    "numbers": says(body(b'{"share": {"id": 5, "project_id": ["x"]}}')),
    "another share": says(
        body(
            json.dumps(
                {
                    "share": {
                        "id": SHARE.replace("5", "6"),
                        "project_id": "p",
                        "status": "available",
                        "share_proto": "NFS",
                    }
                }
            ).encode()
        )
    ),
}
