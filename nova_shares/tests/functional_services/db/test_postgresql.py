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

"""The database layer on PostgreSQL."""

from __future__ import annotations

import unittest

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional.db import cases as migration_cases
from nova_shares.tests.functional_services.db import cases as server_cases
from nova_shares.tests.unit.db import cases


class ApiTest(cases.ApiCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql


class AgentTest(cases.AgentCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql


class OperatorTest(cases.OperatorCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql


class CrowdTest(cases.CrowdCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql


class ServerTest(server_cases.ServerCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql
    long_statement = "SELECT pg_sleep(20)"


class MigrationTest(migration_cases.MigrationCases, unittest.TestCase):
    make_database = fixtures_db.Postgresql
