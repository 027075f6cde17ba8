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

"""API, agent, broker and database killed at once, and started in any order.

They are killed in the middle of an attach. The database is a MariaDB of the
test's own. The broker is Manila's too: it is killed as the way to RabbitMQ,
whose queues and messages are deleted meanwhile.

NOVA_SHARES_TEST_ORDERS: how many of the 24 orders; default: 2.
"""

import itertools
import os
import subprocess
import sys
import threading
import time

import requests
import sqlalchemy as sa

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base
from nova_shares.tests.functional_manila import test_kill
from nova_shares.tests.functional_services import processes

PARTS = ("api", "agent", "broker", "database")
ORDERS = sorted(
    itertools.permutations(PARTS),
    # So that the first two are unlike.
    key=lambda order: (order not in (PARTS, PARTS[::-1]), order),
)
COUNT = int(os.environ.get("NOVA_SHARES_TEST_ORDERS", 2))
#: Below the ports that the system gives to clients.
BROKER, DATABASE, API = 25673, 23306, 23300
VHOST = "ns_manila"
#: When they are killed, by Manila's request to grant access: it does not
#: arrive, it goes on without anybody who waits, its answer does not arrive.
MOMENTS = ("lost", "alone", "unanswered")
_LIMIT = 60


class MariaDB:
    """A server of its own, which may be killed."""

    def __init__(self, directory):
        self._directory = os.path.join(directory, "mariadb")
        self._process = None
        self._data = f"--datadir={self._directory}"
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", "--user=root"),
                *(self._data, "--skip-test-db"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.start()

    def start(self):
        self._process = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                "--user=root",
                self._data,
                f"--socket={self._directory}/socket",
                "--bind-address=127.0.0.1",
                f"--port={DATABASE}",
                "--skip-grant-tables",
                "--innodb-buffer-pool-size=16M",
                "--innodb-log-file-size=8M",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self):
        engine = sa.create_engine(_Database.server, poolclass=sa.pool.NullPool)

        def answers():
            try:
                engine.connect().close()
            except sa.exc.OperationalError:
                return False
            return True

        cloud.wait_for(answers, "MariaDB does not start", _LIMIT)

    def kill(self):
        self._process.kill()
        self._process.wait()


class _Database(fixtures_db.Mysql):
    server = f"mysql+pymysql://root@127.0.0.1:{DATABASE}/mysql"


class World(test_kill.Processes):
    """The cloud, with the four as processes."""

    rabbit = f"rabbit://nova_shares:nova_shares@127.0.0.1:{BROKER}/{VHOST}"

    def _make_database(self):
        self.mariadb = MariaDB(self.directory)
        self.addCleanup(self.mariadb.kill)
        self.mariadb.wait()
        return _Database()

    def _serve_api(self):
        self.configure("api")
        self.api_url = f"http://127.0.0.1:{API}"
        self.start_api()
        self.addCleanup(self.kill_api)
        cloud.wait_for(self.api_answers, "the API does not start", _LIMIT)

    def api_answers(self):
        try:
            url = f"{self.api_url}/healthcheck"
            return requests.get(url, timeout=1).status_code == 200
        except requests.RequestException:
            return False

    def start_api(self):
        self.api = processes.Process(
            "uwsgi",
            [
                os.path.join(os.path.dirname(sys.executable), "uwsgi"),
                f"--http-socket=127.0.0.1:{API}",
                "--module=nova_shares.wsgi.api:application",
                f"--virtualenv={sys.prefix}",
                *("--processes=2", "--threads=4", "--master"),
                *("--enable-threads", "--need-app", "--die-on-term"),
                "--add-header=Connection: close",
                "--buffer-size=65535",
            ],
            self.directory,
            OS_NOVA_SHARES_CONFIG_FILES=self.path_of("api"),
            PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        )

    def kill_api(self):
        self.api.kill()

    # All four.

    def kill_all(self):
        """Kill all four at once, as a power failure does."""
        self.service("stop", "broker")
        self.kill_api()
        self.mariadb.kill()
        self.process.kill()
        self.process.join()
        # What was in the broker is lost.
        user = ("nova_shares", ".*", ".*", ".*")
        for verb in (
            ("delete_vhost", VHOST),
            ("add_vhost", VHOST),
            ("set_permissions", "-p", VHOST, *user),
        ):
            subprocess.run(["rabbitmqctl", "-q", *verb], check=True)

    def start(self, part):
        if part == "broker":
            self.service("start", "broker")
        elif part == "database":
            self.mariadb.start()
        else:
            getattr(self, f"start_{part}")()


class RestartTest(base.StoryTest):
    def make_cloud(self):
        return self.useFixture(World())

    def attach_and_kill(self, moment):
        """Have the agent ask Manila for a rule, and kill all then."""
        self.c.stop_agent()
        self.assertEqual(201, self.c.attach(self.server, self.share))
        killed = threading.Event()

        def hook(phase, request):
            if (
                killed.is_set()
                or request.method != "POST"
                or not request.path.endswith("/action")
                or phase != ("after" if moment == "unanswered" else "before")
            ):
                return
            self.c.kill_all()
            killed.set()
            if moment != "alone":
                raise RuntimeError("killed")

        unhook = self.c.agent_manila.on_request(hook)
        self.c.start_agent()
        self.assertTrue(killed.wait(_LIMIT), "nothing was asked of Manila")
        return unhook

    def reached(self, status):
        try:
            return self.c.status(self.server, self.share) == status
        except Exception:
            # Some of it is not there yet.
            return False

    def new_share(self):
        """Make a share, again if Manila has lost the request.

        Its services may not all have come back to the broker.
        """
        try:
            return self.c.share()
        except AssertionError:
            return self.c.share()

    def check_settles(self, order, moment):
        self.share = self.new_share()
        self.attach_and_kill(moment)
        for part in order:
            self.c.start(part)
            time.sleep(1)
        for status in ("inactive", None):
            if status is None:
                self.assertEqual(200, self.c.detach(self.server, self.share))
            cloud.wait_for(
                lambda status=status: self.reached(status),
                lambda: str(self.c.mapping(self.server, self.share)),
                _LIMIT,
            )
        cloud.wait_for(
            lambda: not self.c.rules(self.share) and not self.c.locks(),
            lambda: f"{self.c.rules(self.share)} {self.c.locks()}",
            _LIMIT,
        )
        self.exact(self.share)

    def test_killed_at_once_and_started_in_any_order(self):
        failed = []
        for number, order in enumerate(ORDERS[:COUNT]):
            began = time.monotonic()
            moment = MOMENTS[(number + 1) % len(MOMENTS)]
            try:
                self.check_settles(order, moment)
            except Exception as e:
                failed.append(f"{', '.join(order)}, request {moment}: {e}")
            print(
                f"{time.monotonic() - began:5.1f} s  {moment:10}",
                ", ".join(order),
                file=sys.stderr,
            )
        self.assertEqual([], failed)
