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

"""The first tables: share mappings, agents, the database's own id."""

from __future__ import annotations

from typing import Any
import uuid

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = "3d1f0b6a9c27"
down_revision = None
branch_labels = None
depends_on = None


def _exact(length: int) -> Any:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


def _host() -> Any:
    return sa.String(255).with_variant(
        mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"),
        "mysql",
    )


def _time() -> Any:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")


def upgrade() -> None:
    _share_mappings()
    op.create_table(
        "share_agents",
        sa.Column("host", _host(), primary_key=True),
        sa.Column("boot_id", _exact(36), nullable=False),
        sa.Column("last_heartbeat", _time(), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    identity = op.create_table(
        "database_identity",
        sa.Column(
            "id", sa.SmallInteger(), primary_key=True, autoincrement=False
        ),
        sa.Column("uuid", _exact(36), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.bulk_insert(identity, [{"id": 1, "uuid": str(uuid.uuid4())}])


def _share_mappings() -> None:
    op.create_table(
        "share_mappings",
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
        sa.Column("fault_message", sa.String(1000)),
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
            "instance_uuid",
            "tag",
            name="uniq_share_mappings0instance_uuid0tag",
        ),
        sa.Index("share_mappings_host_status_idx", "host", "status"),
        sa.Index("share_mappings_share_id_idx", "share_id"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
