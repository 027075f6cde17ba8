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

"""The samples of the API reference are what the running API answers."""

import json
import pathlib

from nova_shares import mapping
from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

SAMPLES = (
    pathlib.Path(__file__).parents[4]
    / "doc"
    / "api_samples"
    / "os-server-shares"
    / "v2.97"
)


class SamplesTest(base.Case):
    def sample(self, name):
        """Read a sample, with the ids and the place of our own share.

        The second share of the list keeps what is its own.
        """
        text = (SAMPLES / f"server-shares-{name}.json").read_text()
        theirs = json.loads(
            (SAMPLES / "server-shares-admin-show-resp.json").read_text()
        )["share"]
        text = text.replace(theirs["share_id"], self.world.shares["nfs"])
        [row] = self.rows()[:1] or [None]
        if row is not None:
            text = text.replace(theirs["uuid"], row.uuid)
            text = text.replace(theirs["export_location"], row.export_location)
        return json.loads(text)

    def attach(self, user):
        path = self.world.path("stopped")
        return self.world.ask(
            "POST", path, self.sample("create-req"), user=user
        )

    def become_inactive(self):
        [row] = self.rows()
        self.world.store.advance(row, mapping.INACTIVE)

    def test_a_member(self):
        attached = self.attach("member")
        self.assertEqual(201, attached.status_int)
        self.assertEqual(self.sample("create-resp"), attached.json)
        self.become_inactive()
        shown = self.world.show("stopped", "nfs")
        self.assertEqual(self.sample("show-resp"), shown.json)

    def test_an_administrator(self):
        attached = self.attach("admin")
        self.assertEqual(201, attached.status_int)
        self.assertEqual(self.sample("admin-create-resp"), attached.json)
        self.become_inactive()
        shown = self.world.show("stopped", "nfs", user="admin")
        self.assertEqual(self.sample("admin-show-resp"), shown.json)

    def test_a_list(self):
        self.attach("member")
        self.become_inactive()
        self.assertEqual(201, self.world.attach("stopped", "nfs2").status_int)
        text = json.dumps(self.sample("list-resp"))
        second = self.sample("list-resp")["shares"][1]["share_id"]
        text = text.replace(second, self.world.shares["nfs2"])
        self.assertEqual(json.loads(text), self.world.list("stopped").json)


class FilterSamplesTest(SamplesTest):
    deployment = world.FILTER
