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
pooled connection alive. Requests inside Nova's process wait here, so nothing
takes longer than :data:`TIMEOUT`: not a database that is away, nor one that
accepts and then never answers.
"""

from __future__ import annotations

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

#: Seconds that a connect, a ping or a statement may take.
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
    engine = sa.create_engine(
        url,
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
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _write_ahead)
    exc_filters.register_engine(engine)
    dialect: Any = engine.dialect
    # Closing a connection rolls back, even where nothing was begun.
    dialect.do_rollback = lambda connection: None
    _fail_after_slow_ping(dialect)
    _ping_after_a_pause(engine)
    return engine


def _connect_args(url: sa.engine.URL, sql_mode: str) -> dict[str, Any]:
    """Tell the driver how long it may take.

    The server gives up on a lock before we give up on the server, so that
    a statement which failed here does not succeed later there.
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
        }
    return {
        "connect_timeout": TIMEOUT,
        "options": "-c lock_timeout=1000 -c statement_timeout=2000",
        "cursor_factory": _postgresql_cursor(),
    }


def _write_ahead(connection: Any, record: object) -> None:
    """Let SQLite's readers read while somebody writes."""
    connection.execute("PRAGMA journal_mode=WAL")


def _fail_after_slow_ping(dialect: Any) -> None:
    """Fail when a ping times out, instead of waiting for a new connection.

    A connection that is gone fails at once and is replaced. One that does
    not answer means that the server doesn't: a second wait of
    :data:`TIMEOUT`, for a new connection, would be in vain.
    """
    ping = dialect.do_ping

    def do_ping(connection: Any) -> bool:
        began = time.monotonic()
        try:
            alive = bool(ping(connection))
        except dialect.loaded_dbapi.Error as error:
            if time.monotonic() - began < TIMEOUT / 2:
                raise
            raise db_exc.DBConnectionError(error) from error
        if not alive and time.monotonic() - began >= TIMEOUT / 2:
            raise db_exc.DBConnectionError("the database does not answer")
        return alive

    dialect.do_ping = do_ping


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


def _postgresql_cursor() -> type:
    """Make a cursor class that waits at most :data:`TIMEOUT`.

    psycopg2 has no limit of its own for a server that never answers.
    """
    from psycopg2 import extensions

    class Cursor(extensions.cursor):  # type: ignore[misc]
        def execute(self, query: Any, vars: Any = None) -> None:
            timer = threading.Timer(TIMEOUT, _hang_up, (self.connection,))
            timer.daemon = True
            timer.start()
            try:
                super().execute(query, vars)
            finally:
                timer.cancel()

    return Cursor


def _hang_up(connection: Any) -> None:
    """End a connection under the thread that waits for it."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:
        sock.shutdown(socket.SHUT_RDWR)


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
    began = time.monotonic()
    try:
        return _once(engine, statement, values)
    except (db_exc.DBDeadlock, db_exc.DBConnectionError):
        if time.monotonic() - began > TIMEOUT / 2:
            raise
    # Two that met in a deadlock shall not meet again.
    time.sleep(random.uniform(0, 0.1))  # noqa: S311
    return _once(engine, statement, values)


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
