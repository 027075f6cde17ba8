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


"""A CephFS access rule that goes takes the client along that used it."""

import testtools

from nova_shares.tests.functional import cloud


class EvictedTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())
        self.server = self.c.server()
        self.share = self.c.share(proto="CEPHFS")
        self.assertEqual(201, self.c.attach(self.server, self.share))
        self.c.see(self.server, self.share, "inactive")
        self.c.act(self.server, "os-start")
        self.c.see(self.server, self.share, "active")
        self.done = []
        self.c.hypervisor.hook = self.happened

    def happened(self, phase, step, uuid):
        if phase == "before":
            self.done.append(step)

    def lose_rule(self):
        [rule] = self.c.cloud.rules(self.share)
        self.c.cloud.deny(rule)

    def in_use(self):
        """Tell whether the guest has what the rule of today lets in."""
        return bool(
            self.done
            and self.done[0] == "unplug"
            and self.done[-3:] == ["unmount", "mount", "plug"]
            and self.c.status(self.server, self.share) == "active"
            and [self.c.mapping(self.server, self.share).access_id]
            == [rule.id for rule in self.c.cloud.rules(self.share)]
        )

    def test_the_guest_gets_a_new_mount(self):
        self.lose_rule()
        cloud.wait_for(self.in_use, lambda: f"only {self.done}")
        self.assertEqual(4, len(self.done))

    def test_a_failure_in_between_is_not_forgotten(self):
        self.c.hypervisor.fail("unmount", "it is in the way", 3)
        self.lose_rule()
        self.c.see(self.server, self.share, "error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertEqual("unmount", fault.step)
        cloud.wait_for(self.in_use, lambda: f"only {self.done}")
        self.assertEqual(1, self.done.count("mount"))

    def test_nor_is_a_restart(self):
        self.c.hypervisor.fail("unplug", "not now", -1)
        self.lose_rule()
        self.c.see(self.server, self.share, "error")
        self.c.stop_agent()
        self.assertEqual({"unplug"}, set(self.done))
        self.c.hypervisor.fail("unplug", "", 0)
        self.c.start_agent()
        cloud.wait_for(self.in_use, lambda: f"only {self.done}")
