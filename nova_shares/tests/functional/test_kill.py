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

"""The agent killed between any two steps, and started again.

The agent is a process of its own; the hypervisor and the cloud live in the
test's process, and kill it just before or just after the effect of each
step that they see.
"""

import multiprocessing
import os
import re

import testtools

from nova_shares.cmd import compute
from nova_shares.tests.functional import cloud
from nova_shares.virt import fake


def _run_agent(config_file):
    compute.run(["--config-file", config_file])


class Killer:
    """Counts the steps of the agent, and kills it at one of them.

    :param at: the number of the step; None: none
    """

    def __init__(self, at=None):
        self.at = at
        self.seen = []
        self.agent = None

    def step(self, phase, step, *rest):
        if self.agent is None:
            return
        self.seen.append((phase, str(step)))
        if self.at == len(self.seen) - 1:
            agent = self.agent
            agent.kill()
            agent.join()
            # Only now can there be another: this one held the lock.
            self.agent = None
            if phase == "before":
                raise RuntimeError("killed before it took effect")

    def request(self, phase, request):
        # A look for stale locks is no step, and comes at any time.
        if request.user == "nova-shares" and "created_since" not in (
            request.path
        ):
            path = re.sub("[0-9a-f-]{36}", "ID", request.path)
            self.step(phase, f"{request.method} {path}")


class World(cloud.Cloud):
    """The cloud, with an agent in a process of its own."""

    def _setUp(self):
        # A fresh interpreter a start would cost seconds.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["nova_shares.cmd.compute"])
        self.killer = Killer()
        self.agent = None
        super()._setUp()

    def _start(self):
        hypervisor = self.aio.hypervisor
        hypervisor.hook = lambda *step: self.killer.step(*step)
        self.cloud = self.aio.cloud
        self.cloud.on_request(
            "manila", lambda *step: self.killer.request(*step)
        )
        address = os.path.join(self.aio.directory, "hypervisor")
        self.addCleanup(fake.serve(hypervisor, address))
        self.config_file = os.path.join(self.aio.directory, "nova-shares.conf")
        with open(self.config_file, "a") as f:
            f.write(f"[DEFAULT]\nlog_file = {self.aio.directory}/agent.log\n")
            f.write(f"[compute]\nfake_hypervisor = {address}\n")
        self.aio.sync()
        self.addCleanup(self.stop_agent)
        self.start_agent()
        # Attaching wants to see the agent.
        cloud.wait_for(lambda: self.aio_store().agents(), "no agent")

    def aio_store(self):
        return cloud.db_store.Store.from_conf(self.aio.conf)

    def start_agent(self):
        self.agent = self._context.Process(
            target=_run_agent, args=(self.config_file,), daemon=True
        )
        self.agent.start()

    def stop_agent(self):
        if self.agent is not None:
            self.agent.kill()
            self.agent.join()
            self.agent = None

    def run(self, at):
        """Start the agent, to be killed at a step; returns those seen."""
        self.stop_agent()
        self.killer = Killer(at)
        self.start_agent()
        self.killer.agent = self.agent
        return self.killer


class KillTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.w = self.useFixture(World(resync=0.3))

    def attach(self, at):
        """Attach and start a server, with the agent killed at a step."""
        self.w.stop_agent()
        server, share = self.w.server(), self.w.share(proto=self.proto)
        self.assertEqual(201, self.w.attach(server, share))
        self.w.act(server, "os-start")
        killer = self.w.run(at)
        self._settle(killer, lambda: self.w.status(server, share) == "active")
        self.w.see(server, share, "active")
        mapping = self.w.mapping(server, share)
        self.assertEqual(
            {mapping.tag: mapping.uuid}, self.w.hypervisor.devices(server)
        )
        self.assertEqual({mapping.uuid}, set(self.w.hypervisor.mounts()))
        self.assertEqual(
            ["active"], [rule.state for rule in self.w.cloud.rules(share)]
        )
        return server, share, killer.seen

    def detach(self, server, share, at):
        """Detach from a running guest, with the agent killed at a step."""
        self.w.stop_agent()
        self.w.cloud.set_server(server, vm_state="error")
        self.assertEqual(200, self.w.detach(server, share))
        killer = self.w.run(at)
        self._settle(killer, lambda: self.w.status(server, share) is None)
        self.w.see(server, share, None)
        self.assertEqual({}, self.w.hypervisor.devices(server))
        self.assertEqual({}, self.w.hypervisor.mounts())
        self.assertEqual([], self.w.cloud.rules())
        self.assertEqual({}, self.w.cloud.locks)
        return killer.seen

    def _settle(self, killer, done):
        """Wait until all is done, or the agent was killed: start it then."""
        cloud.wait_for(lambda: killer.agent is None or done(), "not killed")
        if killer.agent is None:
            self.w.start_agent()

    def _kill_at_each_step(self):
        server, share, attach_steps = self.attach(None)
        detach_steps = self.detach(server, share, None)
        self.assertIn(("after", "plug"), attach_steps)
        self.assertIn(("after", "unplug"), detach_steps)
        for at in range(max(len(attach_steps), len(detach_steps))):
            server, share, seen = self.attach(at)
            self.assertEqual(attach_steps[: at + 1], seen[: at + 1])
            seen = self.detach(server, share, at)
        return attach_steps, detach_steps

    proto = "NFS"

    def test_killed_at_each_step(self):
        attach_steps, detach_steps = self._kill_at_each_step()
        self.assertGreaterEqual(len(attach_steps), 8)
        self.assertGreaterEqual(len(detach_steps), 8)


class CephfsKillTest(KillTest):
    proto = "CEPHFS"
