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

"""A cloud whose guests, shares and agent are real.

devcloud is Nova and Manila; its servers are libvirt's guests, and its
CephFS shares are in a real CephFS, with the identities that Manila makes.
The agent is a process of its own, which is killed and started again.
"""

import os
import subprocess
import sys
import time

from nova_shares import virt
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional.cloud import wait_for
from nova_shares.tests.functional_libvirt import lab


class World(cloud.Cloud):
    """The cloud, with real guests, a real CephFS and a real agent."""

    def __init__(self, **options):
        super().__init__(resync=0.5, **options)
        self.guests = {}
        self.agent = None
        #: The path of each share in the real CephFS.
        self.ceph_of = {}

    def _start(self):
        self.ceph = lab.Ceph()
        self.helper = self.useFixture(lab.Helper())
        self.cloud = self.aio.cloud
        self.cloud.on_power(self._power)
        self._let_manila_rule_ceph()
        self.config_file = os.path.join(self.aio.directory, "nova-shares.conf")
        with open(self.config_file, "a") as f:
            f.write(f"[DEFAULT]\nlog_file = {self.aio.directory}/agent.log\n")
            f.write("debug = true\n[compute]\nvirt_driver = libvirt\n")
            f.write(self.helper.options)
        self.aio.sync()
        self.addCleanup(self.stop_agent)
        self.start_agent()
        store = cloud.db_store.Store.from_conf(self.aio.conf)
        wait_for(store.agents, self.log, 30)

    def _power(self, server, event):
        guest = self.guests.get(server)
        if guest is not None:
            {"start": guest.start, "stop": guest.stop}[event]()

    def _let_manila_rule_ceph(self):
        """Have devcloud's access rules be identities of Ceph."""
        manila = self.cloud.manila
        apply, remove = manila._apply, manila._remove_rule

        def applied(rule):
            apply(rule)
            if rule.state == "active" and rule.access_type == "cephx":
                rule.access_key = self.ceph.allow(
                    rule.access_to, self.ceph_of[rule.share_id]
                )

        def removed(rule):
            remove(rule)
            if rule.access_type == "cephx":
                self.ceph.deny(rule.access_to)

        manila._apply, manila._remove_rule = applied, removed
        self.addCleanup(self._forget_identities)

    def _forget_identities(self):
        for rule in self.cloud.rules():
            self.ceph.deny(rule.access_to)

    def start_agent(self, *through):
        """Start it, through another program if need be."""
        self.agent = subprocess.Popen(
            [
                *through,
                sys.executable,
                *("-m", "nova_shares.cmd.compute"),
                *("--config-file", self.config_file),
            ],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # One that was stopped counts as down until the next one reports.
        wait_for(self._agent_is_up, "the agent does not report")

    def _agent_is_up(self):
        store = cloud.db_store.Store.from_conf(self.aio.conf)
        agent = store.agent(self.aio.conf.host)
        return agent is not None and not agent.is_down(60)

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()
        self.agent = None

    def stop_agent(self):
        if self.agent is not None:
            self.agent.terminate()
            self.agent.wait(20)
            self.agent = None

    def log(self):
        with open(f"{self.aio.directory}/agent.log") as f:
            return f.read()

    def allow_sudo(self, user, command):
        """Let a user run a command as root, until the test ends."""
        path = "/etc/sudoers.d/nova-shares-test"
        with open(path, "w") as f:
            f.write(f"{user} ALL=(root) NOPASSWD: {command} *\n")
        os.chmod(path, 0o440)
        self.addCleanup(os.unlink, path)

    def new_server(self, **options):
        server = self.server()
        self.guests[server] = self.useFixture(
            lab.Guest(server=server, **options)
        )
        return server, self.guests[server]

    def new_share(self, files):
        share = self.share(proto="CEPHFS", paths=[files.export_location])
        self.ceph_of[share] = files.path
        return share

    def driver(self):
        """Make a driver of the test's own."""
        driver = virt.load(self.helper.conf())
        self.addCleanup(driver.close)
        return driver

    def forget(self, m):
        """Take a mapping's row away, whatever is there of it."""
        store = cloud.db_store.Store.from_conf(self.aio.conf)
        store.want_detached(m.uuid)
        store.delete(store.get(m.uuid))


class StoryTest(cloud.StoryTest):
    tag = "data"

    def setUp(self):
        super().setUp()
        self.w = self.c
        self.files = self.useFixture(lab.Share(self.w.ceph))
        self.share = self.w.new_share(self.files)
        self.server, self.guest = self.w.new_server(tag=self.tag)

    def make_cloud(self):
        return self.useFixture(World())

    def see(self, status, server=None, share=None, **limit):
        try:
            super().see(status, server, share, **limit)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.w.log()}") from None

    def start(self, server=None):
        self.w.act(server or self.server, "os-start")

    def stop(self, server=None):
        self.w.act(server or self.server, "os-stop")

    def fault(self):
        return self.w.mapping(self.server, self.share).fault

    def not_tried_again(self, fault):
        """Make sure that it is not, while resync comes by."""
        self.assertIsNone(fault.next_try)
        tries = []

        def over():
            # A start is two events, and two looks: the second may be late.
            time.sleep(2)
            tries.append(self.w.log().count("plug failed"))
            return tries[-2:-1] == tries[-1:]

        wait_for(over, self.w.log)
        resyncs = self.w.log().count("Resync: ")
        wait_for(lambda: self.w.log().count("Resync: ") > resyncs + 3)
        self.assertEqual(tries[-1], self.w.log().count("plug failed"))

    def in_error(self):
        """Let Nova say that the server is in error.

        It runs, and may be detached from.
        """
        self.w.cloud.set_server(self.server, vm_state="error")

    def nothing_left(self):
        wait_for(lambda: not lab.running("virtiofsd"), "a virtiofsd", 30)
        self.assertEqual([], lab.mounts())
        self.assertEqual([], lab.points())
        self.assertEqual([], lab.running("ceph-fuse"))
        self.assertEqual([], self.w.rules())
        self.assertEqual([], self.guest.tags())
        wait_for(
            lambda: (
                [i for i, _ in self.w.ceph.sessions() if "nova" in i] == []
            ),
            lambda: f"sessions: {self.w.ceph.sessions()}",
            # The one of a client that was killed ends by itself.
            limit=90,
        )
