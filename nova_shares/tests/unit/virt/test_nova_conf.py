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

"""Whether guests have shared memory, as nova.conf says or we are told."""

import os

import fixtures
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares.virt import nova_conf


class NovaConfTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(directory, "nova.conf")
        self.conf = nova_shares_conf.load(files=[])
        self.conf.set_override("nova_conf", self.path, "hypervisor")

    def shared(self, text=None):
        if text is not None:
            with open(self.path, "w") as f:
                f.write(text)
        return nova_conf.file_backed_memory(self.conf)

    def test_as_nova_conf_says(self):
        self.assertFalse(self.shared())
        for text, shared in (
            ("[libvirt]\nfile_backed_memory = 1048576\n", True),
            ("[libvirt]\nfile_backed_memory = 0\n", False),
            ("[libvirt]\nfile_backed_memory = lots\n", False),
            ("[DEFAULT]\nhost = x\nhost = x%y\n", False),
            ("no configuration", False),
        ):
            self.assertEqual(shared, self.shared(text), text)

    def test_as_we_are_told(self):
        text = "[libvirt]\nfile_backed_memory = 1048576\n"
        for option, shared in (("no", False), ("yes", True)):
            self.conf.set_override("file_backed_memory", option, "hypervisor")
            self.assertEqual(shared, self.shared(text))
            os.unlink(self.path)
            self.assertEqual(shared, self.shared())
