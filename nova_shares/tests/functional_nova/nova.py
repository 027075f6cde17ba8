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


"""Nova itself, from PyPI: its API under uWSGI, its services, its databases.

Around it are devcloud's Keystone and Manila, stubs of Neutron and Glance,
and the servers that tools/services.sh starts.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid

import fixtures
import pymysql
import requests
import sqlalchemy as sa

from nova_shares import conf as nova_shares_conf
from nova_shares.db import migrations
from nova_shares.db import store as db_store
from nova_shares.mapping import ShareMapping
from nova_shares.tests.functional_nova import stubs
from nova_shares.virt import fake as virt_fake
from nova_shares_devcloud import server as devcloud_server
from nova_shares_devcloud import state

HOST = "compute1"
MYSQL = os.environ.get(
    "NOVA_SHARES_TEST_MYSQL",
    "mysql+pymysql://nova_shares:nova_shares@127.0.0.1:3306/nova_shares",
)
RABBIT = os.environ.get(
    "NOVA_SHARES_TEST_RABBIT",
    "rabbit://nova_shares:nova_shares@127.0.0.1:5672/",
)
#: A virtual environment with a Nova, and nova_shares, in it.
VENV = os.environ.get("NOVA_SHARES_TEST_NOVA", ".venv-nova34")

#: nova-compute, with a driver that keeps guests in a hypervisor of ours.
_COMPUTE = (
    pathlib.Path(__file__).parents[3] / "tools" / "cloud" / "nova_compute.py"
)
_AUTH = """\
auth_type = password
auth_url = {url}/identity/v3
username = {user}
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
"""
_NOVA_CONF = """\
[DEFAULT]
my_ip = 127.0.0.1
host = {host}
transport_url = {rabbit}
compute_driver = {driver}
state_path = {home}/state
sync_power_state_interval = -1
periodic_fuzzy_delay = 0
stale_share_access_reconcile_interval = 5
rpc_response_timeout = 20
use_stderr = true
[api]
response_validation = ignore
[api_database]
connection = {mysql}_api
[database]
connection = {mysql}_cell1
[oslo_concurrency]
lock_path = {home}/locks
[oslo_messaging_rabbit]
rabbit_quorum_queue = false
[placement]
endpoint_override = {placement}
{auth}
[glance]
endpoint_override = {stubs}
{auth}
[neutron]
endpoint_override = {stubs}
{auth}
[service_user]
send_service_user_token = true
{auth}
[manila]
{auth}
service_type = shared-file-system
share_apply_policy_timeout = 60
[compute]
resource_provider_association_refresh = 0
[filter_scheduler]
track_instance_changes = false
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 5
[conductor]
workers = 1
[quota]
driver = nova.quota.NoopQuotaDriver
[vnc]
enabled = false
[keystone_authtoken]
www_authenticate_uri = {url}/identity/v3
{auth}
"""
_PLACEMENT_CONF = """\
[placement_database]
connection = {mysql}_placement
sync_on_startup = true
[api]
auth_strategy = keystone
[keystone_authtoken]
{auth}
"""
#: Our own file, as an operator has it.
OURS_CONF = """\
[DEFAULT]
host = {host}
my_ip = 127.0.0.1
state_path = {home}/ours
transport_url = {rabbit}
[database]
connection = {mysql}_ours
[nova]
endpoint_override = {nova}/v2.1
{auth}
[manila]
{auth}
[api]
serve = always
[compute]
virt_driver = fake
heartbeat_interval = 1
resync_interval = 1
server_gone_interval = 1
"""


#: uWSGI's way of one connection a request.
CLOSING = ("--add-header", "Connection: close", "--http-socket")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Process:
    """A process of its own group, its output in a file."""

    def __init__(self, home, name, command, **environ):
        self.log = os.path.join(home, f"{name}.log")
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONWARNINGS": "ignore", **environ},
                start_new_session=True,
            )

    def stop(self):
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGTERM)
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)
                self.popen.wait()

    def tail(self):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-30:])


class Api(Process):
    """A nova-api, with its own paste file.

    :param workers: how many requests it serves at a time: threads, and with
        eventlet processes, each of which loads Nova
    :ivar url: of its root, without a slash at the end
    """

    def __init__(self, nova, name, paste_file, nova_options, workers):
        self.directory = os.path.join(nova.home, name)
        os.makedirs(self.directory)
        shutil.copy(paste_file, os.path.join(self.directory, "api-paste.ini"))
        shutil.copy(os.path.join(nova.home, "nova.conf"), self.directory)
        with open(os.path.join(self.directory, "nova.conf"), "a") as file:
            file.write(nova_options)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(
            nova.home,
            name,
            [
                *nova.uwsgi(port, nova.http),
                *nova.api_module(),
                "--processes" if nova.eventlet else "--threads",
                str(workers or (2 if nova.eventlet else 8)),
            ],
            OS_NOVA_CONFIG_DIR=self.directory,
        )

    def stop(self):
        """Kill it: uWSGI takes seconds to end in good order."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()

    def wait(self):
        """Wait until it answers."""
        wait_for(self._answers, self.tail, limit=90)
        return self

    def _answers(self):
        if responds(self.url):
            return True
        assert self.popen.poll() is None, self.tail()
        return False


class Nova(fixtures.Fixture):
    """It all, started.

    :param http: how uWSGI takes connections, before the address
    :param guests: Nova's guests are those that the agent sees
    :ivar plain: the nova-api without us
    :ivar api: the one with our filters, which serve always
    """

    def __init__(self, http=CLOSING, guests=False):
        super().__init__()
        self.http = http
        self.guests = guests

    def _setUp(self):
        self.home = self.useFixture(fixtures.TempDir()).path
        self.version = self._run("nova-manage", "--version").split(".")[0]
        self.eventlet = int(self.version) < 33
        self.cloud = state.Cloud(host=HOST)
        self.cloud.create_user("norole", "demo", "guest")
        self.name = f"nova_shares_{uuid.uuid4().hex[:8]}"
        self._target = None
        served = in_daemon(
            lambda: devcloud_server.serve(
                self.cloud, compute_app=lambda cloud: self._proxy
            )
        )
        self.addCleanup(served.stop)
        self.stubs = in_daemon(stubs.Stubs)
        thread = threading.Thread(target=self.stubs.serve, daemon=True)
        thread.start()
        self.addCleanup(self.stubs.stop)
        if self.guests:
            self.addCleanup(
                virt_fake.serve(virt_fake.Hypervisor(), self._hypervisor)
            )
        self._make_databases()
        self._make_vhost()
        self._start_placement()
        self._write("nova.conf", _NOVA_CONF)
        os.mkdir(os.path.join(self.home, "state"))
        self._sync()
        self.plain = self.start_api("plain", self.paste_file)
        self.api = self.start_filtered("filtered")
        self._start_services()
        for api in (self.plain, self.api):
            api.wait()
        self._target = self.api.url
        self.clouds = self._write_clouds(served)
        self._start_agent()
        self.session = requests.Session()
        self._make_flavors()
        self._pool = []

    # What a test does with it.

    def ask(
        self,
        method,
        path,
        body=None,
        user="member",
        version="2.97",
        url=None,
        **headers,
    ):
        """Send a request to ``/v2.1`` of a nova-api; see :meth:`ask_root`."""
        return self.ask_root(
            method, f"/v2.1{path}", body, user, version, url, **headers
        )

    def ask_root(
        self,
        method,
        path,
        body=None,
        user="member",
        version="2.97",
        url=None,
        **headers,
    ):
        """Send a request to a nova-api.

        :param body: sent as JSON; bytes: as they are
        :param version: sent as compute's; None: no such header
        :param url: of the nova-api; default: the one with us in it
        :param headers: others, their hyphens as underscores; None: without
        """
        project = user if user in ("admin", "other") else "demo"
        sent = {
            "X-Auth-Token": self.cloud.token_of(user, project),
            "Content-Type": "application/json",
            # Links in answers are the same, whichever nova-api answers.
            "Host": "nova.example",
        }
        if version is not None:
            sent["OpenStack-API-Version"] = f"compute {version}"
        sent.update({name.replace("_", "-"): v for name, v in headers.items()})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.session.request(
            method,
            f"{url or self.api.url}{path}",
            data=body,
            headers={k: v for k, v in sent.items() if v is not None},
            timeout=60,
        )

    def server(self, vm_state="stopped", user="member", **columns):
        """Get a server that no other test has, in a state.

        :param columns: of Nova's table, set as they are
        """
        if user == "member":
            if not self._pool:
                self._pool = self._make_servers(user, 12)
            server = self._pool.pop()
        else:
            (server,) = self._make_servers(user, 1)
        self.set_server(server, vm_state, **columns)
        return server

    def set_server(self, server, vm_state, **columns):
        """Put a server in a state; columns as :meth:`server` has them."""
        columns = {
            "vm_state": vm_state,
            "power_state": {"stopped": 4, "paused": 3}.get(vm_state, 1),
            **columns,
        }
        names = ", ".join(f"{name} = %s" for name in columns)
        self.sql(
            f"UPDATE instances SET {names} WHERE uuid = %s",
            *columns.values(),
            server,
        )

    def state(self, server):
        """Get the vm_state of a server whose task is over, or None."""
        return self._states().get(server)

    def make_database(self):
        """Make a database of ours, with nothing in it; returns its URL."""
        name = f"ours_{uuid.uuid4().hex[:8]}"
        self._make_database(name, "utf8mb4")
        url = f"{self.fields()['mysql']}_{name}"
        conf = nova_shares_conf.load(files=[])
        conf.set_override("connection", url, group="database")
        migrations.sync(conf)
        return url

    def insert(self, url, server, share):
        """Put a mapping into a database of :meth:`make_database`."""
        conf = nova_shares_conf.load(files=[])
        conf.set_override("connection", url, group="database")
        db_store.Store.from_conf(conf).insert(
            ShareMapping(
                uuid=str(uuid.uuid4()),
                instance_uuid=server,
                project_id=self.cloud.projects["demo"].id,
                host=HOST,
                share_id=share,
                share_proto="NFS",
                export_location="192.0.2.1:/share",
                tag=share,
            )
        )

    def share(self, **fields):
        return self.cloud.create_share("share", **fields).id

    def attach(self, server, share, url=None, **fields):
        """Attach a share, and wait until it is."""
        path = f"/servers/{server}/shares"
        body = {"share": {"share_id": share, **fields}}
        response = self.ask("POST", path, body, url=url)
        assert response.status_code == 201, response.text
        wait_for(
            lambda: (
                '"inactive"'
                in self.ask("GET", f"{path}/{share}", url=url).text
            ),
            lambda: self.ask("GET", f"{path}/{share}", url=url).text,
        )

    def _make_flavors(self):
        def computes():
            found = self.ask(
                "GET", "/os-hypervisors", user="admin", version="2.96"
            )
            return HOST in found.text

        wait_for(computes, self.services["nova-compute"].tail, limit=60)
        flavor = {"ram": 64, "vcpus": 1, "disk": 1}
        for name in ("plain", "bigger"):
            response = self.ask(
                "POST",
                "/flavors",
                {"flavor": {"name": name, "id": name, **flavor}},
                user="admin",
                version="2.1",
            )
            assert response.status_code == 200, response.text
            flavor["ram"] *= 2

    def _make_servers(self, user, count):
        known = self._states()
        response = self.ask(
            "POST",
            "/servers",
            {
                "server": {
                    "name": "server",
                    "imageRef": stubs.IMAGE,
                    "flavorRef": "plain",
                    "networks": "none",
                    "min_count": count,
                }
            },
            user=user,
            version="2.96",
        )
        assert response.status_code == 202, response.text

        def new():
            return {
                server: state
                for server, state in self._states().items()
                if server not in known
            }

        wait_for(
            lambda: list(new().values()) == ["active"] * count, new, limit=60
        )
        return list(new())

    def _states(self):
        # To list them by the API takes longer with each that there is.
        return dict(
            self.sql(
                "SELECT uuid, vm_state FROM instances"
                " WHERE deleted = 0 AND task_state IS NULL"
            )
        )

    # What it is made of.

    @property
    def _hypervisor(self):
        return os.path.join(self.home, "hypervisor")

    @property
    def paste_file(self):
        return os.path.join(VENV, "etc", "nova", "api-paste.ini")

    def uwsgi(self, port, http=CLOSING):
        return [
            self._bin("uwsgi"),
            *http,
            f"127.0.0.1:{port}",
            "--master",
            "--need-app",
            "--lazy-apps",
            "--die-on-term",
            "--enable-threads",
            "--buffer-size",
            "65535",
        ]

    def api_module(self):
        script = self._bin("nova-api-wsgi")
        if os.path.exists(script):
            return ["--wsgi-file", script]
        return ["--module", "nova.wsgi.osapi_compute:application"]

    def start_api(self, name, paste_file, nova_options="", workers=None):
        api = Api(self, name, paste_file, nova_options, workers)
        self.addCleanup(api.stop)
        return api

    def start_filtered(
        self,
        name,
        options="",
        nova_options="",
        ours=OURS_CONF,
        workers=None,
        **fields,
    ):
        """Start a nova-api with our filters in it.

        :param options: lines of our configuration file, over the others
        :param nova_options: lines of its nova.conf, over the others
        """
        our_file = self._write(f"{name}.conf", ours, options, **fields)
        paste_file = os.path.join(self.home, f"{name}-paste.ini")
        shutil.copy(self.paste_file, paste_file)
        self._run(
            "nova-shares-manage",
            "paste",
            "install",
            "--paste-file",
            paste_file,
            "--our-file",
            our_file,
        )
        return self.start_api(name, paste_file, nova_options, workers)

    def ours_but(self, without):
        """Give our own file's text without an option, or a section."""
        lines, skipped = [], False
        for line in OURS_CONF.splitlines(keepends=True):
            if line.startswith("["):
                skipped = line.strip() == without
            if line.strip() == "[DEFAULT]" or skipped:
                continue
            if not line.startswith(f"{without} "):
                lines.append(line)
        return "[DEFAULT]\n" * without.startswith("[") + "".join(lines)

    def fields(self):
        auth = _AUTH.format(
            url=self.cloud.url, user="nova", password=self.cloud.password
        )
        return {
            "host": HOST,
            "home": self.home,
            "driver": (
                "hypervisor_driver.HypervisorDriver"
                if self.guests
                else "fake.FakeDriverWithoutFakeNodes"
            ),
            "url": self.cloud.url,
            "auth": auth,
            "mysql": f"{MYSQL.rpartition('/')[0]}/{self.name}",
            "rabbit": f"{RABBIT.rpartition('/')[0]}/{self.name}",
            "stubs": self.stubs.url,
            "placement": getattr(self, "placement_url", None),
            "nova": f"{self.cloud.url}/compute",
        }

    def _write(self, name, text, options="", **fields):
        path = os.path.join(self.home, name)
        with open(path, "w") as file:
            file.write(text.format(**{**self.fields(), **fields}))
            file.write(options)
        return path

    def _bin(self, name):
        return os.path.join(VENV, "bin", name)

    def _run(self, name, *args, **environ):
        done = subprocess.run(
            [self._bin(name), *args],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **environ},
        )
        if done.returncode != 0:
            raise AssertionError(f"{name}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def manage(self, *args):
        return self._run(
            "nova-manage",
            "--config-file",
            os.path.join(self.home, "nova.conf"),
            *args,
        )

    def sql(self, statement, *values, database="cell1"):
        """Run a statement in one of the databases."""
        url = sa.engine.make_url(MYSQL)
        connection = pymysql.connect(
            host=url.host,
            port=url.port or 3306,
            user=url.username,
            password=url.password,
            database=database and f"{self.name}_{database}",
            autocommit=True,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def _make_databases(self):
        for name in ("api", "cell0", "cell1", "placement"):
            self._make_database(name, "utf8mb3")
        self._make_database("ours", "utf8mb4")

    def _make_database(self, name, charset):
        database = f"{self.name}_{name}"
        self.sql(
            f"CREATE DATABASE {database} CHARACTER SET {charset}",
            database=None,
        )
        self.addCleanup(self.sql, f"DROP DATABASE {database}", database=None)

    def _make_vhost(self):
        # Nova's queues have the same names in every cloud.
        user = RABBIT.partition("//")[2].partition(":")[0]
        for command in (
            ["add_vhost", self.name],
            ["set_permissions", "-p", self.name, user, ".*", ".*", ".*"],
        ):
            subprocess.run(
                ["rabbitmqctl", "-q", *command],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        self.addCleanup(
            subprocess.run,
            ["rabbitmqctl", "-q", "delete_vhost", self.name],
            check=True,
        )

    def _start_placement(self):
        port = free_port()
        self.placement_url = f"http://127.0.0.1:{port}"
        self._write("placement.conf", _PLACEMENT_CONF)
        script = self._bin("placement-api")
        module = ["--module", "placement.wsgi.api:application"]
        if os.path.exists(script):
            module = ["--wsgi-file", script]
        placement = Process(
            self.home,
            "placement",
            [*self.uwsgi(port), *module, "--threads", "4"],
            OS_PLACEMENT_CONFIG_DIR=self.home,
        )
        self.addCleanup(placement.stop)

    def _sync(self):
        self.manage("api_db", "sync")
        mysql = self.fields()["mysql"]
        self.manage(
            *("cell_v2", "map_cell0"),
            *("--database_connection", f"{mysql}_cell0"),
        )
        self.manage("db", "sync")
        self.manage("cell_v2", "create_cell", "--name", "cell1")
        our_file = self._write("sync.conf", OURS_CONF)
        migrations.sync(nova_shares_conf.load(files=[our_file]))

    def _start_services(self):
        self.services = {}
        for name in ("nova-conductor", "nova-scheduler", "nova-compute"):
            program = [self._bin(name)]
            if self.guests and name == "nova-compute":
                program = [self._bin("python"), str(_COMPUTE)]
            self.services[name] = Process(
                self.home,
                name,
                [
                    *program,
                    "--config-file",
                    os.path.join(self.home, "nova.conf"),
                ],
                HYPERVISOR=self._hypervisor,
            )
            self.addCleanup(self.services[name].stop)
            if name == "nova-conductor":
                # What is asked before it listens waits for ten seconds.
                wait_for(
                    lambda: "Starting conductor node" in self._log(),
                    limit=60,
                )

    def _log(self):
        with open(os.path.join(self.home, "nova-conductor.log")) as log:
            return log.read()

    def _start_agent(self):
        options = ""
        if self.guests:
            options = f"[compute]\nfake_hypervisor = {self._hypervisor}\n"
        our_file = self._write("agent.conf", OURS_CONF, options)
        self.conf = nova_shares_conf.load(files=[our_file])
        self.store = db_store.Store.from_conf(self.conf)
        agent = Process(
            self.home,
            "nova-shares-compute",
            [self._bin("nova-shares-compute"), "--config-file", our_file],
        )
        self.addCleanup(agent.stop)
        wait_for(lambda: self.store.agent(HOST) is not None, agent.tail)

    def _write_clouds(self, served):
        path = os.path.join(self.home, "clouds.yaml")
        with open(path, "w") as file:
            file.write(served.clouds_yaml())
        return path

    def _proxy(self, environ, start_response):
        """Be the compute endpoint of the catalog: our nova-api."""
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_HOST"
        }
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        query = environ.get("QUERY_STRING")
        response = requests.request(
            environ["REQUEST_METHOD"],
            f"{self._target}{environ['PATH_INFO']}"
            + (f"?{query}" if query else ""),
            data=environ["wsgi.input"].read(length) if length else None,
            headers=headers,
            allow_redirects=False,
            timeout=60,
        )
        start_response(
            f"{response.status_code} {response.reason}",
            [
                (name, value)
                for name, value in response.headers.items()
                if name.lower() not in ("connection", "transfer-encoding")
            ],
        )
        return [response.content]


def in_daemon(make):
    """Make something whose threads do not keep the process from ending."""
    made = []
    thread = threading.Thread(target=lambda: made.append(make()), daemon=True)
    thread.start()
    thread.join()
    return made[0]


def responds(url):
    """Tell whether a URL is served, with 200."""
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def wait_for(condition, what="it never came true", limit=30.0):
    """Wait until a condition holds; the test fails when it never does."""
    end, pause = time.monotonic() + limit, 0.02
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what() if callable(what) else what)
        # To look takes the CPU from what is looked for.
        time.sleep(pause)
        pause = min(1.5 * pause, 0.5)
