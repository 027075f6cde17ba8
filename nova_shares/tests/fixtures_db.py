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

"""Databases for tests: one of its own for whoever asks.

A server that is not there is an error of the test, never a reason to skip.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid

from oslo_config import cfg
import sqlalchemy as sa

from nova_shares import conf as nova_shares_conf
from nova_shares import mapping
from nova_shares.db import migrations
from nova_shares.db import models
from nova_shares.db import store

MYSQL = os.environ.get(
    "NOVA_SHARES_TEST_MYSQL",
    "mysql+pymysql://nova_shares:nova_shares@127.0.0.1:3306/nova_shares",
)
POSTGRESQL = os.environ.get(
    "NOVA_SHARES_TEST_POSTGRESQL",
    "postgresql+psycopg2://nova_shares:nova_shares@127.0.0.1:5432/nova_shares",
)


def conf_for(url: str) -> cfg.ConfigOpts:
    """Make a configuration whose database is at ``url``."""
    conf = nova_shares_conf.load(files=[])
    conf.set_override("connection", url, "database")
    return conf


class Database:
    """An empty database; :meth:`drop` it when done.

    :ivar url: what [database] connection says of it
    :ivar admin: an engine that is the tests' own, committing by itself
    """

    url: str
    admin: sa.engine.Engine

    def conf(self) -> cfg.ConfigOpts:
        return conf_for(self.url)

    def synced(self) -> store.Store:
        """Make our tables, and a store over them."""
        migrations.sync(self.conf())
        return store.Store.from_conf(self.conf())

    def run(self, sql: str, **values: object) -> sa.engine.CursorResult:
        """Run a statement of the test's own."""
        with self.admin.connect() as connection:
            result = connection.execute(sa.text(sql), values)
            return result.all() if result.returns_rows else result.rowcount

    def clear(self) -> None:
        for table in (models.share_mappings, models.share_agents):
            self.run(f"DELETE FROM {table.name}")

    def drop(self) -> None:
        raise NotImplementedError


class Sqlite(Database):
    """A file that is gone afterwards."""

    def __init__(self) -> None:
        self._directory = tempfile.mkdtemp(prefix="nova-shares-test-")
        self.url = f"sqlite:///{self._directory}/nova_shares.db"
        self.admin = _admin(sa.engine.make_url(self.url))

    def drop(self) -> None:
        self.admin.dispose()
        shutil.rmtree(self._directory)


class Served(Database):
    """A database of a server."""

    server: str
    create = "CREATE DATABASE {}"
    drop_ = "DROP DATABASE {}"

    def __init__(self) -> None:
        self.name = f"nova_shares_test_{uuid.uuid4().hex[:12]}"
        self._on_server(self.create)
        url = sa.engine.make_url(self.server).set(database=self.name)
        self.url = url.render_as_string(hide_password=False)
        self.admin = _admin(url)

    def drop(self) -> None:
        self.admin.dispose()
        self._on_server(self.drop_)

    def _on_server(self, statement: str) -> None:
        engine = _admin(sa.engine.make_url(self.server))
        with engine.connect() as connection:
            connection.execute(sa.text(statement.format(self.name)))


class Mysql(Served):
    server = MYSQL

    def kill(self) -> None:
        """Kill every connection to the database, as a proxy might."""
        for row in self.run(
            "SELECT id FROM information_schema.processlist"
            " WHERE db = :name AND id != CONNECTION_ID()",
            name=self.name,
        ):
            self.run(f"KILL {row.id}")


class Postgresql(Served):
    server = POSTGRESQL
    drop_ = "DROP DATABASE {} WITH (FORCE)"

    def kill(self) -> None:
        """Kill every connection to the database, as a proxy might."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = :name AND pid != pg_backend_pid()",
            name=self.name,
        )


def _admin(url: sa.engine.URL) -> sa.engine.Engine:
    return sa.create_engine(
        url,
        future=True,
        isolation_level="AUTOCOMMIT",
        poolclass=sa.pool.NullPool,
    )


def new_mapping(**values: object) -> mapping.ShareMapping:
    """Make a mapping of a new share of a new server, but for ``values``."""
    share_id = str(uuid.uuid4())
    made = {
        "uuid": str(uuid.uuid4()),
        "instance_uuid": str(uuid.uuid4()),
        "project_id": "project",
        "host": "host-1",
        "share_id": share_id,
        "share_proto": "NFS",
        "export_location": "192.0.2.1:/shares/1",
        "tag": share_id,
    }
    return mapping.ShareMapping(**{**made, **values})
