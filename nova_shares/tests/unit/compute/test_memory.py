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

"""What a host remembers of its database."""

import os
import resource

import fixtures
import testtools

from nova_shares import exception
from nova_shares.compute import memory
from nova_shares.mapping import Agent
from nova_shares.mapping import Capabilities
from nova_shares.mapping import Database

ID = "4f7f2b1e-0000-4000-8000-000000000000"


class MemoryTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def path(self, name):
        return os.path.join(self.directory, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def make(self, host="host"):
        return memory.Memory(self.directory, host)

    def check(self, heartbeats, database=ID, restores=0):
        """Check as a start of the agent does."""
        made = self.make()
        agent = None
        if heartbeats is not None:
            agent = Agent(
                "host", "boot", Capabilities(), 0, heartbeats=heartbeats
            )
        made.check(Database(database, restores), agent)
        return made

    def refused(self, heartbeats, **fields):
        before = self.read("heartbeats")
        error = self.assertRaises(
            memory.Restored, self.check, heartbeats, **fields
        )
        self.assertEqual(before, self.read("heartbeats"))
        return error

    def test_another_database(self):
        self.check(0)
        self.assertEqual(f"{ID}\n", self.read("database-id"))
        self.check(0)
        self.assertRaises(
            exception.ForeignDatabase, self.check, 0, database="another"
        )
        self.assertEqual(f"{ID}\n", self.read("database-id"))

    def test_another_host(self):
        self.make().check_host()
        self.make().check_host()
        error = self.assertRaises(
            memory.HostChanged, self.make("other").check_host
        )
        self.assertEqual("host", error.data["known"])
        os.unlink(error.data["file"])
        self.make("other").check_host()

    def test_a_change_that_is_meant_is_no_restore(self):
        """Neither of the name of the host, nor of the database."""
        self.make().check_host()
        self.check(5000)
        self.assertFalse(self.make().is_new)
        os.unlink(self.path("host"))
        renamed = self.make("other")
        renamed.check_host()
        self.assertTrue(renamed.is_new)
        renamed.check(Database(ID), None)
        self.check(5000)
        os.unlink(self.path("database-id"))
        self.assertEqual(0, self.check(None, database="new").heartbeats)

    def test_a_full_disk(self):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        made = self.make()
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
        try:
            self.assertRaises(OSError, made.check, Database(ID), None)
            # Nothing is wrong with the database.
            made.count()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        self.assertFalse(os.path.exists(self.path("database-id")))
        self.check(1)
        self.assertEqual(f"{ID}\n", self.read("database-id"))

    def test_a_file_that_was_torn_says_nothing(self):
        for text in ("", "7", "x y", "1 x", "0 "):
            for name in ("database-id", "heartbeats"):
                with open(self.path(name), "w") as f:
                    f.write(text if name == "heartbeats" else "")
            self.assertEqual(0, self.check(0).heartbeats)

    def test_heartbeats_only_rise(self):
        self.check(5)
        made = self.check(7)
        made.count()
        self.assertEqual(8, self.make().heartbeats)
        for fewer in (7, 0, None):
            self.refused(fewer)
        self.check(8)
        self.check(100)
        self.refused(99)

    def test_a_confirmed_restore(self):
        self.check(9)
        self.refused(3)
        self.assertEqual(3, self.check(3, restores=1).heartbeats)
        self.refused(2, restores=1)
        # From a backup of before the restore that was confirmed.
        self.refused(50, restores=0)
        self.check(None, restores=2)
