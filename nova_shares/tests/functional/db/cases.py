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

"""Making and upgrading the tables: cases for every database."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from alembic import autogenerate
from alembic.runtime import migration
from oslo_db import exception as db_exc
import sqlalchemy as sa

from nova_shares import exception
from nova_shares import mapping
from nova_shares.db import engine
from nova_shares.db import migrations
from nova_shares.db import models
from nova_shares.db import store
from nova_shares.tests import fixtures_db

#: The command, of the environment in which the tests run.
MANAGE = os.path.join(os.path.dirname(sys.executable), "nova-shares-manage")


class MigrationCases:
    """Each test has a database of its own, empty."""

    make_database = fixtures_db.Sqlite

    def setUp(self):
        super().setUp()
        self.database = self.make_database()
        self.addCleanup(self.database.drop)
        self.conf = self.database.conf()

    def tables(self):
        return set(sa.inspect(self.database.admin).get_table_names())

    def test_the_migrations_make_what_the_models_say(self):
        migrations.sync(self.conf)
        with self.database.admin.connect() as connection:
            context = migration.MigrationContext.configure(
                connection, opts={"compare_type": True}
            )
            self.assertEqual(
                [], autogenerate.compare_metadata(context, models.METADATA)
            )

    def test_the_comparison_sees_a_difference(self):
        migrations.sync(self.conf)
        self.database.run("DROP INDEX share_mappings_share_id_idx" + self.on)
        with self.database.admin.connect() as connection:
            context = migration.MigrationContext.configure(connection)
            found = autogenerate.compare_metadata(context, models.METADATA)
        self.assertEqual(["add_index"], [change[0] for change in found])

    #: What "DROP INDEX name" needs more.
    on = ""

    def test_sync_again_changes_nothing(self):
        revision = migrations.sync(self.conf)
        self.assertEqual((revision, revision), migrations.version(self.conf))
        name = store.Store.from_conf(self.conf).database_id()
        self.assertEqual(revision, migrations.sync(self.conf))
        self.assertEqual(name, store.Store.from_conf(self.conf).database_id())

    def test_a_database_with_rows_of_the_first_version(self):
        migrations.sync(self.conf)
        made = store.Store.from_conf(self.conf).insert(
            fixtures_db.new_mapping()
        )
        for column in ("project_id", "access_id"):
            self.database.run(
                f"DROP INDEX share_mappings_{column}_idx" + self.on
            )
        for table, column in (
            ("share_agents", "heartbeats"),
            ("database_identity", "restores"),
        ):
            self.database.run(f"ALTER TABLE {table} DROP COLUMN {column}")
        self.database.run(
            "UPDATE alembic_version SET version_num = '3d1f0b6a9c27'"
        )
        self.test_the_migrations_make_what_the_models_say()
        self.assertEqual(
            [made.uuid],
            [m.uuid for m in store.Store.from_conf(self.conf).each()],
        )

    def test_before_an_upgrade_the_command_is_named(self):
        made = self.database.synced()
        made.claim_host("host", "boot", mapping.Capabilities())
        self.database.run("ALTER TABLE share_agents DROP COLUMN heartbeats")
        for statement in (
            made.agents,
            lambda: made.heartbeat("host", "boot", mapping.Capabilities()),
        ):
            with self.assertRaises(db_exc.DBError) as caught:
                statement()
            self.assertIn(
                "earlier release; run nova-shares-manage db sync",
                engine.explain(caught.exception),
            )

    def test_every_database_has_an_id_of_its_own(self):
        other = self.make_database()
        self.addCleanup(other.drop)
        self.assertNotEqual(
            self.database.synced().database_id(),
            other.synced().database_id(),
        )

    def test_version_of_an_empty_database(self):
        current, newest = migrations.version(self.conf)
        self.assertIsNone(current)
        self.assertEqual(newest, migrations.sync(self.conf))

    def test_a_database_of_another_alembic_is_refused(self):
        self.database.run(
            "CREATE TABLE alembic_version (version_num VARCHAR(32))"
        )
        self.database.run(
            "INSERT INTO alembic_version VALUES ('16f1fbcab42b')"
        )
        self.assert_refused("16f1fbcab42b")
        self.assertEqual({"alembic_version"}, self.tables())

    def test_a_newer_database_of_ours_is_refused(self):
        migrations.sync(self.conf)
        self.database.run("UPDATE alembic_version SET version_num = 'newer'")
        self.assert_refused("newer")

    def test_a_database_with_tables_of_others_is_refused(self):
        self.database.run("CREATE TABLE instances (id INTEGER)")
        self.assert_refused("instances")
        self.assertEqual({"instances"}, self.tables())

    def assert_refused(self, why):
        with self.assertRaises(exception.ForeignDatabase) as caught:
            migrations.sync(self.conf)
        self.assertIn(why, caught.exception.data["found"])

    def test_of_several_syncs_at_once_one_does_the_work(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "nova-shares.conf")
            with open(path, "w") as file:
                file.write(f"[database]\nconnection = {self.database.url}\n")
            command = [MANAGE, "--config-file", path, "db", "sync"]
            started = [
                subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for _ in range(3)
            ]
            ended = [
                (*p.communicate(timeout=60), p.returncode) for p in started
            ]
        self.assertEqual([0] * 3, [e[2] for e in ended], ended)
        self.assertEqual(1, len({e[0] for e in ended}), ended)
        [[count]] = self.database.run("SELECT COUNT(*) FROM database_identity")
        self.assertEqual(1, count)
