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
from unittest import mock

from oslo_config import cfg
from oslo_db import exception as db_exc

from nova_shares import conf as nova_shares_conf
from nova_shares.db import breaker
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


class CrowdTest(unittest.TestCase):
    """Of many operations of the API, one waits for a database."""

    def make(self, url):
        made = store.Store.from_conf(
            fixtures_db.conf_for(url), breaker.Breaker()
        )
        self.addCleanup(made._engine.dispose)
        return made

    def fails(self, made, done):
        with self.assertRaises(db_exc.DBConnectionError):
            made.list_for_server("server")
        done.append(time.monotonic())

    def start(self, made, done, count):
        threads = [
            threading.Thread(target=self.fails, args=(made, done))
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        return threads

    def crowd(self, made):
        """Give the first, and give it 30 beside it."""
        first, others = [], []
        began = time.monotonic()
        threads = self.start(made, first, 1)
        threads += self.start(made, others, 30)
        for thread in threads[1:]:
            thread.join(60)
        return threads[0], first, others, began

    def test_a_silent_database(self):
        for driver in DRIVERS:
            with silent_server() as (port, accepted):
                made = self.make(f"{driver}://u:p@127.0.0.1:{port}/d")
                waiting, first, others, began = self.crowd(made)
                waiting.join(60)
                self.assertEqual(30, len(others))
                self.assertLess(max(others), first[0])
                self.assertLess(first[0] - began, 3)
                next_one = []
                self.fails(made, next_one)
                self.assertLess(next_one[0] - first[0], 1)
                self.assertEqual(1, len(accepted))

    def test_a_resolver_that_hangs(self):
        hangs, asked = threading.Event(), []

        def getaddrinfo(*args, **kwargs):
            asked.append(args)
            hangs.wait(60)
            raise socket.gaierror(-3, "Temporary failure")

        made = self.make("mysql+pymysql://u:p@database.example/d")
        with mock.patch("socket.getaddrinfo", getaddrinfo):
            waiting, first, others, _ = self.crowd(made)
            # The others have failed while the first still waits.
            self.assertEqual((0, 30, 1), (len(first), len(others), len(asked)))
            # So does what comes when the first has been out for long.
            for _ in range(3):
                self.fails(made, others)
            self.assertEqual([], first)
            hangs.set()
            waiting.join(60)
            # What comes after it does not ask the resolver again.
            count = len(asked)
            self.fails(made, others)
            self.assertEqual((1, count), (len(first), len(asked)))

    def test_without_a_breaker_one_is_held_by_the_resolver(self):
        """An agent's threads do not hang in getaddrinfo, all but one."""
        hangs, asked = threading.Event(), []

        def getaddrinfo(*args, **kwargs):
            asked.append(args)
            hangs.wait(60)
            raise socket.gaierror(-3, "Temporary failure")

        made = store.Store.from_conf(
            fixtures_db.conf_for("mysql+pymysql://u:p@database.example/d")
        )
        with mock.patch("socket.getaddrinfo", getaddrinfo):
            waiting, first, others, _ = self.crowd(made)
            self.assertEqual((0, 30, 1), (len(first), len(others), len(asked)))
            hangs.set()
            waiting.join(60)

    def test_without_a_breaker_each_operation_tries(self):
        with silent_server() as (port, accepted):
            made = store.Store.from_conf(
                fixtures_db.conf_for(f"mysql://u:p@127.0.0.1:{port}/d")
            )
            for _ in range(2):
                self.fails(made, [])
            self.assertEqual(2, len(accepted))


class GarbageTest(unittest.TestCase):
    """Whatever a server says, the error is one of the database."""

    #: A greeting of MySQL's length but of nothing that it has, an error
    #: without an end, the answers of PostgreSQL that begin a session, and
    #: what is nobody's.
    ANSWERS = (
        b"\x4a\0\0\0\x0a" + bytes(range(180, 253)) * 3,
        b"\x4a\0\0\0\x0a5.5.5\0" + bytes(80),
        b"\x03\0\0\0\x0aab",
        b"\x4a\0\0\0\xff" + b"\xfe" * 74,
        b"\x05\0\0\0\x0a5.5\0",
        b"N" + b"\xb1" * 50,
        b"S" + b"\0" * 50,
        b"R\0\0\0\x08\0\0\0\0" + b"\xe9" * 60,
        b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I" + b"T\xff\xff\xff\xff" * 9,
        b"E\0\0\0\x20S\xff\xfe\0" + b"\x91" * 60,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xb1\xfd\x62\xa9" * 40,
        b"",
    )

    def test_garbage(self):
        for driver in DRIVERS:
            for answer in self.ANSWERS:
                with garbage_server(answer) as port:
                    made = store.Store.from_conf(
                        fixtures_db.conf_for(
                            f"{driver}://u:p@127.0.0.1:{port}/d"
                        )
                    )
                    with self.assertRaises(
                        db_exc.DBConnectionError, msg=(driver, answer)
                    ):
                        made.ping()
                    made._engine.dispose()


@contextlib.contextmanager
def garbage_server(answer):
    """Listen, accept, and say the same to everything."""

    def accept():
        with contextlib.suppress(OSError):
            while True:
                serve(listener.accept()[0])

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            connection.sendall(answer)
            while answer and connection.recv(4096):
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


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
