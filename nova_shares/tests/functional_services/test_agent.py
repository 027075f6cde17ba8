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

"""The agent as a process: how it starts, stops, and gives a host up."""

import os
import time
import uuid

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional import test_stories as stories
from nova_shares.tests.functional_services import processes


class AgentTest(processes.Shared, stories.StoryTest):
    database = fixtures_db.Mysql

    def new_agent(self, name, **conf):
        agent = self.c.new_agent(name, **conf)
        self.addCleanup(agent.kill)
        return agent

    def directory(self):
        path = os.path.join(self.c.directory, uuid.uuid4().hex)
        os.mkdir(path)
        return path

    # Stopping.

    def test_sigterm(self):
        self.attached()
        self._stops_quickly()
        self.assertIn("has stopped", self.c.agent.log())

    def test_sigterm_while_manila_hangs(self):
        self.c.cloud.fail("manila", "share-access-rules", hang=60)
        self.attach()
        cloud.wait_for(
            lambda: self.c.cloud.requests("manila", "share-access-rules")
        )
        self._stops_quickly()

    def _stops_quickly(self):
        began = time.monotonic()
        # It fails unless the agent ends with 0.
        self.c.stop_agent()
        self.assertLess(time.monotonic() - began, 10)

    def test_after_sigkill_the_next_takes_over_at_once(self):
        self.c.cloud.hold("allow")
        self.attach()
        cloud.wait_for(lambda: self.c.rules(self.share))
        self.c.agent.kill()
        self.c.start_agent(listening=False)
        self.c.cloud.release("allow")
        self.see("inactive")
        self.assertEqual(stories.ACTIVE_RULE, self.c.rules())

    # One agent a host.

    def test_a_second_agent_on_the_machine_is_refused(self):
        second = self.new_agent("second")
        self.assertEqual(1, second.wait())
        self.assertIn("Another agent", second.log())
        self.assertNotIn("Traceback", second.log())
        self.attached()

    def test_an_agent_elsewhere_gives_way_on_a_host_without_shares(self):
        newer = self.new_agent("newer", directory=self.directory())
        self.assertEqual(1, newer.wait())
        self.assertTrue(self.c.agent.runs())
        self.attached()

    def test_a_newer_agent_where_the_guests_are_takes_over(self):
        self.attached()
        newer = self.new_agent("newer", directory=self.directory())
        newer.wait_for_log("Agent of .* is up")
        self.assertEqual(2, self.c.agent.wait())
        self.assertIn(
            "A newer agent has taken the host over", self.c.agent.log()
        )
        self.detach()
        self.see(None)
        self.assertTrue(newer.runs())
        newer.terminate()
        self.assertEqual(0, newer.wait())

    # Another database than before.

    def test_another_database_at_the_start(self):
        self.c.stop_agent()
        other = self.c.database.__class__()
        self.addCleanup(other.drop)
        store = other.synced()
        mapping = store.insert(
            fixtures_db.new_mapping(
                host=self.c.host,
                instance_uuid=self.server,
                share_id=self.share,
            )
        )
        agent = self.new_agent("other", database=other.url)
        self.assertEqual(1, agent.wait())
        self._says_so(agent)
        self.assertEqual("attaching", store.get(mapping.uuid).status)
        self.assertEqual([], store.agents())
        self.assertEqual([], self.c.rules())

    def test_another_database_meanwhile(self):
        self.attached()
        known = self.c.store.database_id()
        rename = "UPDATE database_identity SET uuid = :uuid"
        self.addCleanup(self.c.database.run, rename, uuid=known)
        self.c.database.run(rename, uuid=str(uuid.uuid4()))
        self.assertEqual(2, self.c.agent.wait())
        self._says_so(self.c.agent)
        self.assertEqual(stories.ACTIVE_RULE, self.c.rules())

    def _says_so(self, agent):
        self.assertRegex(agent.log(), "(?i)database (ID is|.*another)")
