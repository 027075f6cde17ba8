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

"""Us as an operator runs us: processes, a database server and a broker.

The API in uWSGI and the agent are processes of their own; the cloud around
them and the hypervisor live in the test's. A server that is not there is an
error of the test, never a reason to skip.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import kombu
from oslo_context import context
import sqlalchemy as sa

from nova_shares import conf as nova_shares_conf
from nova_shares import rpc
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_services import proxies
from nova_shares.virt import fake
from nova_shares_devcloud import server
from nova_shares_devcloud import state

RABBIT = os.environ.get(
    "NOVA_SHARES_TEST_RABBIT",
    "rabbit://nova_shares:nova_shares@127.0.0.1:5672/",
)
#: Processes and threads of uWSGI.
API = (2, 8)
CONF = """
[DEFAULT]
host = {host}
my_ip = 127.0.0.1
state_path = {directory}
transport_url = {rabbit}
debug = True
[compute]
virt_driver = fake
fake_hypervisor = {hypervisor}
[api]
max_concurrent_requests = 8
"""
#: How we reach our neighbours, and Keystone.
AUTH = """
[{group}]
auth_type = password
auth_url = {url}/identity/v3
username = nova-shares
password = devcloud
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class Process:
    """A process, and what it has logged.

    :param environment: what it has in addition
    """

    def __init__(self, name, command, directory, **environment):
        self._path = os.path.join(directory, f"{name}.out")
        with open(self._path, "w") as log:
            # A session of its own: so are its children reached.
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, "PYTHONWARNINGS": "ignore", **environment},
                start_new_session=True,
            )

    def log(self):
        with open(self._path, errors="replace") as log:
            return log.read()

    def runs(self):
        return self._process.poll() is None

    def wait_for_log(self, pattern, limit=30):
        """Wait for a line; returns the match."""
        cloud.wait_for(
            lambda: re.search(pattern, self.log()) or not self.runs(),
            lambda: f"no {pattern} in:\n{self.log()}",
            limit,
        )
        found = re.search(pattern, self.log())
        assert found, f"it has ended:\n{self.log()}"
        return found

    def terminate(self):
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, limit=20):
        """Wait until it has ended; returns its exit status."""
        return self._process.wait(limit)

    def kill(self):
        """Kill it and its children, whatever they do."""
        if self.runs():
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Processes(cloud.Base):
    """The cloud, with API and agent as processes.

    :param kind: of the database: a :class:`fixtures_db.Served`
    :param options: lines of the configuration, over those of QUICK
    :param vhost: of RabbitMQ, made for this cloud; None: the one of all
    :ivar broker: a :class:`proxies.Proxy` in front of RabbitMQ
    :ivar statements: what the API says to the database
    """

    def __init__(self, kind, options="", vhost=None, **quickly):
        super().__init__()
        self._kind = kind
        self._vhost = vhost
        self._options = cloud.quick(**quickly) + options

    def _setUp(self):
        super()._setUp()
        self.host = f"test-{uuid.uuid4().hex[:12]}"
        directory = tempfile.TemporaryDirectory(prefix="nova-shares-test-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self._serve_cloud()
        self.database = self._kind()
        self.addCleanup(self.database.drop)
        self.store = self.database.synced()
        self._make_proxies()
        # The test's own way to the broker is never cut.
        path = self.write_conf("test", rabbit=self._direct)
        self._agent_api = rpc.AgentAPI(nova_shares_conf.load(files=[path]))
        self.addCleanup(self._agent_api.close)
        self.api = self.agent = None
        self.addCleanup(self.kill)
        self.start_agent(listening=False)
        self.start_api()
        self._agent_listens(self.agent)

    def _serve_cloud(self):
        self.cloud = state.Cloud(host=self.host)
        self.hypervisor = fake.Hypervisor()
        self.cloud.on_power(self._power)
        served = server.serve(self.cloud)
        self.addCleanup(served.stop)
        address = os.path.join(self.directory, "hypervisor")
        self.addCleanup(fake.serve(self.hypervisor, address))

    def _power(self, server_id, event):
        name = {"create": "define"}.get(event, event)
        getattr(self.hypervisor, name)(server_id)

    def _make_proxies(self):
        rabbit = sa.engine.make_url(RABBIT)
        if self._vhost is not None:
            self._make_vhost(rabbit.username)
            rabbit = rabbit.set(database=self._vhost)
        self._direct = rabbit.render_as_string(hide_password=False)
        self.broker = proxies.Proxy(rabbit.host, rabbit.port or 5672)
        self.addCleanup(self.broker.close)
        self.addCleanup(self.delete_queue)
        self._rabbit = _through(rabbit, self.broker)
        url = sa.engine.make_url(self.database.url)
        dialect = url.get_backend_name()
        self.statements = proxies.Statements(dialect)
        proxy = proxies.Proxy(
            url.host, url.port or _PORTS[dialect], self.statements.hear
        )
        self.addCleanup(proxy.close)
        if dialect == "postgresql":
            url = url.set(query={**url.query, "sslmode": "disable"})
        self._api_database = _through(url, proxy)

    def _make_vhost(self, user):
        for verb in (
            ["add_vhost", self._vhost],
            ["set_permissions", "-p", self._vhost, user, ".*", ".*", ".*"],
        ):
            subprocess.run(["rabbitmqctl", "-q", *verb], check=True)
        self.addCleanup(
            subprocess.run,
            ["rabbitmqctl", "-q", "delete_vhost", self._vhost],
            check=True,
        )

    def delete_queue(self):
        """Delete the queue of the host, which outlives its agent."""
        url = self._direct.replace("rabbit:", "amqp:")
        with kombu.Connection(url) as connection:
            channel = connection.default_channel
            channel.queue_delete(f"{rpc.TOPIC}.{self.host}")

    def write_conf(self, name, database=None, options="", **values):
        """Write a configuration file; returns its path.

        :param values: others than those of this cloud
        """
        known = {
            "host": self.host,
            "directory": self.directory,
            "rabbit": self._rabbit,
            "hypervisor": os.path.join(self.directory, "hypervisor"),
        }
        path = os.path.join(self.directory, f"{name}.conf")
        with open(path, "w") as f:
            f.write(CONF.format(**{**known, **values}))
            f.write(
                f"[database]\nconnection = {database or self.database.url}\n"
            )
            for group in ("manila", "nova", "keystone_authtoken"):
                f.write(AUTH.format(group=group, url=self.cloud.url))
            f.write(self._options + options)
        return path

    # The API.

    def start_api(self):
        """Start uWSGI on a free port."""
        path = self.write_conf("api", self._api_database)
        processes, threads = API
        self.api = Process(
            "uwsgi",
            [
                os.path.join(os.path.dirname(sys.executable), "uwsgi"),
                "--http-socket=127.0.0.1:0",
                "--module=nova_shares.wsgi.api:application",
                f"--virtualenv={sys.prefix}",
                f"--processes={processes}",
                f"--threads={threads}",
                "--master",
                "--enable-threads",
                # It closes each connection, and would not say so.
                "--add-header=Connection: close",
                "--need-app",
                "--die-on-term",
                "--buffer-size=65535",
                "--listen=256",
            ],
            self.directory,
            OS_NOVA_SHARES_CONFIG_FILES=path,
            PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        )
        port = self.api.wait_for_log(r"bound to TCP address \S+:(\d+)")
        self.api.wait_for_log(f"spawned uWSGI worker {processes} ")
        self.api_url = f"http://127.0.0.1:{port.group(1)}/v2.1"

    def url(self, path):
        if re.match("/servers/[^/]*/shares", path):
            return self.api_url + path
        return super().url(path)

    # The agent.

    def new_agent(self, name="agent", **conf):
        """Start an agent; returns its process."""
        path = self.write_conf(name, **conf)
        return Process(
            f"{name}-{time.monotonic()}",
            [
                sys.executable,
                "-m",
                "nova_shares.cmd.compute",
                f"--config-file={path}",
            ],
            self.directory,
            PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
        )

    def start_agent(self, listening=True):
        self.agent = self.new_agent()
        self.agent.wait_for_log("Agent of .* is up")
        if listening:
            self._agent_listens(self.agent)

    @staticmethod
    def _agent_listens(agent):
        # The looks over all at the start, and when it listens, would find
        # what only a hint should tell of.
        agent.wait_for_log(
            r"(?s)(?=.*Listening for RPC)(?:.*Resync: \d+ of){2}"
        )

    def stop_agent(self):
        self.agent.terminate()
        status = self.agent.wait()
        assert status == 0, f"exit {status}:\n{self.agent.log()}"

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()

    def hint(self, mapping):
        self._agent_api.reconcile(
            context.RequestContext(overwrite=False), mapping
        )

    def idle(self):
        # Nobody can ask a process. It looks for a row that is not there
        # for a second and a half.
        time.sleep(2)

    def kill(self):
        """Kill what runs."""
        for process in (self.api, self.agent):
            if process is not None:
                process.kill()

    # Between two tests.

    def reset(self):
        """Put all right, and have nothing left, as it would come to pass."""
        self.cloud.clear_faults()
        for change in ("allow", "deny"):
            self.cloud.release(change)
        for step in fake.STEPS:
            self.hypervisor.fail(step, "", 0)
            self.hypervisor.hang(step, 0)
        for server_id in list(self.cloud.servers):
            self.hypervisor.stop(server_id)
        if not self.agent.runs():
            self.start_agent()
        for mapping in self.store.list_all(host=self.host):
            unwanted = self.store.want_detached(mapping.uuid)
            if unwanted:
                self.hint(unwanted)
        cloud.wait_for(
            lambda: not self.store.list_all(),
            lambda: f"{self.store.list_all()}\n{self.agent.log()[-20000:]}",
        )
        for server_id in list(self.cloud.servers):
            self.hypervisor.delete(server_id)
        self.cloud.servers.clear()
        for share_id in list(self.cloud.shares):
            self.cloud.remove_share(share_id)


_PORTS = {"mysql": 3306, "postgresql": 5432}


def _through(url, proxy):
    """Make a URL that leads through a proxy."""
    local = url.set(host="127.0.0.1", port=proxy.port)
    return local.render_as_string(hide_password=False)


class Shared:
    """Has the tests of a class share processes, which take time to start.

    :cvar database: the kind, of :mod:`nova_shares.tests.fixtures_db`
    :cvar options: of :class:`Processes`
    """

    database = None
    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.processes = Processes(cls.database, **cls.options)
        cls.processes.setUp()
        cls.addClassCleanup(cls.processes.cleanUp)

    def make_cloud(self):
        self.addCleanup(self.processes.reset)
        return self.processes
