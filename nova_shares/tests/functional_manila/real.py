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
"""A cloud with the real Keystone and Manila of tools/manila-services.sh.

Nova is devcloud's, behind the real Keystone's authtoken; the hypervisor is
the fake one. Our API is a service of its own with authtoken too, on MariaDB
and RabbitMQ, and reaches Keystone and Manila through proxies that count.
"""

import os
import pathlib
import signal
import subprocess
import threading
import time
import uuid

from cheroot import wsgi
from keystoneauth1 import adapter
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3
from oslo_log import log as logging
import sqlalchemy as sa

from nova_shares import conductor
from nova_shares import conf as nova_shares_conf
from nova_shares.api import deploy
from nova_shares.compute import service
from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import proxy
from nova_shares.virt import fake
from nova_shares_devcloud import compute
from nova_shares_devcloud import directory
from nova_shares_devcloud import server as devcloud_server
from nova_shares_devcloud import state

KEYSTONE = os.environ.get(
    "NOVA_SHARES_TEST_KEYSTONE", "http://127.0.0.1:25000"
)
MANILA = os.environ.get("NOVA_SHARES_TEST_MANILA", "http://127.0.0.1:28786")
#: Where tools/manila-services.sh has its files.
SERVICES = os.environ.get("NOVA_SHARES_TEST_MANILA_DIR", ".tox/manila")
RABBIT = os.environ.get(
    "NOVA_SHARES_TEST_RABBIT",
    "rabbit://nova_shares:nova_shares@127.0.0.1:5672/",
)
_SCRIPT = str(
    pathlib.Path(__file__).parents[3] / "tools" / "manila-services.sh"
)
_TYPES = {"NFS": "dummy", "CEPHFS": "cephfs"}
PASSWORD = "secret"
_CONF = """
[DEFAULT]
host = {host}
my_ip = {address}
state_path = {directory}
transport_url = {rabbit}
debug = {debug}
log_file = {directory}/{name}.log
[database]
connection = {database}
[compute]
virt_driver = fake
[keystone_authtoken]
{auth}
www_authenticate_uri = {keystone}/v3
service_token_roles = service
service_token_roles_required = true
[manila]
{auth}
[nova]
{auth}
endpoint_override = {nova}
timeout = 20
"""
_AUTH = """auth_type = password
auth_url = {keystone}/v3
username = {user}
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
"""


class Users:
    """Sessions of the real Keystone's users, past the proxies."""

    projects = {"admin": "admin", "other": "other"}

    def __init__(self, keystone=KEYSTONE, manila=MANILA):
        self._sessions = {}
        self._urls = keystone, manila

    def session(self, user, project=None):
        if user not in self._sessions:
            auth = v3.Password(
                f"{self._urls[0]}/v3",
                username=user,
                password=PASSWORD,
                project_name=project or self.projects.get(user, "demo"),
                user_domain_name="Default",
                project_domain_name="Default",
            )
            self._sessions[user] = ks_session.Session(auth)
        return self._sessions[user]

    def manila(self, user, project=None):
        return adapter.Adapter(
            self.session(user, project),
            endpoint_override=f"{self._urls[1]}/v2",
            additional_headers={"X-OpenStack-Manila-API-Version": "2.82"},
            raise_exc=False,
        )

    def make_service_user(self):
        """Make a user like nova-shares, whose locks are a test's own."""
        name = f"nova-shares-{uuid.uuid4().hex[:12]}"
        user = {"name": name, "password": PASSWORD}
        made = self._keystone.post("/users", json={"user": user}).json()
        for role in ("admin", "service"):
            self.role("PUT", made["user"]["id"], role)
        return name, made["user"]["id"]

    def role(self, method, user_id, role):
        """Give a service user a role (PUT), or take it away (DELETE)."""
        ask = self._keystone
        project = ask.get("/projects?name=service").json()["projects"][0]["id"]
        found = ask.get(f"/roles?name={role}").json()["roles"][0]["id"]
        path = f"/projects/{project}/users/{user_id}/roles/{found}"
        assert ask.request(path, method).status_code == 204

    @property
    def _keystone(self):
        return adapter.Adapter(
            self.session("admin"), endpoint_override=f"{self._urls[0]}/v3"
        )


class Real(cloud.Base):
    """The cloud, started.

    :param options: lines of a configuration file, over the quick ones
    :ivar api_manila, agent_manila: the :class:`proxy.Proxy` of each
    """

    address = "203.0.113.7"
    rabbit = RABBIT

    def __init__(self, options="", **quickly):
        super().__init__()
        quickly.setdefault("policy_timeout", 20)
        self._options = (
            cloud.quick(**quickly).replace("timeout = 2\n", "timeout = 20\n")
            + options
        )

    def _setUp(self):
        super()._setUp()
        self.users = Users()
        self.user, self.user_id = self.users.make_service_user()
        self.host = f"host-{uuid.uuid4().hex[:8]}"
        self.hypervisor = fake.Hypervisor()
        self.directory = self.useFixture(_Directory()).path
        self.database = self._make_database()
        self.addCleanup(self.database.drop)
        self.store = self.database.synced()
        for name in ("api", "agent"):
            to = self.useFixture(proxy.Proxy("manila", MANILA))
            setattr(self, f"{name}_manila", to)
            rewrite = {MANILA: to.url}
            keystone = proxy.Proxy("keystone", KEYSTONE, rewrite)
            setattr(self, f"{name}_keystone", self.useFixture(keystone))
        self._serve_nova()
        self._serve_api()
        self.agent = None
        self.addCleanup(self.stop_agent)
        self.start_agent()
        cloud.wait_for(lambda: self.store.agent(self.host), "no agent", 30)

    def _make_database(self):
        return fixtures_db.Mysql()

    def _serve_nova(self):
        self.cloud = state.Cloud(host=self.host)
        identity = adapter.Adapter(
            self.users.session("admin"), endpoint_override=f"{KEYSTONE}/v3"
        )
        for project in identity.get("/projects").json()["projects"]:
            self.cloud.projects[project["name"]] = directory.Project(
                project["id"], project["name"]
            )
        self.cloud.on_power(self._power)
        real = {
            "www_authenticate_uri": f"{KEYSTONE}/v3",
            "auth_url": f"{KEYSTONE}/v3",
            "password": PASSWORD,
        }
        served = devcloud_server.serve(
            self.cloud,
            compute_app=lambda made: compute.pipeline(
                made, authtoken_conf=real
            ),
        )
        self.addCleanup(served.stop)

    def _power(self, server_id, event):
        act = {"create": "define"}.get(event, event)
        getattr(self.hypervisor, act)(server_id)

    def _serve_api(self):
        self.conf = self.configure("api")
        app = deploy.make_service(self.conf)
        http = wsgi.Server(("127.0.0.1", 0), app, numthreads=16)
        http.shutdown_timeout = 1
        http.expiration_interval = 0.1
        http.prepare()
        self.api_url = f"http://127.0.0.1:{http.bind_addr[1]}"
        thread = threading.Thread(target=http.serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(http.stop)

    def configure(self, name, more="", **values):
        """Write a configuration of the API or of an agent, and load it."""
        path = os.path.join(self.directory, f"{name}.conf")
        keystone = getattr(self, f"{name}_keystone", self.agent_keystone).url
        auth = _AUTH.format(keystone=keystone, user=self.user)
        given = {
            "name": name,
            "debug": False,
            "directory": self.directory,
            "host": self.host,
            "address": self.address,
            "rabbit": self.rabbit,
            "database": self.database.url,
            "auth": auth,
            "keystone": keystone,
            "nova": f"{self.cloud.url}/compute/v2.1",
            **values,
        }
        with open(path, "w") as f:
            f.write(_CONF.format(**given) + self._options + more)
        conf = nova_shares_conf.new()
        logging.register_options(conf)
        return nova_shares_conf.load(files=[path], conf=conf)

    def path_of(self, name):
        return os.path.join(self.directory, f"{name}.conf")

    def start_agent(self):
        self.agent = self.make_agent(self.configure("agent"), self.hypervisor)

    def make_agent(self, conf, hypervisor):
        """Start an agent in this process; returns what stops it."""
        driver = fake.FakeDriver(hypervisor)
        agent = service.Agent(conf, driver, *conductor.local(conf, driver))
        agent.start()
        thread = threading.Thread(target=agent.wait)
        thread.start()

        def stop():
            agent.stop()
            thread.join()

        def kill():
            # One that is killed reports nothing.
            agent.failure = "killed"
            stop()

        stop.kill = kill
        return stop

    def stop_agent(self):
        if self.agent is not None:
            stop, self.agent = self.agent, None
            stop()

    def kill_agent(self):
        stop, self.agent = self.agent, None
        stop.kill()

    # What a story says.

    def url(self, path):
        if path.startswith("/servers") and "/shares" in path:
            return f"{self.api_url}/v2.1{path}"
        return super().url(path)

    def _session(self, user):
        return self.users.session(user)

    def see(self, server, share, status, limit=60.0):
        super().see(server, share, status, limit)

    def manila(self, user):
        """Make an adapter of Manila's API for a user, past the proxies."""
        return self.users.manila(
            user, "service" if user == self.user else None
        )

    def share(self, user="member", proto="NFS", share_type=None, **fields):
        """Make a share that is available."""
        client = self.manila(user)
        body = {
            "name": f"share of {self.user}",
            "share_proto": proto,
            "size": 1,
            "share_type": share_type or _TYPES[proto],
            **fields,
        }
        made = client.post("/shares", json={"share": body}).json()["share"]
        path = f"/shares/{made['id']}"

        def status():
            return client.get(path).json()["share"]["status"]

        cloud.wait_for(lambda: status() == "available", status, 60)
        self.addCleanup(self._forget_share, made["id"])
        return made["id"]

    def _forget_share(self, share):
        """Leave nothing of a failed test in the way of others."""
        admin = self.manila("admin")
        for lock in self.locks():
            admin.delete(f"/resource-locks/{lock['id']}")
        admin.post(f"/shares/{share}/action", json={"force_delete": None})

    def rules(self, share, user=None):
        """List a share's access rules, as our user sees them."""
        client = self.manila(user or self.user)
        path = f"/share-access-rules?share_id={share}"
        return client.get(path).json()["access_list"]

    def locks(self):
        """List the locks of our user."""
        path = f"/resource-locks?all_projects=true&user_id={self.user_id}"
        answer = self.manila("admin").get(path)
        return answer.json()["resource_locks"]

    def allow(self, user, share, to=None, level="rw", **fields):
        """Make an access rule as somebody; returns the response."""
        rule = {
            "access_type": "ip",
            "access_to": to or self.address,
            "access_level": level,
            **fields,
        }
        return self.manila(user).post(
            f"/shares/{share}/action", json={"allow_access": rule}
        )

    def deny(self, user, share, access_id, **fields):
        """Have an access rule taken away; returns the response."""
        wish = {"access_id": access_id, **fields}
        return self.manila(user).post(
            f"/shares/{share}/action", json={"deny_access": wish}
        )

    def remove_rule(self, share):
        """Take our rule and its locks away, as an administrator can."""
        [rule] = self.rules(share)
        admin = self.manila("admin")
        for lock in self.locks():
            admin.delete(f"/resource-locks/{lock['id']}")
        assert self.deny("admin", share, rule["id"]).status_code == 202
        cloud.wait_for(
            lambda: rule["id"] not in {r["id"] for r in self.rules(share)},
            "the rule stays",
            60,
        )
        return rule["id"]

    def manila_sql(self, statement, **values):
        """Run a statement in Manila's own database."""
        url = sa.engine.make_url(fixtures_db.MYSQL).set(database="ns_manila")
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return result.all() if result.returns_rows else result.rowcount

    def pause(self, name):
        """Stop a process of Manila; it goes on when it is called again.

        :returns: what lets it go on
        """
        pid = int(pathlib.Path(SERVICES, "run", f"{name}.pid").read_text())
        os.killpg(pid, signal.SIGSTOP)

        def go_on():
            os.killpg(pid, signal.SIGCONT)

        self.addCleanup(go_on)
        return go_on

    def service(self, verb, name):
        """Start or stop a process of Manila's."""
        subprocess.run([_SCRIPT, verb, SERVICES, name], check=True)


class _Directory(cloud.fixtures.Fixture):
    def _setUp(self):
        self.path = self.useFixture(cloud.fixtures.TempDir()).path


def sleepless(seconds=0.2):
    """Give what must not happen the time to."""
    time.sleep(seconds)
