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

"""Indexes by what operators list and audits look up."""

from __future__ import annotations

from alembic import op

revision = "8b52c7e40d19"
down_revision = "3d1f0b6a9c27"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("project_id", "access_id"):
        op.create_index(
            f"share_mappings_{column}_idx", "share_mappings", [column]
        )
