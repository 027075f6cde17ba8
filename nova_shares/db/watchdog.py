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


"""The watchdog: ends an operation whose time is over.

The timeouts of PyMySQL are for each read, and libpq has none once it is
connected: a server that sends a byte a second would hold a request for as
long as it likes. PyMySQL's ``close()`` does not wake the thread that waits,
so the watchdog shuts its socket down, which has a private name, ``_sock``.
What it cannot end is a connect that is still in ``getaddrinfo``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import Any
from typing import Callable

from oslo_db import exception as db_exc
import sqlalchemy as sa

#: Seconds that an operation may take, connecting included.
TIMEOUT = 2

#: Seconds after a connect for which others need not wait for each other.
_FRESH = 1


class Operation:
    """One operation: until when, and by which connection."""

    def __init__(self) -> None:
        self._end = time.monotonic() + TIMEOUT
        self.connection: Any = None
        self.done = False

    def left(self) -> float:
        return self._end - time.monotonic()


class Current(threading.local):
    """The operation of each thread."""

    operation: Operation


class _Watchdog:
    """Hangs up on the server when the time of an operation is over.

    It has one thread for all operations, which sleeps as long as the oldest
    that is under way has time: to start one for each would cost a good part
    of what the operation does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: list[Operation] = []
        self._thread: threading.Thread | None = None

    def watch(self, operation: Operation, connection: Any) -> None:
        before, operation.connection = operation.connection, connection
        if before is not None:
            return
        with self._lock:
            self._operations.append(operation)
            # None is alive after a fork.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._lock:
                left = [o for o in self._operations if not o.done]
                self._operations = left
                if not left:
                    self._thread = None
                    return
            for operation in left:
                if operation.left() <= 0:
                    _hang_up(operation.connection)
            time.sleep(max(min(o.left() for o in left), 0.1))


def watch(
    engine: sa.engine.Engine, current: Current, answered: Callable[[], None]
) -> None:
    """Have the connection of each thread's operation watched.

    :param answered: is called after each connect that succeeded; earlier
        than SQLAlchemy's event, which waits for some ten questions about
        the server
    """
    dialect: Any = engine.dialect
    ping, dog = dialect.do_ping, _Watchdog()
    connects = _Connects()

    def do_ping(connection: Any) -> bool:
        dog.watch(current.operation, connection)
        return bool(ping(connection))

    def connect(dialect: Any, record: object, args: Any, options: Any) -> Any:
        def make() -> Any:
            connection = dialect.connect(*args, **options)
            dog.watch(current.operation, connection)
            if "defer_connect" in options:
                connection.connect()
            answered()
            return connection

        return connects.run(make, current.operation)

    sa.event.listen(engine, "do_connect", connect)
    dialect.do_ping = do_ping


class _Connects:
    """Has one thread connect, and others after it has succeeded.

    If the resolver hangs, it holds one thread and not all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh_until = 0.0

    def run(self, connect: Any, operation: Operation) -> Any:
        """Connect in the first half of an operation's time.

        In the second half it is in vain: the server has not answered on
        another connection for a second.
        """
        wait = operation.left() - TIMEOUT / 2
        if wait < 0 or not self._lock.acquire(timeout=wait):
            raise db_exc.DBConnectionError("the database does not answer")
        try:
            if time.monotonic() >= self._fresh_until:
                return self._run(connect)
        finally:
            self._lock.release()
        return self._run(connect)

    def _run(self, connect: Any) -> Any:
        connection = connect()
        self._fresh_until = time.monotonic() + _FRESH
        return connection


def _hang_up(connection: Any) -> None:
    """End a connection under the thread that waits for it."""
    # PyMySQL has a socket, or none before and after; psycopg2 is one.
    sock = getattr(connection, "_sock", connection)
    if sock is None:
        return
    # An error is that it is closed already.
    with contextlib.suppress(OSError, connection.InterfaceError):
        with socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
