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

"""What the tests in Python have in common: a world for each class."""

from __future__ import annotations

import contextlib
import logging

import fixtures
import testtools

from nova_shares.tests.functional.api import world

#: The four calls: method, whether it is on a share, the name of the rule.
CALLS = (
    ("GET", False, "index"),
    ("POST", False, "create"),
    ("GET", True, "show"),
    ("DELETE", True, "delete"),
)
UNKNOWN = "aaaaaaaa-0000-4000-8000-000000000001"


class Case(testtools.TestCase):
    """A test in a world that it shares with the others of its class."""

    deployment = world.SERVICE
    options = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world = world.World(cls.deployment, cls.options)
        cls.world.setUp()

    @classmethod
    def tearDownClass(cls):
        cls.world.cleanUp()
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.addCleanup(self.world.mend)
        self.addCleanup(self.world.execute, "DELETE FROM share_mappings")

    def rows(self):
        """List all mappings."""
        return self.world.store.list_all()

    def message(self, status, response):
        """Check an answer's status, and give its message."""
        self.assertEqual(status, response.status_int, response.text)
        ((_, fault),) = response.json.items()
        return fault["message"]

    @contextlib.contextmanager
    def nothing_written(self):
        """Check that the mappings are as before."""
        before = self.rows()
        yield
        self.assertEqual(before, self.rows())

    def each_call(self, server, share="nfs", **how):
        """Make each of the four calls; gives the rule too."""
        for method, on_share, name in CALLS:
            path = self.world.path(server, share if on_share else None)
            body = None
            if method == "POST":
                body = {"share": {"share_id": self.world.shares["nfs2"]}}
            how_too = {"body": body, **how}
            yield method, name, path, how_too

    def answers(self, server, share="nfs", prefix="", suffix="", **how):
        """Give the rule and the answer of each of the four calls."""
        for method, name, path, more in self.each_call(server, share, **how):
            with self.nothing_written():
                yield (
                    name,
                    self.world.ask(method, prefix + path + suffix, **more),
                )
