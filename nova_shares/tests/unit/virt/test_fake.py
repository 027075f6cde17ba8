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

import os
import tempfile
import threading
import unittest

from nova_shares import exception
from nova_shares import mapping
from nova_shares.virt import fake

MAPPING = mapping.ShareMapping(
    uuid="m",
    instance_uuid="s",
    project_id="p",
    host="h",
    share_id="sh",
    share_proto="NFS",
    export_location="10.0.0.1:/x",
    tag="t",
)


class FakeDriverTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.hypervisor = self.make_hypervisor()
        self.driver = fake.FakeDriver(self.hypervisor)
        self.addCleanup(self.driver.close)

    def make_hypervisor(self):
        return fake.Hypervisor()

    def test_a_guest_and_its_device(self):
        self.assertIsNone(self.driver.is_running("s"))
        self.hypervisor.define("s")
        self.assertIs(False, self.driver.is_running("s"))
        self.hypervisor.start("s")
        self.assertEqual({"s": True}, self.driver.domains())
        self.driver.mount(MAPPING, None)
        self.driver.plug(MAPPING)
        self.driver.plug(MAPPING)
        self.assertTrue(self.driver.is_plugged(MAPPING))
        with self.assertRaises(exception.StepFailed):
            self.driver.unmount(MAPPING)
        self.hypervisor.stop("s")
        self.assertFalse(self.driver.is_plugged(MAPPING))
        self.driver.unmount(MAPPING)
        self.driver.unmount(MAPPING)
        self.assertFalse(self.driver.is_mounted(MAPPING))

    def test_plug_wants_a_mount_and_a_running_guest(self):
        self.hypervisor.define("s")
        with self.assertRaises(exception.StepFailed):
            self.driver.plug(MAPPING)
        self.hypervisor.start("s")
        with self.assertRaises(exception.StepFailed):
            self.driver.plug(MAPPING)

    def test_events(self):
        heard, changed = [], threading.Event()
        self.driver.listen(lambda s: (heard.append(s), changed.set()))
        self.hypervisor.start("s")
        self.assertTrue(changed.wait(10), "a start was not told")
        self.assertEqual(["s"], heard)

    def test_told_to_fail(self):
        self.hypervisor.fail("mount", "no such export", 1)
        with self.assertRaises(exception.StepFailed) as caught:
            self.driver.mount(MAPPING, None)
        self.assertEqual("no such export", caught.exception.message)
        self.driver.mount(MAPPING, None)


class OtherProcessTest(FakeDriverTest):
    """The same by a socket."""

    def make_hypervisor(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        address = os.path.join(directory.name, "hypervisor")
        self.addCleanup(fake.serve(fake.Hypervisor(), address))
        return fake.connect(address)
