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

"""A TCP proxy in front of a server, which a test can cut, hush and hear.

Stopping a server that others use too is not ours to do; what its clients see
of that can be had here.
"""

import socket
import threading

OPEN, SILENT, CUT = "open", "silent", "cut"


class Proxy:
    """Forwards connections to a server.

    :param hear: makes, for each connection, what is called with each piece
        that the client has sent, once the server has it and before the
        client is answered
    :ivar port: where it listens, on loopback
    """

    def __init__(self, host, port, hear=None):
        self._target = (host, port)
        self._hear = hear or (lambda: None)
        self._state = threading.Condition()
        self._mode = OPEN
        self._sockets = set()
        self._listen()

    def _listen(self, port=0):
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(
            target=self._accept, args=(self._listener,), daemon=True
        ).start()

    def cut(self):
        """Hang up, and refuse connections."""
        self._set(CUT)
        _shut(self._listener)
        self._hang_up()

    def hush(self):
        """Accept connections, and forward nothing."""
        self._set(SILENT)

    def mend(self):
        """Serve again, as if nothing had been."""
        was, _ = self._mode, self._set(OPEN)
        if was == CUT:
            self._listen(self.port)

    def close(self):
        self._set(CUT)
        _shut(self._listener)
        self._hang_up()

    def _set(self, mode):
        with self._state:
            self._mode = mode
            self._state.notify_all()

    def _hang_up(self):
        for sock in list(self._sockets):
            _shut(sock)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                # It is closed; or the server is away, and so are we.
                if self._mode == CUT:
                    return
                _shut(client)
                continue
            self._sockets |= {client, server}
            turn = threading.Lock()
            self._spawn(client, server, turn, self._hear())
            self._spawn(server, client, turn, None)

    def _spawn(self, *args):
        threading.Thread(target=self._pump, args=args, daemon=True).start()

    def _pump(self, source, target, turn, hear):
        try:
            while True:
                data = source.recv(65536)
                with self._state:
                    self._state.wait_for(lambda: self._mode != SILENT)
                if not data or self._mode == CUT:
                    return
                with turn:
                    target.sendall(data)
                    if hear:
                        hear(data)
        except OSError:
            # Either side has hung up: so do we.
            return
        finally:
            for sock in (source, target):
                _shut(sock)
                self._sockets.discard(sock)


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It was not connected any more.
        pass
    sock.close()


class Statements:
    """Reads the SQL that clients send through a :class:`Proxy`.

    :param dialect: ``mysql`` or ``postgresql``
    :ivar hook: called with each statement, in the connection's thread: what
        the server answers is held back until it returns
    """

    def __init__(self, dialect):
        self._split = {"mysql": _of_mysql, "postgresql": _of_postgresql}[
            dialect
        ]
        self._all = []
        self.hook = None

    def hear(self):
        """Begin to listen to a connection."""
        buffer = bytearray()

        def piece(data):
            buffer.extend(data)
            for statement in self._split(buffer):
                self._all.append(statement)
                if self.hook:
                    self.hook(statement)

        return piece

    def forget(self):
        self._all.clear()

    def data(self):
        """List those about our tables so far, without pings and settings."""
        return [s for s in self._all if "share_" in s]


def _of_mysql(buffer):
    """Take the queries out of what a client of MySQL sent."""
    while len(buffer) >= 4:
        size = int.from_bytes(buffer[:3], "little")
        if len(buffer) < 4 + size:
            return
        payload = bytes(buffer[4 : 4 + size])
        first_of_command = buffer[3] == 0
        del buffer[: 4 + size]
        if first_of_command and payload[:1] == b"\x03":
            yield payload[1:].decode()


def _of_postgresql(buffer):
    """Take the queries out of what a client of PostgreSQL sent."""
    while len(buffer) >= 5:
        # Only what opens a connection has no type: a length comes first.
        start = 0 if buffer[0] == 0 else 1
        size = start + int.from_bytes(buffer[start : start + 4], "big")
        if len(buffer) < size:
            return
        payload = bytes(buffer[start + 4 : size])
        kind = buffer[:start]
        del buffer[:size]
        if kind == b"Q":
            yield payload.rstrip(b"\0").decode()
