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

"""Bring the database to the tables that this release has.

The revisions in ``versions/`` are what has been released: a change of
:mod:`nova_shares.db.models` is a new revision, never a change of an old one.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
from typing import Any
from typing import Optional

from alembic import command
from alembic import config as alembic_config
from alembic import script
from alembic.runtime import migration
from oslo_config import cfg
from oslo_db import exception as db_exc
import sqlalchemy as sa

from nova_shares import exception
from nova_shares.db import engine as db_engine
from nova_shares.db import watchdog

#: Seconds that one sync waits for another one to end.
_WAIT = 60


def sync(conf: cfg.ConfigOpts) -> str:
    """Bring the database to the newest revision, and name it.

    Syncing again changes nothing; of several at once one does the work.

    :raises nova_shares.exception.ForeignDatabase: the database is another
        program's, or a newer release's; it is left as it is
    :raises oslo_db.exception.DBError: of whatever else goes wrong
    """
    with _errors(), _alone(db_engine.parse_url(conf)) as connection:
        alembic = _config(connection)
        _check_ours(connection, alembic)
        command.upgrade(alembic, "head")
        return _current(connection) or ""


def version(conf: cfg.ConfigOpts) -> tuple[Optional[str], str]:
    """Tell the revision that the database has, and the newest one.

    :raises oslo_db.exception.DBError: of whatever goes wrong
    """
    engine = _engine(db_engine.parse_url(conf))
    with _errors(), engine.connect() as connection:
        newest = _scripts(_config(connection)).get_current_head()
        return _current(connection), newest or ""


def _current(connection: sa.engine.Connection) -> Optional[str]:
    return migration.MigrationContext.configure(
        connection
    ).get_current_revision()


def _config(connection: sa.engine.Connection) -> alembic_config.Config:
    config = alembic_config.Config()
    here = os.path.dirname(os.path.abspath(__file__))
    config.set_main_option("script_location", here.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _scripts(config: alembic_config.Config) -> script.ScriptDirectory:
    return script.ScriptDirectory.from_config(config)


def _check_ours(
    connection: sa.engine.Connection, config: alembic_config.Config
) -> None:
    """Refuse a database that is not ours to change."""
    context = migration.MigrationContext.configure(connection)
    found = set(context.get_current_heads())
    ours = {entry.revision for entry in _scripts(config).walk_revisions()}
    if found - ours:
        raise exception.ForeignDatabase(
            found=f"the revision {', '.join(sorted(found - ours))}"
        )
    tables = set(sa.inspect(connection).get_table_names())
    tables.discard("alembic_version")
    if tables and not found:
        few = sorted(tables)[:3]
        raise exception.ForeignDatabase(
            found=f"tables and no revision: {', '.join(few)}"
            + (", ..." if len(tables) > len(few) else "")
        )


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Raise what SQLAlchemy and oslo.db leave as errors of oslo.db."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise db_exc.DBError(error) from error


def _engine(url: sa.engine.URL) -> sa.engine.Engine:
    """Make an engine with transactions, that waits for long statements."""
    patience = {
        "sqlite": {"timeout": _WAIT},
        "mysql+pymysql": {
            "connect_timeout": watchdog.TIMEOUT,
            "read_timeout": 2 * _WAIT,
        },
        "postgresql+psycopg2": {"connect_timeout": watchdog.TIMEOUT},
    }
    return db_engine.make(
        url,
        poolclass=sa.pool.NullPool,
        connect_args=patience[url.drivername],
    )


@contextlib.contextmanager
def _alone(url: sa.engine.URL) -> Iterator[sa.engine.Connection]:
    """Connect, and keep every other sync out until this one is done."""
    engine = _engine(url)
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _no_implicit_transactions)
        sa.event.listen(engine, "begin", _begin_immediately)
    with engine.begin() as connection:
        if url.drivername == "mysql+pymysql":
            # Locks of this kind are the server's, not the database's. It is
            # given up with the connection.
            got = connection.exec_driver_sql(
                "SELECT GET_LOCK(MD5(CONCAT('nova_shares', DATABASE())),"
                f" {_WAIT})"
            ).scalar()
            if not got:
                raise db_exc.DBError("another sync is under way")
        elif url.drivername == "postgresql+psycopg2":
            connection.exec_driver_sql(f"SET lock_timeout = '{_WAIT}s'")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(297)")
        yield connection


def _no_implicit_transactions(connection: Any, record: object) -> None:
    """Have pysqlite begin when it is told to, so that DDL rolls back too."""
    connection.isolation_level = None


def _begin_immediately(connection: sa.engine.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
