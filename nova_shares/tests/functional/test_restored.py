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

"""A database that was restored from a backup, while guests run."""

import contextlib
import os
import sqlite3

from nova_shares.compute import memory
from nova_shares.tests.functional import cloud


class RestoredTest(cloud.StoryTest):
    def setUp(self):
        super().setUp()
        self.server, self.share = self.c.server(), self.c.share()
        self.path = os.path.join(self.c.aio.directory, "nova-shares.sqlite")

    def started(self, server=None):
        """Have a share active in a guest that runs."""
        server = server or self.server
        self.attached(server)
        self.c.act(server, "os-start")
        self.see("active", server)

    def copied(self, source, target):
        """Copy a database over another, as one that is in use."""
        with contextlib.closing(sqlite3.connect(source)) as source:
            with contextlib.closing(sqlite3.connect(target)) as target:
                source.backup(target)

    def backup(self):
        """Back the database up, and go on until the agent has reported."""
        before = self.c.store.agent(self.c.host).heartbeats
        self.copied(self.path, self.path + ".backup")
        self.reported(before + 2)

    def reported(self, count):
        cloud.wait_for(
            lambda: self.c.store.agent(self.c.host).heartbeats > count
        )

    def restore(self):
        self.copied(self.path + ".backup", self.path)

    def check_stopped(self):
        """The agent stops by itself, and another does not start."""
        agent = self.c.aio.agent
        cloud.wait_for(lambda: agent.failure is not None)
        self.assertIn("confirm-restore", agent.failure)
        self.c.stop_agent()
        error = self.refused()
        self.assertLess(error.data["found"], error.data["known"])

    def refused(self):
        """Have an agent refuse to start; gives the error."""
        error = self.assertRaises(memory.Restored, self.c.start_agent)
        agent, self.c.aio.agent = self.c.aio.agent, None
        agent.stop()
        agent.wait()
        return error

    def confirm(self):
        self.c.store.confirm_restore()
        self.c.start_agent()

    def test_a_detached_share_does_not_come_back_into_its_guest(self):
        other = self.c.server()
        self.started()
        self.started(other)
        self.backup()
        self.c.act(self.server, "os-stop")
        self.see("inactive")
        self.detached()
        self.c.act(self.server, "os-start")
        self.restore()
        self.check_stopped()
        self.assertEqual({}, self.c.hypervisor.devices(self.server))
        self.assertEqual(1, len(self.c.hypervisor.devices(other)))
        self.confirm()
        # Now it is what the operator wants. The row says so already.
        cloud.wait_for(
            lambda: len(self.c.hypervisor.devices(self.server)) == 1
        )

    def test_a_detach_of_the_past_is_not_repeated(self):
        self.started()
        self.c.act(self.server, "os-stop")
        self.see("inactive")
        self.c.cloud.hold("deny")
        self.detach()
        self.backup()
        self.c.cloud.release("deny")
        self.see(None)
        self.started()
        self.restore()
        self.check_stopped()
        self.assertEqual(1, len(self.c.hypervisor.devices(self.server)))
        self.assertEqual(1, len(self.c.rules(self.share)))

    def test_a_host_that_the_backup_does_not_know(self):
        self.reported(2)
        self.c.stop_agent()
        self.c.execute("DELETE FROM share_agents")
        self.refused()
        self.confirm()
        self.reported(0)

    def test_a_confirmed_restore_is_another_one_the_next_time(self):
        self.backup()
        self.restore()
        self.check_stopped()
        self.confirm()
        self.reported(self.c.store.agent(self.c.host).heartbeats + 2)
        self.restore()
        self.check_stopped()


class UnexplainedMountTest(cloud.StoryTest):
    def test_a_rule_is_kept_for_a_guest_of_no_mapping(self):
        self.server, self.share = self.c.server(), self.c.share()
        other = self.c.server()
        for server in (self.server, other):
            self.attached(server)
            self.c.act(server, "os-start")
            self.see("active", server)
        # As if it had been attached after the backup.
        uuid = self.c.mapping(other, self.share).uuid
        self.c.execute("DELETE FROM share_mappings WHERE uuid = ?", uuid)
        self.c.act(self.server, "os-stop")
        self.see("inactive")
        self.detach()
        self.see("error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertIn(uuid, fault.message)
        self.assertEqual(1, len(self.c.rules(self.share)))
        self.assertIn(uuid, self.c.hypervisor.mounts())
        # When the guest has stopped nobody needs it.
        self.c.act(other, "os-stop")
        self.see(None)
        self.assertEqual([], self.c.rules(self.share))
        self.assertEqual({}, self.c.hypervisor.mounts())
