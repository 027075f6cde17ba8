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

"""Whatever happens, a mapping that is left alone gets where it should be.

Users, crashes, lost and repeated messages and failures of Manila come in
any order; then all is put right, and everything must settle where the last
accepted request wanted it, with exactly the access rules that the rows call
for.
"""

import random
import threading
import time
import unittest

from nova_shares import conductor
from nova_shares.clients import manila
from nova_shares.compute import service
from nova_shares.db import store as db_store
from nova_shares.tests.functional import cloud
from nova_shares.virt import fake

FAILURES = (
    {"status": 503},
    {"status": 401},
    {"status": 500, "after": True},
    {"html": True},
    {"refuse": True},
    {"refuse": True, "after": True},
    {"hang": 0.2},
)
EXAMPLES = 200


def _events(seed):
    """Draw what happens: users come more often than misfortune."""
    dice = random.Random(seed)
    pair = (lambda: dice.randrange(2), lambda: dice.randrange(3))
    kinds = (
        (6, "attach", *pair),
        (4, "detach", *pair),
        (2, "power", pair[0], lambda: "os-start"),
        (4, "power", pair[0], lambda: "os-stop"),
        (4, "wait", lambda: dice.choice((0.01, 0.05, 0.2))),
        (2, "kill_agent", lambda: dice.randrange(12)),
        (2, "start_agent"),
        (1, "lose_casts", lambda: dice.random() < 0.5),
        (1, "repeat_casts"),
        (1, "manila_fails", lambda: dice.choice(FAILURES), pair[0]),
        (1, "manila_holds", lambda: dice.choice(("allow", "deny"))),
        (1, "manila_releases"),
        (1, "rules_end_in_error", pair[1], lambda: dice.random() < 0.5),
        (1, "hypervisor_fails", lambda: dice.choice(fake.STEPS), pair[1]),
    )
    weights = [kind[0] for kind in kinds]
    for _, name, *draws in dice.choices(kinds, weights, k=25):
        yield name, [draw() for draw in draws]


class Dead(BaseException):
    """What a killed process does next: nothing."""


class Mortal:
    """A collaborator of an agent that may die before or after a call."""

    def __init__(self, real, life):
        self._real = real
        self._life = life

    def __getattr__(self, name):
        real = getattr(self._real, name)
        if name == "close":
            return real

        def call(*args, **kwargs):
            self._life.step()
            result = real(*args, **kwargs)
            self._life.step()
            return result

        return call


class Life:
    """How many more steps an agent has to live."""

    def __init__(self):
        self.left = None
        self.over = False
        self._lock = threading.Lock()

    def step(self):
        with self._lock:
            if self.left is not None:
                self.left -= 1
                self.over = self.over or self.left < 0
            if self.over:
                raise Dead


class World(cloud.Cloud):
    """The cloud, with an agent that can be killed within the process."""

    def _start(self):
        self.aio.sync()
        self.agent = None
        self.lossy = random.Random(0)
        self.losing = False
        self.start_agent()
        self.addCleanup(self.end_agent)

    def start_agent(self):
        if self.agent is not None and not self.life.over:
            return
        self.end_agent()
        self.life = Life()
        conf = self.aio.conf
        driver = Mortal(fake.FakeDriver(self.aio.hypervisor), self.life)
        ports = conductor.local(
            conf,
            driver,
            Mortal(db_store.Store.from_conf(conf), self.life),
            Mortal(manila.Shares(conf), self.life),
        )
        agent = service.Agent(conf, driver, *ports)
        look = agent.manager.reconcile
        agent.manager.reconcile = lambda uuid, generation=0, verify=False: (
            None if self._loses() else look(uuid, generation, verify)
        )
        agent.start()
        self.agent = agent

    def _loses(self):
        return self.losing and self.lossy.random() < 0.5

    def end_agent(self):
        """Bury what a kill has left."""
        if self.agent is not None:
            self.life.over = True
            agent, self.agent = self.agent, None
            # One that is killed reports nothing, and its lock goes with it.
            agent.failure = "killed"
            agent._lock.release()
            agent._lock = None
            agent.stop()
            # Its threads end in their own time: they can do nothing more.
            threading.Thread(target=agent.wait, daemon=True).start()


class Settling:
    """Two servers, two NFS shares and a CephFS share."""

    def __init__(self, world):
        self.world = world
        self.servers = [world.server(), world.server()]
        self.shares = [
            world.share(),
            world.share(),
            world.share(proto="CEPHFS"),
        ]
        self.wanted = set()
        self.uuids = set()

    def attach(self, server, share):
        pair = self.servers[server], self.shares[share]
        if self.world.attach(*pair) == 201:
            self.wanted.add(pair)
            mapping = self.world.mapping(*pair)
            if mapping is not None:
                self.uuids.add(mapping.uuid)

    def detach(self, server, share):
        pair = self.servers[server], self.shares[share]
        if self.world.detach(*pair) == 200:
            self.wanted.discard(pair)

    def power(self, server, action):
        path = f"/servers/{self.servers[server]}/action"
        status = self.world.ask("POST", path, {action: None}).status_code
        assert status in (202, 409), status

    def kill_agent(self, steps):
        self.world.life.left = steps

    def start_agent(self):
        self.world.start_agent()

    def lose_casts(self, losing):
        self.world.losing = losing

    def repeat_casts(self):
        for uuid in self.uuids:
            self.world.agent.manager.reconcile(uuid)

    def manila_fails(self, failure, count):
        self.world.cloud.fail("manila", count=count, **failure)

    def manila_holds(self, change):
        self.world.cloud.hold(change)

    def manila_releases(self):
        for change in ("allow", "deny"):
            self.world.cloud.release(change)

    def rules_end_in_error(self, share, on):
        self.world.cloud.rule_error(self.shares[share], on=on)

    def hypervisor_fails(self, step, count):
        self.world.hypervisor.fail(step, "as a test wants it", count)

    def wait(self, seconds):
        time.sleep(seconds)

    def settle(self):
        """Put all right, and see that everything gets where it should be."""
        self._put_right()
        cloud.wait_for(self._is_settled, self._explain, 20)
        # What the next example need not see.
        for server, share in self.wanted:
            self.world.cloud.set_server(server, vm_state="error")
            assert self.world.detach(server, share) == 200

    def _put_right(self):
        w = self.world
        w.cloud.clear_faults()
        for change in ("allow", "deny"):
            w.cloud.release(change)
        for share in self.shares:
            w.cloud.rule_error(share, on=False)
        for step in fake.STEPS:
            w.hypervisor.fail(step, "", 0)
        w.losing = False
        w.life.left = None
        w.start_agent()

    def _is_settled(self):
        return self._seen() == self._expected()

    def _expected(self):
        domains = self.world.hypervisor.domains()
        return {
            (server, share): "active" if domains[server] else "inactive"
            for server, share in self.wanted
        }, {
            share: self._rules_wanted(share)
            for share in self.shares
            if self._rules_wanted(share)
        }

    def _rules_wanted(self, share):
        count = sum(1 for _, wanted in self.wanted if wanted == share)
        return count if share == self.shares[2] else min(count, 1)

    def _seen(self):
        w = self.world
        mappings = {
            (m.instance_uuid, m.share_id): m.status
            for server in self.servers
            for m in w.store.list_all(instance_uuid=server)
        }
        rules = {
            share: len(w.cloud.rules(share))
            for share in self.shares
            if w.cloud.rules(share)
        }
        states = {r.state for s in self.shares for r in w.cloud.rules(s)}
        if states - {"active"} or not self._devices_match():
            return None
        return mappings, rules

    def _devices_match(self):
        w = self.world
        domains = w.hypervisor.domains()
        expected = {
            m.uuid
            for server in self.servers
            for m in w.store.list_all(instance_uuid=server)
            if domains[server]
        }
        plugged = {
            uuid
            for server in self.servers
            for uuid in w.hypervisor.devices(server).values()
        }
        mounted = set(w.hypervisor.mounts()) & (self.uuids | expected)
        return expected == plugged == mounted

    def _explain(self):
        w = self.world
        rows = [
            m
            for server in self.servers
            for m in w.store.list_all(instance_uuid=server)
        ]
        return (
            f"seen {self._seen()}, expected {self._expected()}, rows {rows}, "
            f"rules {[w.rules(s) for s in self.shares]}, mounts "
            f"{w.hypervisor.mounts()}"
        )


class SettlingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A killed thread has nothing to say.
        before = threading.excepthook
        cls.addClassCleanup(setattr, threading, "excepthook", before)
        threading.excepthook = lambda args: (
            None if args.exc_type is Dead else before(args)
        )
        cls.world = World(resync=0.3, policy_timeout=0.5)
        cls.world.setUp()
        cls.addClassCleanup(cls.world.cleanUp)

    # Apart, so that two workers share them.

    def test_settles_0(self):
        self.settle(0)

    def test_settles_1(self):
        self.settle(1)

    def test_settles_2(self):
        self.settle(2)

    def test_settles_3(self):
        self.settle(3)

    def settle(self, quarter):
        for seed in range(quarter, EXAMPLES, 4):
            with self.subTest(seed=seed):
                settling = Settling(self.world)
                for name, args in _events(seed):
                    getattr(settling, name)(*args)
                settling.settle()
