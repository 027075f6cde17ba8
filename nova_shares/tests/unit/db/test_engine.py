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

"""How the engine is made, and how long a database may be silent."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import unittest

from oslo_config import cfg
from oslo_db import exception as db_exc

from nova_shares import conf as nova_shares_conf
from nova_shares.db import engine
from nova_shares.db import migrations
from nova_shares.db import store
from nova_shares.tests import fixtures_db

DRIVERS = ("mysql+pymysql", "postgresql+psycopg2")


class UrlTest(unittest.TestCase):
    def parse(self, url):
        return engine.parse_url(fixtures_db.conf_for(url))

    def test_the_driver_is_one_of_ours(self):
        for given, meant in (
            ("sqlite:////tmp/x", "sqlite"),
            ("mysql://u:p@h/d", "mysql+pymysql"),
            ("mariadb://u:p@h/d", "mysql+pymysql"),
            ("mysql+pymysql://u:p@h/d", "mysql+pymysql"),
            ("postgresql://u:p@h/d", "postgresql+psycopg2"),
            ("postgresql+psycopg2://u:p@h/d", "postgresql+psycopg2"),
        ):
            self.assertEqual(meant, self.parse(given).drivername)

    def test_what_the_operator_adds_is_kept(self):
        url = self.parse("mysql://u:p@h:3307/d?charset=utf8mb4")
        self.assertEqual("utf8mb4", url.query["charset"])
        self.assertEqual(("p", 3307), (url.password, url.port))

    def test_no_url(self):
        conf = nova_shares_conf.load(files=[])
        for make in (engine.parse_url, store.Store.from_conf, migrations.sync):
            with self.assertRaises(cfg.RequiredOptError):
                make(conf)

    def test_what_is_no_use_is_refused_without_its_password(self):
        for url in (
            "secret",
            "mysql+pymysql:/u:secret@h/d",
            "mysql://u:secret@h:port/d",
            "mysql+mysqldb://u:secret@h/d",
            "oracle://u:secret@h/d",
            "sqlite://",
            "sqlite:///:memory:",
        ):
            with self.assertRaises(cfg.ConfigFileValueError) as caught:
                self.parse(url)
            self.assertNotIn("secret", str(caught.exception))
            self.assertIn("[database] connection", str(caught.exception))

    def test_making_a_store_connects_nowhere(self):
        with silent_server() as (port, accepted):
            for driver in DRIVERS:
                store.Store.from_conf(
                    fixtures_db.conf_for(f"{driver}://u:p@127.0.0.1:{port}/d")
                )
            self.assertEqual([], accepted)


class BudgetTest(unittest.TestCase):
    """A database that is not there costs at most some two seconds."""

    def fail_within(self, seconds, url):
        made = store.Store.from_conf(fixtures_db.conf_for(url))
        self.addCleanup(made._engine.dispose)
        began = time.monotonic()
        with self.assertRaises(db_exc.DBConnectionError) as caught:
            made.list_for_server("server")
        self.assertLess(time.monotonic() - began, seconds)
        self.assertNotIn("secret", str(caught.exception))

    def test_refused(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            for driver in DRIVERS:
                self.fail_within(1, f"{driver}://u:secret@127.0.0.1:{port}/d")

    def test_accepted_and_silent(self):
        with silent_server() as (port, accepted):
            for driver in DRIVERS:
                self.fail_within(3, f"{driver}://u:secret@127.0.0.1:{port}/d")
            # A second try would have been in vain.
            self.assertEqual(len(DRIVERS), len(accepted))

    def test_accepted_and_never_done(self):
        def trickle():
            # A packet of 64 bytes: no wait for the next one is long.
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                for byte in b"\x40" + bytes(60):
                    connection.send(bytes([byte]))
                    time.sleep(0.1)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=trickle, daemon=True).start()
            port = listener.getsockname()[1]
            self.fail_within(3, f"mysql+pymysql://u:secret@127.0.0.1:{port}/d")

    def test_nothing_is_free(self):
        database = fixtures_db.Sqlite()
        self.addCleanup(database.drop)
        conf = database.conf()
        conf.set_override("max_pool_size", 1, "database")
        conf.set_override("max_overflow", 0, "database")
        migrations.sync(conf)
        made = store.Store.from_conf(conf)
        self.addCleanup(made._engine.dispose)
        with made._engine.connect():
            began = time.monotonic()
            with self.assertRaises(db_exc.DBConnectionError):
                made.ping()
            self.assertLess(time.monotonic() - began, 3)
        made.ping()

    def test_no_tables(self):
        database = fixtures_db.Sqlite()
        self.addCleanup(database.drop)
        made = store.Store.from_conf(database.conf())
        self.addCleanup(made._engine.dispose)
        with self.assertRaises(db_exc.DBError):
            made.list_for_server("server")


@contextlib.contextmanager
def silent_server():
    """Listen, accept and never say a word."""
    accepted = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], accepted
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in accepted:
                connection.close()
