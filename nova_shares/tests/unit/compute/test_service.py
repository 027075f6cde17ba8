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
import resource
import threading

import fixtures
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.compute import service
from nova_shares.virt import fake

ID = "4f7f2b1e-0000-4000-8000-000000000000"


class Database:
    def __init__(self, identifier):
        self._identifier = identifier

    def database_id(self):
        return self._identifier


class AgentTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.file = os.path.join(self.directory, "database-id")
        self.driver = fake.FakeDriver(fake.Hypervisor())
        self.agent = self.make()

    def make(self, database=ID):
        path = os.path.join(self.directory, "nova-shares.conf")
        with open(path, "w") as f:
            f.write(f"[DEFAULT]\nstate_path = {self.directory}\n")
        conf = nova_shares_conf.load(files=[path])
        return service.Agent(conf, self.driver, Database(database), None, None)

    def known(self):
        with open(self.file) as f:
            return f.read()

    def test_another_database_is_refused(self):
        self.agent._check_database()
        self.assertEqual(f"{ID}\n", self.known())
        self.agent._check_database()
        self.assertRaises(
            exception.ForeignDatabase, self.make("another")._check_database
        )
        self.assertEqual(f"{ID}\n", self.known())

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

    def test_a_full_disk_is_survived(self):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            self.assertRaises(OSError, self.agent._check_database)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertFalse(os.path.exists(self.file))
        self.agent._check_database()
        self.assertEqual(f"{ID}\n", self.known())

    def test_an_empty_file_says_nothing(self):
        open(self.file, "w").close()
        self.agent._check_database()
        self.assertEqual(f"{ID}\n", self.known())

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
