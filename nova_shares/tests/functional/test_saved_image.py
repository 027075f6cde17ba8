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

"""A guest whose memory is saved in an image, and started from it."""

import testtools

from nova_shares import exception
from nova_shares.tests.functional import cloud


class SavedImageTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())
        self.server, self.share = self.c.server(), self.c.share()
        self.c.attach(self.server, self.share)
        self.c.see(self.server, self.share, "inactive")
        self.c.act(self.server, "os-start")
        self.c.see(self.server, self.share, "active")
        self.uuid = self.c.mapping(self.server, self.share).uuid

    def save(self):
        self.c.hypervisor.save(self.server)
        self.c.see(self.server, self.share, "inactive")
        self.c.idle()

    def test_it_finds_its_share_mounted(self):
        self.save()
        self.c.hypervisor.restore(self.server)
        self.c.see(self.server, self.share, "active")

    def test_so_it_does_after_the_host_was_started_anew(self):
        self.save()
        self.c.hypervisor.lose_mounts()
        cloud.wait_for(lambda: self.uuid in self.c.hypervisor.mounts())
        self.c.hypervisor.restore(self.server)
        self.c.see(self.server, self.share, "active")

    def test_the_fault_says_why_not(self):
        self.c.hypervisor.fail("mount", "The NFS server is down.", -1)
        self.save()
        self.c.hypervisor.lose_mounts()
        self.c.see(self.server, self.share, "error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertEqual("The NFS server is down.", fault.message)
        self.assertRaises(
            exception.StepFailed, self.c.hypervisor.restore, self.server
        )
        self.c.hypervisor.fail("mount", "", 0)
        self.c.see(self.server, self.share, "inactive")

    def test_its_share_is_detached_once_the_image_is_gone(self):
        self.save()
        self.c.act(self.server, "os-stop")
        self.c.detach(self.server, self.share)
        self.c.see(self.server, self.share, "error")
        self.assertIn(self.uuid, self.c.hypervisor.mounts())
        # A start that does not use the image.
        self.c.hypervisor.start(self.server)
        self.c.hypervisor.stop(self.server)
        self.c.see(self.server, self.share, None)
        self.assertEqual({}, self.c.hypervisor.mounts())
