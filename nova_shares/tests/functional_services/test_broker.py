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

"""A broker that goes away in the middle, falls silent, and comes back."""

import subprocess
import time

from nova_shares import rpc
from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import test_stories as stories
from nova_shares.tests.functional_services import processes


class BrokerCase(processes.Shared, stories.StoryTest):
    database = fixtures_db.Mysql

    def setUp(self):
        super().setUp()
        self.broker = self.c.broker
        self.addCleanup(self.broker.mend)

    def attach_quickly(self, share):
        began = time.monotonic()
        self.assertEqual(201, self.c.attach(self.server, share))
        # Who waited for a silent broker would take ten seconds.
        self.assertLess(time.monotonic() - began, 5)


class BrokerTest(BrokerCase):
    def test_a30_the_broker_is_down(self):
        self.broker.cut()
        self.attach_quickly(self.share)
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_a30_the_broker_is_silent(self):
        self.broker.hush()
        self.attach_quickly(self.share)
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_the_broker_goes_down_in_the_middle(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.see("attaching")
        self.broker.cut()
        self.c.cloud.release("allow")
        self.see("inactive")
        self.c.cloud.hold("deny")
        self.detach()
        self.broker.mend()
        self.c.cloud.release("deny")
        self.see(None)
        self.nothing_left()

    def test_the_agent_stops_while_the_broker_is_down(self):
        self.broker.cut()
        began = time.monotonic()
        self.c.stop_agent()
        self.assertLess(time.monotonic() - began, 10)

    def test_the_agent_starts_while_the_broker_is_down(self):
        self.c.stop_agent()
        self.broker.cut()
        self.c.start_agent(listening=False)
        self.attach()
        self.see("inactive")
        self.broker.mend()
        self.c.agent.wait_for_log("Listening for RPC")

    def test_the_queue_is_deleted(self):
        """What was sent meanwhile is found; the agent has a queue again."""
        self.c.delete_queue()
        self.attached()
        self.detached()
        self.nothing_left()


#: No heartbeat that fails, and has the agent look over all.
NO_RESYNC = (
    "[compute]\nheartbeat_interval = 3600\n[api]\nagent_down_time = 10800\n"
)


class BrokerHintTest(BrokerCase):
    """Nobody looks for what a lost hint would have told of."""

    options = {"resync": 0, "options": NO_RESYNC}

    def test_hints_arrive_when_the_broker_is_back(self):
        # Until both processes of the API have a connection.
        for _ in range(6):
            self.c.attach(self.server, self.c.share())
        self.attached()
        self.broker.cut()
        lost = self.c.share()
        self.attach_quickly(lost)
        time.sleep(2)
        self.assertEqual("attaching", self.c.status(self.server, lost))
        self.broker.mend()
        self._hints_arrive()

    def test_hints_arrive_when_the_broker_speaks_again(self):
        self.attached()
        self.broker.hush()
        self.attach_quickly(self.c.share())
        time.sleep(2)
        self.broker.mend()
        self._hints_arrive()

    def test_hints_arrive_when_the_queue_was_deleted(self):
        self.attached()
        self.c.delete_queue()
        time.sleep(2)
        self._hints_arrive()

    def _hints_arrive(self):
        for _ in range(4):
            share = self.c.share()
            self.attach_quickly(share)
            self.c.see(self.server, share, "inactive")


class QuorumTest(BrokerHintTest):
    """As in a cloud that keeps nothing in transient queues."""

    options = {
        "resync": 0,
        # Exchanges have the names that they have elsewhere.
        "vhost": "nova_shares_quorum",
        "options": f"{NO_RESYNC}[oslo_messaging_rabbit]\n"
        "rabbit_quorum_queue = true\nrabbit_transient_quorum_queue = true\n",
    }

    def test_all_queues_are_quorum_queues(self):
        self.attached()
        command = "rabbitmqctl -q list_queues -p nova_shares_quorum name type"
        listed = subprocess.run(
            command.split(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        kinds = dict(line.split("\t") for line in listed.splitlines()[1:])
        self.assertIn(f"{rpc.TOPIC}.{self.c.host}", kinds)
        self.assertEqual({"quorum"}, set(kinds.values()), kinds)
