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


"""How an agent begins and ends."""

import os
import threading
from unittest import mock

import fixtures
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares import mapping
from nova_shares.compute import service
from nova_shares.tests import fixtures_db
from nova_shares.virt import fake

ID = "4f7f2b1e-0000-4000-8000-000000000000"


class Database:
    def __init__(self, identifier):
        self._identifier = identifier

    def database(self):
        return mapping.Database(self._identifier)

    def agent(self, host):
        return None


class AgentTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.driver = fake.FakeDriver(fake.Hypervisor())
        self.agent = self.make()

    def make(self, database=ID):
        path = os.path.join(self.directory, "nova-shares.conf")
        with open(path, "w") as f:
            f.write(f"[DEFAULT]\nstate_path = {self.directory}\n")
        conf = nova_shares_conf.load(files=[path])
        return service.Agent(conf, self.driver, Database(database), None, None)

    def test_who_has_none_of_the_guests_gives_way(self):
        """Only to an agent that reports: else a host would have none."""
        mine, other = (fixtures_db.new_mapping() for _ in range(2))
        hypervisor = fake.Hypervisor()
        hypervisor.define(mine.instance_uuid)
        for guests, age, stopped, was_here, gives_way in (
            ([], 1, False, False, True),
            ([], 1, False, True, False),
            ([other], 1, False, False, True),
            ([other], 1, False, True, False),
            ([other, mine], 1, False, False, False),
            ([other], 61, False, False, False),
            ([other], 1, True, False, False),
        ):
            state_path = self.useFixture(fixtures.TempDir()).path
            self.agent._conf.set_override("state_path", state_path)
            if was_here:
                with open(f"{state_path}/database-id", "w") as file:
                    file.write(ID)
                with open(f"{state_path}/heartbeats", "w") as file:
                    file.write("0 0")
            rows = mock.Mock()
            rows.database.return_value = mapping.Database(ID)
            rows.agent.return_value = mapping.Agent(
                "host", "boot", mapping.Capabilities(), age, stopped, 5
            )
            rows.list_for_host.return_value = guests
            driver = fake.FakeDriver(hypervisor)
            agent = service.Agent(self.agent._conf, driver, rows, None, None)
            if gives_way:
                self.assertRaises(service.HostTaken, agent._take_host)
                # Its supervisor starts it again.
                agent = service.Agent(agent._conf, driver, rows, None, None)
                self.assertRaises(service.HostTaken, agent._take_host)
            else:
                agent._take_host()
            self.assertEqual(not gives_way, rows.claim_host.called)

    def test_a_hypervisor_that_is_down_is_named_once(self):
        log = self.useFixture(fixtures.FakeLogger())
        tries = []

        def capabilities():
            tries.append(1)
            if len(tries) == 3:
                self.agent.stop()
            raise exception.StepFailed("Cannot connect to libvirt: no.")

        self.useFixture(fixtures.MockPatchObject(service, "_RETRY", 0.01))
        self.driver.capabilities = capabilities
        self.agent.start()
        self.assertEqual(3, len(tries))
        self.assertEqual(
            "Retrying: the hypervisor service is not available: Cannot"
            " connect to libvirt: no.\n",
            log.output,
        )

    def test_a_signal_in_the_midst_of_anything_stops_it(self):
        def interrupted():
            # As the handler finds the thread that it interrupts.
            with self.agent._stopping._cond, self.agent._resync_now._cond:
                self.agent.stop()

        thread = threading.Thread(target=interrupted, daemon=True)
        thread.start()
        thread.join(5)
        self.assertFalse(thread.is_alive())
        self.assertIsNone(self.agent.wait())
        self.assertTrue(self.agent._stopping.is_set())

    def test_what_is_still_at_work_keeps_its_driver(self):
        for has_ended in (False, True):
            self.agent.queue.stop = lambda ended=has_ended: ended
            self.agent.stop()
            self.agent.wait()
            self.assertEqual(has_ended, self.driver._closed.is_set())
