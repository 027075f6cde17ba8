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
"""The agent killed at each call to Manila, and started again."""

import multiprocessing
import os
import re

from nova_shares.cmd import compute
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional import test_kill
from nova_shares.tests.functional_manila import base
from nova_shares.tests.functional_manila import real
from nova_shares.virt import fake


def _run_agent(config_file):
    compute.run(["--config-file", config_file])


class Processes(real.Real):
    """The cloud, with an agent in a process of its own."""

    def _setUp(self):
        # A fresh interpreter a start would cost seconds.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["nova_shares.cmd.compute"])
        self.killer = test_kill.Killer()
        self.process = None
        super()._setUp()
        self.hypervisor.hook = lambda *step: self.killer.step(*step)
        self.agent_manila.on_request(self._request)

    def _request(self, phase, request):
        # A look for stale locks is no step, and comes at any time.
        if "created_since" in request.path:
            return
        path = re.sub("[0-9a-f-]{36}", "ID", request.path)
        path = re.sub("user_id=[0-9a-f]+", "user_id=ID", path)
        self.killer.step(phase, f"{request.method} {path}")

    def start_agent(self):
        address = os.path.join(self.directory, "hypervisor")
        if not os.path.exists(address):
            self.addCleanup(fake.serve(self.hypervisor, address))
        more = f"[compute]\nfake_hypervisor = {address}\n"
        self.configure("agent", more, debug=True)
        self.process = self._context.Process(
            target=_run_agent, args=(self.path_of("agent"),), daemon=True
        )
        self.process.start()

    def stop_agent(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None

    def run(self, at):
        """Start the agent, to be killed at a step; returns the killer."""
        self.stop_agent()
        self.killer = test_kill.Killer(at)
        self.start_agent()
        self.killer.agent = self.process
        return self.killer


class KillTest(base.StoryTest):
    proto = "NFS"
    kills = 0

    def make_cloud(self):
        return self.useFixture(Processes())

    def _told(self, ask, status, at):
        """Ask for something while there is no agent; it is killed then."""
        self.c.stop_agent()
        self.assertIn(ask(), (200, 201))
        killer = self.c.run(at)
        cloud.wait_for(
            lambda: (
                killer.agent is None
                or self.c.status(self.server, self.share) == status
            ),
            f"neither {status} nor killed: {killer.seen}",
            60,
        )
        if killer.agent is None:
            self.kills += 1
            self.c.start_agent()
        self.c.see(self.server, self.share, status)
        killer.agent = None
        return killer.seen

    def _attach_and_detach(self, at):
        seen = self._told(
            lambda: self.c.attach(self.server, self.share), "inactive", at
        )
        cloud.wait_for(
            lambda: (
                [rule["state"] for rule in self.c.rules(self.share)]
                == ["active"]
            ),
            limit=60,
        )
        self.exact()
        seen += self._told(
            lambda: self.c.detach(self.server, self.share), None, at
        )
        self.exact(self.share)
        return seen

    def test_killed_at_each_call(self):
        self.share = self.c.share(proto=self.proto)
        calls = self._attach_and_detach(None)
        post = "POST /v2/shares/ID/action"
        self.assertIn(("before", post), calls)
        self.assertIn(("after", post), calls)
        for at in range(6):
            self.kills = 0
            self._attach_and_detach(at)
            # Each is two calls at least, and a look may be one less.
            self.assertGreaterEqual(self.kills, 2 if at < 4 else 0)


class CephfsKillTest(KillTest):
    proto = "CEPHFS"
