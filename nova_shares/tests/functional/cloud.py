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

"""The whole of it in one process, and what a story needs to tell itself."""

import contextlib
import json
import os
import sqlite3
import tempfile
import time

import fixtures
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3
import testtools

from nova_shares.db import store as db_store
from nova_shares_devcloud import aio

#: Quick, so that a story is told in a second.
QUICK = """
[compute]
heartbeat_interval = 0.5
resync_interval = {resync}
retry_interval = 0.1
retry_interval_max = 0.5
server_gone_interval = 0.3
server_check_interval = {check}
[manila]
share_apply_policy_timeout = {policy_timeout}
api_timeout = 2
timeout = 2
"""


def quick(resync=0.4, check=1, policy_timeout=5):
    """Write a configuration with which a story is told in a second."""
    return QUICK.format(
        resync=resync, check=check, policy_timeout=policy_timeout
    )


class Base(fixtures.Fixture):
    """A cloud with us in it, and what a story needs to tell itself.

    :ivar cloud: the :class:`nova_shares_devcloud.state.Cloud`
    :ivar hypervisor: the :class:`nova_shares.virt.fake.Hypervisor`
    :ivar store: our database
    :ivar host: where servers are
    """

    def _setUp(self):
        self._users = {}
        # Shown when the test fails.
        self.useFixture(fixtures.FakeLogger())

    def start_agent(self):
        raise NotImplementedError

    def stop_agent(self):
        """Stop the agent in an orderly way."""
        raise NotImplementedError

    def hint(self, mapping):
        """Have the agent look at a mapping."""
        raise NotImplementedError

    def idle(self):
        """Wait until the agent has done what it was asked for."""
        raise NotImplementedError

    def url(self, path):
        """Tell where a path of the compute API is served."""
        return f"{self.cloud.url}/compute/v2.1{path}"

    def server(self, vm_state="stopped", **fields):
        return self.cloud.create_server(
            "server", vm_state=vm_state, host=self.host, **fields
        ).id

    def share(self, **fields):
        return self.cloud.create_share("share", **fields).id

    def ask(self, method, path, body=None, user="member", version="2.97"):
        """Send a request to the compute API."""
        return self._session(user).request(
            self.url(path),
            method,
            data=None if body is None else json.dumps(body),
            headers={
                "Content-Type": "application/json",
                "OpenStack-API-Version": f"compute {version}",
            },
            raise_exc=False,
        )

    def _session(self, user):
        if user not in self._users:
            project = "admin" if user == "admin" else "demo"
            auth = v3.Password(
                auth_url=f"{self.cloud.url}/identity/v3",
                username=user,
                password="devcloud",
                project_name="other" if user == "other" else project,
                user_domain_name="Default",
                project_domain_name="Default",
            )
            self._users[user] = ks_session.Session(auth)
        return self._users[user]

    def attach(self, server, share, tag=None):
        """Attach a share; returns the status of the answer."""
        body = {"share_id": share}
        if tag is not None:
            body["tag"] = tag
        path = f"/servers/{server}/shares"
        return self.ask("POST", path, {"share": body}).status_code

    def detach(self, server, share):
        """Detach a share; returns the status of the answer."""
        path = f"/servers/{server}/shares/{share}"
        return self.ask("DELETE", path).status_code

    def act(self, server, action, user="member"):
        """Do something with a server, e.g. os-start."""
        response = self.ask(
            "POST", f"/servers/{server}/action", {action: None}, user
        )
        assert response.status_code < 300, response.text

    def status(self, server, share):
        """Tell a mapping's status as the user sees it; None: it is gone."""
        response = self.ask("GET", f"/servers/{server}/shares/{share}")
        if response.status_code == 404:
            return None
        assert response.status_code == 200, response.text
        return response.json()["share"]["status"]

    def mapping(self, server, share):
        """Get a mapping as the database has it."""
        for mapping in self.store.list_all(instance_uuid=server):
            if mapping.share_id == share:
                return mapping
        return None

    def see(self, server, share, status, limit=30.0):
        """Wait until the user sees a status."""
        wait_for(
            lambda: self.status(server, share) == status,
            lambda: (
                f"{self.status(server, share)}, not {status}: "
                f"{self.mapping(server, share)}"
            ),
            limit,
        )

    def rules(self, share=None):
        """List access rules: what for, and whether they are active."""
        return sorted(
            (rule.access_type, rule.access_to, rule.state)
            for rule in self.cloud.rules(share)
        )


class Cloud(Base):
    """A started :class:`nova_shares_devcloud.aio.AllInOne`.

    :param options: lines of a configuration file, over those of QUICK
    """

    host = aio.HOST

    def __init__(self, options="", **quickly):
        super().__init__()
        self._options = quick(**quickly) + options

    def _setUp(self):
        super()._setUp()
        directory = tempfile.TemporaryDirectory(prefix="nova-shares-test-")
        self.addCleanup(directory.cleanup)
        self.aio = aio.AllInOne(directory.name, options=self._options)
        self.addCleanup(self.aio.stop)
        self.cloud = self.aio.cloud
        self.hypervisor = self.aio.hypervisor
        self._start()
        self.store = db_store.Store.from_conf(self.aio.conf)

    def _start(self):
        self.aio.sync()
        self.start_agent()

    def start_agent(self):
        self.aio.start_agent()

    def stop_agent(self):
        self.aio.stop_agent()

    def kill_agent(self):
        """Stop the agent as a crash does: it reports nothing."""
        self.aio.agent.failure = "killed"
        self.aio.stop_agent()

    def execute(self, statement, *values):
        """Run a statement of SQL behind the agent's back."""
        path = os.path.join(self.aio.directory, "nova-shares.sqlite")
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
            database.execute(statement, values)
            database.commit()

    def hint(self, mapping):
        self.aio.agent.manager.reconcile(mapping.uuid)

    def idle(self):
        wait_for(self.aio.agent.queue.is_idle)


class StoryTest(testtools.TestCase):
    """What a user does with a share and a server, and sees of it.

    By default they are :attr:`share` and :attr:`server`.

    :ivar c: the :class:`Base` in which the story is told
    """

    options = {}
    share = None
    tag = None

    def setUp(self):
        super().setUp()
        self.c = self.make_cloud()

    def make_cloud(self):
        """Make the cloud in which the story is told."""
        return self.useFixture(Cloud(**self.options))

    def attach(self, server=None, share=None, tag=None):
        """Ask for a share to be attached, which is granted."""
        status = self.c.attach(
            server or self.server, share or self.share, tag or self.tag
        )
        self.assertEqual(201, status)

    def attached(self, server=None, share=None, tag=None):
        """Attach a share, and see it inactive."""
        self.attach(server, share, tag)
        self.see("inactive", server, share)

    def detach(self, server=None, share=None):
        """Ask for a share to be detached, which is granted."""
        status = self.c.detach(server or self.server, share or self.share)
        self.assertEqual(200, status)

    def detached(self, server=None, share=None):
        """Detach a share, and see it gone."""
        self.detach(server, share)
        self.see(None, server, share)

    def see(self, status, server=None, share=None, **limit):
        """Wait until the user sees a status; None: it is gone."""
        self.c.see(server or self.server, share or self.share, status, **limit)


def wait_for(condition, what="it never came true", limit=30.0):
    """Wait until a condition holds; the test fails when it never does."""
    end, pause = time.monotonic() + limit, 0.01
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what() if callable(what) else what)
        # To look takes the CPU from what is looked for.
        time.sleep(pause)
        pause = min(1.5 * pause, 0.2)
