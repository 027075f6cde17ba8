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

"""Making and upgrading the tables on SQLite."""

from __future__ import annotations

import unittest

from oslo_db import exception as db_exc

from nova_shares.db import migrations
from nova_shares.tests.functional.db import cases


class MigrationTest(cases.MigrationCases, unittest.TestCase):
    def test_a_sync_that_fails_leaves_nothing(self):
        # A view of this name is in the way of the last table.
        self.database.run("CREATE VIEW database_identity AS SELECT 1")
        with self.assertRaises(db_exc.DBError):
            migrations.sync(self.conf)
        self.assertEqual(set(), self.tables())
