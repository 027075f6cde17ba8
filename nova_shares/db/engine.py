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
roll back: one operation is one round trip. Requests inside Nova's process
wait here, so no operation takes much longer than :data:`watchdog.TIMEOUT`,
and a :class:`nova_shares.db.breaker.Breaker` keeps the others from waiting
with it. oslo.db's enginefacade gives no access to any of this: it retries a
connect for minutes, and begins and ends a transaction for each statement.

``do_rollback`` does nothing. It saves the round trip of the rollback that
SQLAlchemy sends although nothing has begun. ``do_ping`` leaves out the ping
of a connection that was used just now, which saves the other one.
"""

from __future__ import annotations

import dataclasses
import random
import re
import time
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db.sqlalchemy import exc_filters
from oslo_log import log as logging
import sqlalchemy as sa

from nova_shares.db import watchdog
from nova_shares.db.breaker import Breaker
from nova_shares.db.watchdog import TIMEOUT

LOG = logging.getLogger(__name__)

#: Seconds for which a connection that was used counts as alive.
PAUSE = 1

#: What each database says of a column that it does not have.
_NO_COLUMN = re.compile(
    "no such column|has no column|Unknown column|column .* does not exist"
)
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
    """Read the URL of the database, ``[database] connection``.

    :raises oslo_config.cfg.Error: it is missing or invalid; the message does
        not contain the password
    """
    if not conf.database.connection:
        raise cfg.RequiredOptError("connection", cfg.OptGroup("database"))
    try:
        url = sa.engine.make_url(conf.database.connection)
    except (sa.exc.ArgumentError, ValueError):
        raise cfg.ConfigFileValueError(
            "[database] connection is not a valid database URL"
        ) from None
    if url.drivername not in _DRIVERS:
        raise cfg.ConfigFileValueError(
            f"[database] connection: {url.drivername} is not supported;"
            f" supported: {', '.join(_DRIVERS)}"
        )
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise cfg.ConfigFileValueError(
            "[database] connection: SQLite requires a file, sqlite:////PATH"
        )
    return url.set(drivername=_DRIVERS[url.drivername])


def make(url: sa.engine.URL, **options: Any) -> sa.engine.Engine:
    """Make an engine whose errors are those of :mod:`oslo_db.exception`.

    :raises oslo_config.cfg.Error: the driver of the database is missing
    """
    try:
        engine = sa.create_engine(url, future=True, **options)
    except ModuleNotFoundError as e:
        raise cfg.ConfigFileValueError(
            f"[database] connection: the Python package {e.name} is not"
            " installed"
        ) from None
    exc_filters.register_engine(engine)
    return engine


def explain(error: db_exc.DBError) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, db_exc.DBNonExistentTable):
        return (
            "the database has no tables of nova_shares; run "
            "nova-shares-manage db sync"
        )
    # The lines below the first are the statement.
    said = (str(error).splitlines() or [type(error).__name__])[0]
    if _NO_COLUMN.search(said):
        return (
            "the database has the tables of an earlier release; run "
            f"nova-shares-manage db sync ({said})"
        )
    return said


def create(
    conf: cfg.ConfigOpts, breaker: Optional[Breaker] = None
) -> sa.engine.Engine:
    """Make the engine; nothing is connected before its first use.

    Its errors are those of :mod:`oslo_db.exception`.

    :param breaker: has operations fail at once while the database is away;
        not for SQLite, whose writers may well wait for each other
    """
    url = parse_url(conf)
    current = watchdog.Current()
    if url.drivername == "sqlite":
        breaker = None
    engine = make(
        url,
        # For execute(), which has nothing but the engine.
        execution_options={"current": current, "breaker": breaker},
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
    dialect: Any = engine.dialect
    # Closing a connection rolls back, even where nothing was begun.
    dialect.do_rollback = lambda connection: None
    answered = _nothing if breaker is None else breaker.answered
    _ping_after_a_pause(engine, answered)
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _write_ahead)
    else:
        watchdog.watch(engine, current, answered)
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


def _nothing() -> None:
    pass


def _ping_after_a_pause(
    engine: sa.engine.Engine, answered: Callable[[], None]
) -> None:
    """Leave the ping out for a connection that was used just now.

    Should such a connection be gone all the same, then :func:`execute` has a
    second try.

    :param answered: is called after each ping that succeeded
    """
    dialect: Any = engine.dialect
    ping = dialect.do_ping
    used: dict[int, float] = {}

    def note(connection: Any, record: object) -> None:
        used[id(connection)] = time.monotonic()

    def forget(connection: Any, *details: object) -> None:
        used.pop(id(connection), None)

    def do_ping(connection: Any) -> bool:
        if time.monotonic() - used.get(id(connection), 0) < PAUSE:
            return True
        alive = bool(ping(connection))
        if alive:
            answered()
        return alive

    sa.event.listen(engine, "checkin", note)
    for event in ("connect", "close", "invalidate"):
        sa.event.listen(engine, event, forget)
    dialect.do_ping = do_ping


@dataclasses.dataclass(frozen=True)
class Answer:
    """The result of a statement.

    :ivar rows: of a SELECT
    :ivar changed: how many rows an UPDATE or DELETE was for
    :ivar key: the primary key of an INSERT
    """

    rows: list[Any]
    changed: int
    key: Any = None


class Prepared:
    """A SELECT of text columns that is run often.

    It is compiled once, and the cursor of the driver runs it, which takes a
    third less time than SQLAlchemy's result. What goes wrong is left to
    SQLAlchemy and oslo.db, which know what each error of a driver means.

    :ivar statement: the statement, for SQLAlchemy
    """

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self._compiled: dict[str, Any] = {}

    def rows(
        self, connection: sa.engine.Connection, values: dict[str, Any]
    ) -> Optional[list[Any]]:
        """Read the rows; None: it failed, and the connection is given up."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self.statement.compile(dialect=dialect)
            self._compiled[dialect.name] = compiled
        bound: Any = values
        if compiled.positional:
            bound = [values[name] for name in compiled.positiontup]
        try:
            cursor = connection.connection.cursor()
            dialect.do_execute(cursor, compiled.string, bound)
            rows = cursor.fetchall()
            cursor.close()
        except BaseException as error:
            # Part of an answer may be left in it, for the next statement.
            connection.invalidate()
            if not isinstance(error, Exception):
                raise
            LOG.debug("Statement is run again by SQLAlchemy: %s", error)
            return None
        return list(rows)


def execute(
    engine: sa.engine.Engine,
    statement: Any,
    values: Optional[dict[str, Any]] = None,
) -> Answer:
    """Run one statement, again after a deadlock or a lost connection.

    There is a second try only while it can end in good time: none after a
    server that did not answer.

    :raises oslo_db.exception.DBError: of whatever kind goes wrong;
        DBConnectionError: the database does not answer
    """
    options = engine.get_execution_options()

    def run() -> Answer:
        operation = options["current"].operation = watchdog.Operation()
        try:
            return _once(engine, statement, values)
        except (db_exc.DBDeadlock, db_exc.DBConnectionError):
            if operation.left() < TIMEOUT / 2:
                raise
            # Two that met in a deadlock shall not meet again.
            time.sleep(random.uniform(0, 0.1))  # noqa: S311
            return _once(engine, statement, values)
        except db_exc.DBError as error:
            if type(error) is db_exc.DBError and operation.left() <= 0:
                raise db_exc.DBConnectionError(error) from error
            raise
        finally:
            operation.done = True

    breaker = options["breaker"]
    return run() if breaker is None else breaker.run(run)


def _once(
    engine: sa.engine.Engine, statement: Any, values: Optional[dict[str, Any]]
) -> Answer:
    if isinstance(statement, Prepared):
        with _connect(engine) as connection:
            rows = statement.rows(connection, values or {})
        if rows is not None:
            return Answer(rows, 0)
        statement = statement.statement
    with _connect(engine) as connection:
        try:
            result: Any = connection.execute(statement, values or {})
            if statement.is_insert:
                return Answer([], 1, result.inserted_primary_key[0])
            if result.returns_rows:
                return Answer(list(result.all()), 0)
            return Answer([], result.rowcount)
        except Exception as error:
            if isinstance(error, db_exc.DBError) and (
                type(error) is not db_exc.DBError
            ):
                raise
            # Part of an answer may be left in it, for the next statement.
            connection.invalidate()
            raise db_exc.DBError(error) from error


def _connect(engine: sa.engine.Engine) -> sa.engine.Connection:
    try:
        return engine.connect()
    except Exception as error:
        # oslo.db does not know every way of not reaching a database, and
        # drivers raise anything when an answer is not what they expect.
        raise db_exc.DBConnectionError(error) from error
