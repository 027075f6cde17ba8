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

"""Counters by which an agent sees that the database was restored."""

from __future__ import annotations

from alembic import op
import sqlalchemy as sa

revision = "c417a9d2f603"
down_revision = "8b52c7e40d19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "share_agents",
        sa.Column(
            "heartbeats", sa.BigInteger(), nullable=False, server_default="0"
        ),
    )
    op.add_column(
        "database_identity",
        sa.Column(
            "restores", sa.Integer(), nullable=False, server_default="0"
        ),
    )
