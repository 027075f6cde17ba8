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

"""What the store does when the database's server misbehaves."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from unittest import mock

from oslo_db import exception as db_exc
import sqlalchemy as sa

from nova_shares.db import breaker
from nova_shares.db import engine
from nova_shares.db import store
from nova_shares.tests import fixtures_db
from nova_shares.tests.unit.db import cases


class ServerCases(cases.Base):
    """Cases for databases that have a server of their own."""

    def test_a_killed_connection_is_healed(self):
        made = self.put()
        for _ in range(3):
            self.database.kill()
            self.assertEqual(made, self.store.get(made.uuid))
        self.database.kill()
        self.store.want_detached(made.uuid)

    def behind_a_proxy(self):
        proxy = Proxy(sa.engine.make_url(self.database.url))
        self.addCleanup(proxy.close)
        behind = store.Store.from_conf(fixtures_db.conf_for(proxy.url))
        self.addCleanup(behind._engine.dispose)
        return proxy, behind

    def test_a_server_that_falls_silent_costs_two_seconds(self):
        made = self.put()
        proxy, behind = self.behind_a_proxy()
        self.assertEqual(made, behind.get(made.uuid))
        proxy.silent.set()
        for _ in range(2):
            began = time.monotonic()
            with self.assertRaises(db_exc.DBConnectionError):
                behind.get(made.uuid)
            self.assertLess(time.monotonic() - began, 3)
        proxy.silent.clear()
        self.assertEqual(made, behind.get(made.uuid))

    def test_a_server_that_is_slow_with_each_answer_costs_two_seconds(self):
        made = self.put()
        proxy, behind = self.behind_a_proxy()

        def costs_two_seconds():
            began = time.monotonic()
            with self.assertRaises(db_exc.DBConnectionError):
                behind.get(made.uuid)
            self.assertLess(time.monotonic() - began, 2.5)

        # To connect takes some of them, a ping and a statement one each.
        proxy.delay = 0.4
        costs_two_seconds()
        proxy.delay = 0
        self.assertEqual(made, behind.get(made.uuid))
        time.sleep(engine.PAUSE)
        proxy.delay = 1.5
        costs_two_seconds()
        proxy.delay = 0
        self.assertEqual(made, behind.get(made.uuid))

    def test_a_statement_that_is_never_answered_costs_two_seconds(self):
        began = time.monotonic()
        with self.assertRaises(db_exc.DBError):
            self.store._execute(sa.text(self.long_statement))
        self.assertLess(time.monotonic() - began, 3)
        self.store.ping()

    def test_a_lost_connection_in_mid_statement_is_tried_again(self):
        killed = []

        def kill(connection, cursor, statement, *rest):
            if not killed:
                killed.append(statement)
                self.database.kill()

        made = self.put()
        self.listen("before_cursor_execute", kill)
        self.assertEqual(made, self.store.get(made.uuid))
        self.assertEqual(1, len(killed))

    def test_a_connect_is_an_answer_before_the_server_is_known(self):
        seen = []

        class Noted(breaker.Breaker):
            def answered(self):
                seen.append("answered")

        made = engine.create(self.database.conf(), Noted())
        self.addCleanup(made.dispose)
        initialize = made.dialect.initialize

        def ask(connection):
            seen.append("asked")
            initialize(connection)

        with mock.patch.object(made.dialect, "initialize", ask):
            store.Store(made).ping()
        self.assertEqual(["answered", "asked", "answered"], seen)

    def test_an_unknown_database(self):
        url = sa.engine.make_url(self.database.url).set(database="no_such")
        missing = store.Store.from_conf(
            fixtures_db.conf_for(url.render_as_string(hide_password=False))
        )
        with self.assertRaises(db_exc.DBError):
            missing.ping()


class Proxy:
    """Stands between a store and a server, and falls silent when told to.

    It goes on accepting then, as a server does that is stopped.

    :ivar delay: seconds that each piece of an answer is held back
    """

    delay = 0.0

    def __init__(self, url: sa.engine.URL) -> None:
        self.silent = threading.Event()
        self._server = (url.host, url.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.set(
            host="127.0.0.1", port=self._listener.getsockname()[1]
        ).render_as_string(hide_password=False)
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closing.is_set():
                client = self._listener.accept()[0]
                thread = threading.Thread(
                    target=self._serve, args=(client,), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(self._server) as server,
            selectors.DefaultSelector() as selector,
        ):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while not self._closing.is_set():
                ready = selector.select(0.1)
                while self.silent.is_set() and not self._closing.is_set():
                    time.sleep(0.05)
                for key, _ in ready:
                    data = key.fileobj.recv(65536)
                    if not data:
                        return
                    if key.fileobj is server:
                        time.sleep(self.delay)
                    key.data.sendall(data)
