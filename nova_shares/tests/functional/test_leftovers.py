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

"""Mounts that belong to no mapping, when the agent starts."""

import uuid

import testtools

from nova_shares.mapping import ShareMapping
from nova_shares.tests.functional import cloud


class LeftoverTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())
        self.server = self.c.server()

    def leave(self, count):
        """Leave mounts behind that no row names."""
        self.c.aio.stop_agent()
        left = [
            ShareMapping(
                uuid=str(uuid.uuid4()),
                instance_uuid=self.server,
                project_id="p",
                host="aio",
                share_id="s",
                share_proto="NFS",
                export_location="192.0.2.10:/x",
                tag="left",
            )
            for _ in range(count)
        ]
        for mapping in left:
            self.c.hypervisor.act("mount", mapping)
        return left

    def mounted(self):
        return set(self.c.hypervisor.mounts())

    def resynced(self):
        """Start the agent, and let it look over all a few times."""
        runs = []
        self.c.aio.start_agent()
        look = self.c.aio.agent.resync.run

        def run(**how):
            look(**how)
            runs.append(how)

        self.c.aio.agent.resync.run = run
        cloud.wait_for(lambda: len(runs) > 1, "no resync")

    def test_they_are_undone_and_no_other(self):
        share = self.c.share()
        self.c.attach(self.server, share)
        self.c.see(self.server, share, "inactive")
        self.c.act(self.server, "os-start")
        self.c.see(self.server, share, "active")
        _left, named = self.leave(2)
        self.c.hypervisor.act("plug", named)
        self.resynced()
        wanted = self.c.mapping(self.server, share).uuid
        self.assertEqual({named.uuid, wanted}, self.mounted())

    def test_many_are_told_of_and_left_alone(self):
        left = self.leave(11)
        self.resynced()
        self.assertEqual({m.uuid for m in left}, self.mounted())
