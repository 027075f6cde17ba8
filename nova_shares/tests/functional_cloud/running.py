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
"""The cloud of tools/cloud.sh, and what a story needs to tell itself in it.

All of it is real and runs when the tests begin: Keystone, Manila, Nova with
our filters, an agent of ours a host. Guests are Nova's fake driver's.
"""

import os
import pathlib
import re
import signal
import subprocess
import time

from oslo_context import context

from nova_shares import conf as nova_shares_conf
from nova_shares import rpc
from nova_shares.db import store as db_store
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_cloud import neighbours
from nova_shares.tests.functional_manila import real
from nova_shares.virt import fake

#: Where tools/cloud.sh has its files.
DIRECTORY = pathlib.Path(
    os.environ.get("NOVA_SHARES_TEST_CLOUD_DIR", ".tox/cloud")
)
_SCRIPT = str(pathlib.Path(__file__).parents[3] / "tools" / "cloud.sh")
HOSTS = ("compute1", "compute2")
#: By action of a server: what becomes of it.
_STATUSES = {
    "os-start": "ACTIVE",
    "os-stop": "SHUTOFF",
    "pause": "PAUSED",
    "reboot": "ACTIVE",
    "rescue": "RESCUE",
    "unpause": "ACTIVE",
    "unrescue": "ACTIVE",
}


class Running(cloud.Base):
    """The cloud, which is there; agents are those of an operator but quick.

    Servers are made on :attr:`host`.

    :param restart: the agents are started anew with the options

    :ivar cloud: the :class:`neighbours.Neighbours`
    :ivar nova: URL of the nova-api with our filters
    :ivar plain_nova: URL of one without them, if it is started
    :ivar store: the database of filters and agents
    """

    host = HOSTS[0]

    def __init__(self, options="", restart=True, **quickly):
        super().__init__()
        self._restart = restart
        quickly.setdefault("policy_timeout", 20)
        self._options = cloud.quick(**quickly) + options

    def _setUp(self):
        super()._setUp()
        files = [str(DIRECTORY / "etc" / "nova-shares.conf")]
        self._conf = nova_shares_conf.load(files=files)
        self.store = db_store.Store.from_conf(self._conf)
        self._agent_api = rpc.AgentAPI(self._conf)
        self.addCleanup(self._agent_api.close)
        where = _Where()
        self.users = real.Users(where.keystone, where.manila)
        self.nova, self.plain_nova = where.nova, where.plain_nova
        self.cloud = neighbours.Neighbours(self)
        self.hypervisor = self.hypervisor_of(self.host)
        self._servers = []
        self.addCleanup(self.place_on, *HOSTS)
        if self._restart:
            self._configure_agents()

    def _configure_agents(self):
        options = DIRECTORY / "etc" / "nova-shares.d" / "test.conf"
        options.write_text(self._options)
        self.addCleanup(self._restart_agents)
        self.addCleanup(options.unlink)
        self._restart_agents()

    @staticmethod
    def hypervisor_of(host):
        return fake.connect(str(DIRECTORY / "run" / host))

    # Processes.

    def service(self, verb, *names):
        """Start or stop processes of the cloud."""
        command = [_SCRIPT, verb, str(DIRECTORY), *names]
        subprocess.run(command, check=True)

    def signal(self, name, number):
        """Send a signal to a process and its children."""
        pid = int((DIRECTORY / "run" / f"{name}.pid").read_text())
        os.killpg(pid, number)

    def _restart_agents(self):
        self.stop_agent(*HOSTS)
        self.start_agent(*HOSTS)

    def start_agent(self, *hosts):
        """Start the agents of hosts, by default that of servers."""
        names = [f"nova-shares-{host}" for host in hosts or [self.host]]
        logs = [DIRECTORY / "log" / f"{name}.log" for name in names]
        seen = [log.stat().st_size for log in logs]
        self.service("start", *names)
        for log, size in zip(logs, seen):
            cloud.wait_for(
                lambda log=log, size=size: (
                    b"Listening for RPC" in log.read_bytes()[size:]
                ),
                f"nothing new in {log}",
            )

    def stop_agent(self, *hosts):
        hosts = hosts or [self.host]
        self.service("stop", *(f"nova-shares-{host}" for host in hosts))

    def kill_agent(self):
        self.signal(f"nova-shares-{self.host}", signal.SIGKILL)
        # Until it has ended it counts as started.
        self.stop_agent()

    def hint(self, mapping):
        self._agent_api.reconcile(
            context.RequestContext(overwrite=False), mapping
        )

    def idle(self):
        # Nobody can ask a process. It looks for a row that is not there
        # for a second and a half.
        time.sleep(2)

    # What a story says.

    def url(self, path):
        return f"{self.nova}{path}"

    def _session(self, user):
        return self.users.session(user)

    def server(self, vm_state="stopped", host=None):
        """Make a server on a host; it is stopped, or "active"."""
        self.place_on(host or self.host)
        body = {
            "name": "server",
            "imageRef": self._image(),
            "flavorRef": "small",
            "networks": "none",
        }
        answer = self.ask("POST", "/servers", {"server": body})
        assert answer.status_code == 202, answer.text
        server = answer.json()["server"]["id"]
        self._servers.append(server)
        self.wait_for_status(server, "ACTIVE")
        if vm_state == "stopped":
            self.act(server, "os-stop")
        return server

    def _image(self):
        image = self.cloud.adapter("image").get("/v2/images?name=disk")
        return image.json()["images"][0]["id"]

    def place_on(self, *hosts):
        """Have new servers placed on one of these hosts."""
        services = self.ask(
            "GET", "/os-services?binary=nova-compute", user="admin"
        ).json()["services"]
        for service in services:
            status = "enabled" if service["host"] in hosts else "disabled"
            if service["status"] != status:
                path = f"/os-services/{service['id']}"
                body = {"status": status}
                answer = self.ask("PUT", path, body, user="admin")
                assert answer.status_code == 200, answer.text

    def wait_for_status(self, server, status):
        """Wait until Nova is done with a server."""

        def state():
            shown = self.ask("GET", f"/servers/{server}", user="admin").json()
            return (
                shown["server"]["status"],
                shown["server"]["OS-EXT-STS:task_state"],
            )

        cloud.wait_for(lambda: state() == (status, None), state, 60)

    def act(self, server, action, user="member"):
        body = {"type": "HARD"} if action == "reboot" else None
        path = f"/servers/{server}/action"
        answer = self.ask("POST", path, {action: body}, user)
        assert answer.status_code < 300, answer.text
        self.wait_for_status(server, _STATUSES[action])

    def share(self, proto="NFS"):
        return self.cloud.make_share(proto)

    def detach(self, server, share):
        answered = super().detach(server, share)
        # What is held is that hosts are let in, not out.
        self.cloud.release("allow")
        return answered

    def see(self, server, share, status, limit=60.0):
        super().see(server, share, status, limit)

    # Between two tests.

    def reset(self):
        """Put all right, and have nothing left, as it would come to pass."""
        self.cloud.mend()
        for host in HOSTS:
            for step in fake.STEPS:
                self.hypervisor_of(host).fail(step, "", 0)
        self.service("start", f"nova-shares-{self.host}")
        for mapping in self.store.list_all():
            unwanted = self.store.want_detached(mapping.uuid)
            if unwanted:
                self.hint(unwanted)
        for server in self._servers:
            self.ask("DELETE", f"/servers/{server}")
        self._servers.clear()
        cloud.wait_for(
            lambda: not self.store.list_all(), self.store.list_all, 60
        )
        self.cloud.remove_shares()


class _Where:
    """Where the services are: their URLs."""

    def __init__(self):
        settings = (DIRECTORY / "etc" / "settings").read_text()
        ports = re.search('PORTS="([0-9]+)"', settings).group(1)
        self.keystone = f"http://127.0.0.1:{ports}000"
        self.manila = f"http://127.0.0.1:{ports}786"
        self.nova = f"http://127.0.0.1:{ports}774/v2.1"
        self.plain_nova = f"http://127.0.0.1:{ports}775/v2.1"


class Shared:
    """Has the tests of a class share agents, which take time to start.

    :cvar options: of :class:`Running`
    """

    options = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.running = Running(**cls.options)
        cls.running.setUp()
        cls.addClassCleanup(cls.running.cleanUp)

    def make_cloud(self):
        self.addCleanup(self.running.reset)
        return self.running
