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

"""The database layer on MariaDB."""

from __future__ import annotations

import unittest

from nova_shares.db import migrations
from nova_shares.db import models
from nova_shares.tests import fixtures_db
from nova_shares.tests.functional.db import cases as migration_cases
from nova_shares.tests.functional_services.db import cases as server_cases
from nova_shares.tests.unit.db import cases


class ApiTest(cases.ApiCases, unittest.TestCase):
    make_database = fixtures_db.Mysql


class AgentTest(cases.AgentCases, unittest.TestCase):
    make_database = fixtures_db.Mysql


class OperatorTest(cases.OperatorCases, unittest.TestCase):
    make_database = fixtures_db.Mysql


class CrowdTest(cases.CrowdCases, unittest.TestCase):
    make_database = fixtures_db.Mysql


class ServerTest(server_cases.ServerCases, unittest.TestCase):
    make_database = fixtures_db.Mysql
    long_statement = "SELECT SLEEP(20)"

    def test_a_list_is_one_statement_for_the_server_too(self):
        made = self.store.insert(cases.new())
        self.store.ping()
        [[thread]] = self.store._execute(
            cases.sa.text("SELECT CONNECTION_ID()")
        ).rows
        logged = self.general_log(
            thread, lambda: self.store.list_shown(made.instance_uuid)
        )
        self.assertEqual(1, len(logged), logged)
        self.assertIn("SELECT share_mappings", logged[0])

    def general_log(self, thread, work):
        """Collect what the server was asked for by a connection."""
        # The log is the server's: other runs turn it on and off too.
        lock = "SELECT GET_LOCK('nova_shares_general_log', 60)"
        with self.database.admin.connect() as connection:
            [[locked]] = connection.execute(cases.sa.text(lock))
            self.assertEqual(1, locked)
            self.database.run("SET GLOBAL log_output = 'TABLE'")
            self.database.run("SET GLOBAL general_log = 1")
            try:
                work()
            finally:
                self.database.run("SET GLOBAL general_log = 0")
        return [
            str(row.argument)
            for row in self.database.run(
                "SELECT argument FROM mysql.general_log"
                " WHERE thread_id = :thread AND command_type = 'Query'"
                " AND event_time > NOW() - INTERVAL 1 MINUTE"
                " ORDER BY event_time",
                thread=thread,
            )
        ]

    def test_the_sql_mode_is_the_configured_one(self):
        def mode(conf):
            made = server_cases.store.Store.from_conf(conf)
            self.addCleanup(made._engine.dispose)
            [[found]] = made._execute(
                cases.sa.text("SELECT @@SESSION.sql_mode")
            ).rows
            return found

        self.assertIn("TRADITIONAL", mode(self.database.conf()))
        other = self.database.conf()
        other.set_override("mysql_sql_mode", "ANSI", "database")
        self.assertIn("ANSI_QUOTES", mode(other))


class MigrationTest(migration_cases.MigrationCases, unittest.TestCase):
    make_database = fixtures_db.Mysql
    on = " ON share_mappings"

    def test_the_tables_are_the_same_to_the_letter(self):
        other = fixtures_db.Mysql()
        self.addCleanup(other.drop)
        migrations.sync(self.conf)
        models.METADATA.create_all(other.admin)
        for table in models.METADATA.tables:
            # The order of the indexes is chance.
            migrated, modelled = (
                sorted(
                    line.rstrip(",")
                    for line in database.run(f"SHOW CREATE TABLE {table}")[0][
                        1
                    ].split("\n")
                )
                for database in (self.database, other)
            )
            self.assertEqual(modelled, migrated)
