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

"""What nova-shares-compute --check says of a host."""

import os

import testtools

from nova_shares.cmd import check
from nova_shares.tests.functional import cloud


class CheckTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())
        self.conf = self.c.aio.conf

    def said(self):
        found = list(check.findings(self.conf))
        return (
            [text for well, text in found if well],
            [text for well, text in found if not well],
        )

    def test_a_host_that_lacks_nothing(self):
        well, missing = self.said()
        self.assertEqual([], missing)
        self.assertEqual(5, len(well))

    def test_what_is_down_is_named(self):
        self.c.cloud.fail("manila", status=503)
        self.c.cloud.fail("nova", status=503)
        self.conf.set_override("state_path", os.devnull + "/state")
        well, missing = self.said()
        self.assertEqual(2, len(well))
        self.assertEqual(
            ["manila", "nova", "state"], [m.split()[1] for m in missing]
        )

    def test_no_driver(self):
        self.conf.set_override("virt_driver", None, "compute")
        _, missing = self.said()
        self.assertEqual(
            ["[compute] virt_driver is not set. Set it to libvirt."], missing
        )

    def test_a_nova_conf_that_the_agent_does_without(self):
        self.conf.set_override("virt_driver", "libvirt", "compute")
        self.conf.set_override("nova_conf", "/nonexistent", "hypervisor")
        self.conf.set_override("file_backed_memory", "yes", "hypervisor")
        well, missing = self.said()
        self.assertNotIn("/nonexistent, see", "".join(missing))
        self.assertEqual(2, "".join(well).count("Cannot read /nonexistent"))

    def test_of_a_libvirt_host(self):
        """Each is a sentence, whatever this machine has or lacks."""
        self.conf.set_override("virt_driver", "libvirt", "compute")
        path = os.path.join(self.c.aio.directory, "nova.conf")
        self.conf.set_override("nova_conf", path, "hypervisor")
        self.conf.set_override("file_backed_memory", "auto", "hypervisor")
        self.conf.set_override("mount_helper", "/nonexistent", "hypervisor")
        _, missing = self.said()
        self.assertIn(f"{path}, see [hypervisor] nova_conf", missing[0])
        with open(path, "w") as f:
            f.write("[DEFAULT]\nhost = other\n[libvirt]\n")
        _, missing = self.said()
        self.assertIn("nova-compute has other", missing[0])
        text = "\n".join(missing)
        self.assertIn("num_pcie_ports", text)
        self.assertIn("Cannot run the mount helper", text)
        with open(path, "w") as f:
            f.write("[DEFAULT]\nhost = aio\n[libvirt]\nnum_pcie_ports = 9\n")
        well, _ = self.said()
        self.assertIn("[DEFAULT] host is aio, as for nova-compute.", well)
        self.assertIn("9 PCI ports", "\n".join(well))
