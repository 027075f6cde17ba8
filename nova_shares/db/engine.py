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


"""The engine: how we reach the database, and how long we wait for it.

Every statement commits by itself, so there is no transaction to begin or to
roll back: one operation is one round trip, beside the ping that proves a
pooled connection alive. Requests inside Nova's process wait here, so no
operation takes much longer than :data:`TIMEOUT`, connecting included: not of
a database that is away, that never answers or that is slow with each answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import socket
import threading
import time
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import exc_filters
import sqlalchemy as sa

#: Seconds that an operation may take.
TIMEOUT = 2

#: Seconds for which a connection that was used counts as alive.
PAUSE = 1

#: What [database] connection may begin with, and the driver it means.
_DRIVERS = {
    "sqlite": "sqlite",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "postgresql": "postgresql+psycopg2",
    "postgresql+psycopg2": "postgresql+psycopg2",
}


def parse_url(conf: cfg.ConfigOpts) -> sa.engine.URL:
    """Read where the database is, ``[database] connection``.

    :raises oslo_config.cfg.Error: it is missing or of no use; the password
        in it is not repeated
    """
    if not conf.database.connection:
        raise cfg.RequiredOptError("connection", cfg.OptGroup("database"))
    try:
        url = sa.engine.make_url(conf.database.connection)
    except (sa.exc.ArgumentError, ValueError):
        raise cfg.ConfigFileValueError(
            "[database] connection is not the URL of a database"
        ) from None
    if url.drivername not in _DRIVERS:
        raise cfg.ConfigFileValueError(
            f"[database] connection: {url.drivername} is not supported;"
            f" supported: {', '.join(_DRIVERS)}"
        )
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise cfg.ConfigFileValueError(
            "[database] connection: SQLite needs a file, sqlite:////PATH"
        )
    return url.set(drivername=_DRIVERS[url.drivername])


def create(conf: cfg.ConfigOpts) -> sa.engine.Engine:
    """Make the engine; nothing is connected before its first use.

    Its errors are those of :mod:`oslo_db.exception`.
    """
    url = parse_url(conf)
    current = threading.local()
    engine = sa.create_engine(
        url,
        # For execute(), which has nothing but the engine.
        execution_options={"current": current},
        future=True,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        pool_pre_ping=True,
        pool_recycle=conf.database.connection_recycle_time,
        poolclass=sa.pool.QueuePool,
        pool_size=conf.database.max_pool_size,
        max_overflow=conf.database.max_overflow,
        pool_timeout=conf.database.pool_timeout,
        connect_args=_connect_args(url, conf.database.mysql_sql_mode),
    )
    exc_filters.register_engine(engine)
    dialect: Any = engine.dialect
    # Closing a connection rolls back, even where nothing was begun.
    dialect.do_rollback = lambda connection: None
    _ping_after_a_pause(engine)
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _write_ahead)
    else:
        _watch(engine, current)
    return engine


def _connect_args(url: sa.engine.URL, sql_mode: str) -> dict[str, Any]:
    """Tell the driver how long it may take.

    The server gives up on a lock before we give up on the server, so that
    a statement which failed here does not succeed later there; unless to
    connect took most of our time.
    """
    if url.drivername == "sqlite":
        # SQLite's writers don't queue: one of many may be unlucky for long.
        return {"timeout": 3 * TIMEOUT, "check_same_thread": False}
    if url.drivername == "mysql+pymysql":
        settings = ["SESSION innodb_lock_wait_timeout = 1"]
        if sql_mode:
            quoted = sql_mode.replace("'", "")
            settings.append(f"SESSION sql_mode = '{quoted}'")
        return {
            "connect_timeout": TIMEOUT,
            "read_timeout": TIMEOUT,
            "write_timeout": TIMEOUT,
            "init_command": "SET " + ", ".join(settings),
            # So that it can be watched while it connects.
            "defer_connect": True,
        }
    return {
        "connect_timeout": TIMEOUT,
        "options": "-c lock_timeout=1000 -c statement_timeout=2000",
    }


def _write_ahead(connection: Any, record: object) -> None:
    """Let SQLite's readers read while somebody writes."""
    connection.execute("PRAGMA journal_mode=WAL")


def _ping_after_a_pause(engine: sa.engine.Engine) -> None:
    """Leave the ping out for a connection that was used just now.

    It is a round trip. Should such a connection be gone all the same, then
    :func:`execute` has a second try.
    """
    dialect: Any = engine.dialect
    ping = dialect.do_ping
    used: dict[int, float] = {}

    def note(connection: Any, record: object) -> None:
        used[id(connection)] = time.monotonic()

    def forget(connection: Any, *details: object) -> None:
        used.pop(id(connection), None)

    def do_ping(connection: Any) -> bool:
        since = time.monotonic() - used.get(id(connection), 0)
        return since < PAUSE or ping(connection)

    sa.event.listen(engine, "checkin", note)
    for event in ("connect", "close", "invalidate"):
        sa.event.listen(engine, event, forget)
    dialect.do_ping = do_ping


class _Operation:
    """One operation: until when, and by which connection."""

    def __init__(self) -> None:
        self._end = time.monotonic() + TIMEOUT
        self.connection: Any = None
        self.done = False

    def left(self) -> float:
        return self._end - time.monotonic()


class _Watchdog:
    """Hangs up on the server when the time of an operation is over.

    The limits of the drivers are for each answer, or there are none. It has
    one thread for all operations, which sleeps as long as the oldest that is
    under way has time: to start one for each would cost a good part of what
    the operation does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: list[_Operation] = []
        self._thread: threading.Thread | None = None

    def watch(self, operation: _Operation, connection: Any) -> None:
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


def _watch(engine: sa.engine.Engine, current: threading.local) -> None:
    """Have the connection of each thread's operation watched.

    In the second half of its time no new connection is begun: on the old
    one the server has not answered for a second, and it won't on another.

    :param current: has the ``operation`` of the thread
    """
    dialect: Any = engine.dialect
    ping, dog = dialect.do_ping, _Watchdog()

    def do_ping(connection: Any) -> bool:
        dog.watch(current.operation, connection)
        return bool(ping(connection))

    def connect(dialect: Any, record: object, args: Any, options: Any) -> Any:
        if current.operation.left() < TIMEOUT / 2:
            raise db_exc.DBConnectionError("the database does not answer")
        connection = dialect.connect(*args, **options)
        dog.watch(current.operation, connection)
        if "defer_connect" in options:
            connection.connect()
        return connection

    sa.event.listen(engine, "do_connect", connect)
    dialect.do_ping = do_ping


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


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a statement gave.

    :ivar rows: of a SELECT
    :ivar changed: how many rows an UPDATE or DELETE was for
    :ivar key: the primary key of an INSERT
    """

    rows: list[Any]
    changed: int
    key: Any = None


def execute(
    engine: sa.engine.Engine,
    statement: Any,
    values: Optional[dict[str, Any]] = None,
) -> Answer:
    """Run one statement, again after a deadlock or a lost connection.

    There is a second try only while it can end in good time: none after a
    server that did not answer.

    :raises oslo_db.exception.DBError: of whatever kind goes wrong
    """
    operation = _Operation()
    engine.get_execution_options()["current"].operation = operation
    try:
        return _once(engine, statement, values)
    except (db_exc.DBDeadlock, db_exc.DBConnectionError):
        if operation.left() < TIMEOUT / 2:
            raise
        # Two that met in a deadlock shall not meet again.
        time.sleep(random.uniform(0, 0.1))  # noqa: S311
        return _once(engine, statement, values)
    finally:
        operation.done = True


def _once(
    engine: sa.engine.Engine, statement: Any, values: Optional[dict[str, Any]]
) -> Answer:
    try:
        connection = engine.connect()
    except sa.exc.SQLAlchemyError as error:
        # oslo.db does not know every way of not reaching a database.
        raise db_exc.DBConnectionError(error) from error
    with connection:
        try:
            result: Any = connection.execute(statement, values or {})
            if statement.is_insert:
                return Answer([], 1, result.inserted_primary_key[0])
            if result.returns_rows:
                return Answer(list(result.all()), 0)
            return Answer([], result.rowcount)
        except sa.exc.SQLAlchemyError as error:
            raise db_exc.DBError(error) from error
