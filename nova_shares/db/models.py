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


"""Our tables, and the database's clock."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext import compiler
from sqlalchemy.sql import functions

#: The longest message of a fault that is kept, in characters.
MAX_MESSAGE = 1000

METADATA = sa.MetaData()


def _exact(length: int) -> sa.types.TypeEngine[str]:
    """Make the type of an id: compared byte for byte on every database."""
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


def _host() -> sa.types.TypeEngine[str]:
    return sa.String(255).with_variant(
        mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"),
        "mysql",
    )


def _time() -> sa.types.TypeEngine[Any]:
    """Make the type of a moment: UTC without a zone, in microseconds."""
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")


_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}

share_mappings = sa.Table(
    "share_mappings",
    METADATA,
    sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("uuid", _exact(36), nullable=False),
    sa.Column("instance_uuid", _exact(36), nullable=False),
    sa.Column("project_id", sa.String(255), nullable=False),
    sa.Column("user_id", sa.String(255)),
    sa.Column("request_id", sa.String(255)),
    sa.Column("host", _host(), nullable=False),
    sa.Column("share_id", _exact(36), nullable=False),
    sa.Column("share_proto", sa.String(16), nullable=False),
    sa.Column("export_location", sa.Text(), nullable=False),
    sa.Column("tag", _exact(255), nullable=False),
    sa.Column("access_level", sa.String(16), nullable=False),
    sa.Column("access_id", _exact(36)),
    sa.Column("wanted", sa.String(16), nullable=False),
    sa.Column("generation", sa.Integer(), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("fault_step", sa.String(64)),
    sa.Column("fault_message", sa.String(MAX_MESSAGE)),
    sa.Column("fault_at", _time()),
    sa.Column("attempts", sa.Integer(), nullable=False),
    sa.Column("next_try", _time()),
    sa.Column("created_at", _time(), nullable=False),
    sa.Column("updated_at", _time()),
    sa.UniqueConstraint("uuid", name="uniq_share_mappings0uuid"),
    sa.UniqueConstraint(
        "instance_uuid",
        "share_id",
        name="uniq_share_mappings0instance_uuid0share_id",
    ),
    sa.UniqueConstraint(
        "instance_uuid", "tag", name="uniq_share_mappings0instance_uuid0tag"
    ),
    # The unique constraints are the index by server.
    sa.Index("share_mappings_host_status_idx", "host", "status"),
    sa.Index("share_mappings_share_id_idx", "share_id"),
    sa.Index("share_mappings_project_id_idx", "project_id"),
    sa.Index("share_mappings_access_id_idx", "access_id"),
    **_MYSQL,
)

share_agents = sa.Table(
    "share_agents",
    METADATA,
    sa.Column("host", _host(), primary_key=True),
    sa.Column("boot_id", _exact(36), nullable=False),
    sa.Column("last_heartbeat", _time(), nullable=False),
    sa.Column("capabilities", sa.Text(), nullable=False),
    # A database that was restored from a backup has a lower one than the
    # host remembers.
    sa.Column(
        "heartbeats", sa.BigInteger(), nullable=False, server_default="0"
    ),
    **_MYSQL,
)

#: One row, written by the first ``db sync``: it names this database.
database_identity = sa.Table(
    "database_identity",
    METADATA,
    sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
    sa.Column("uuid", _exact(36), nullable=False),
    # How often an operator has confirmed that it was restored.
    sa.Column("restores", sa.Integer(), nullable=False, server_default="0"),
    **_MYSQL,
)


class utcnow(functions.FunctionElement[Any]):
    """The database's own time in UTC, ``utcnow(microseconds)`` from now.

    Hosts disagree about the time; what is compared later is written and
    judged by this one clock.
    """

    type = sa.DateTime()
    inherit_cache = True


def now_and(seconds: float) -> utcnow:
    """Make the database's time in so many seconds."""
    return utcnow(sa.literal(round(seconds * 1000000), sa.BigInteger()))


@compiler.compiles(utcnow, "mysql")
def _utcnow_mysql(element: utcnow, compiler_: Any, **kw: Any) -> str:
    delay = compiler_.process(element.clauses, **kw) or "0"
    return f"TIMESTAMPADD(MICROSECOND, {delay}, UTC_TIMESTAMP(6))"


@compiler.compiles(utcnow, "postgresql")
def _utcnow_postgresql(element: utcnow, compiler_: Any, **kw: Any) -> str:
    delay = compiler_.process(element.clauses, **kw) or "0"
    return (
        f"(timezone('utc', statement_timestamp())"
        f" + {delay} * interval '1 microsecond')"
    )


@compiler.compiles(utcnow, "sqlite")
def _utcnow_sqlite(element: utcnow, compiler_: Any, **kw: Any) -> str:
    # SQLite knows milliseconds; SQLAlchemy reads six digits.
    delay = compiler_.process(element.clauses, **kw) or "0"
    return (
        "(strftime('%Y-%m-%d %H:%M:%f', 'now',"
        f" ({delay} / 1000000.0) || ' seconds') || '000')"
    )
