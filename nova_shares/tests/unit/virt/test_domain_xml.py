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

"""libvirt's XML, read and written."""

import json
import os

import fixtures
from hypothesis import given
from hypothesis import strategies as st
import testtools

from nova_shares.virt import domain_xml

GUEST = """<domain type='kvm' id='3'><name>i-1</name>
<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
<devices>
<filesystem type='mount' accessmode='passthrough'>
 <driver type='virtiofs'/><source dir='/base/u1'/><target dir='data'/>
 <alias name='fs0'/></filesystem>
<filesystem type='mount'><driver type='virtiofs'/><source socket='/x.sock'/>
 <target dir='other'/><alias name='fs1'/></filesystem>
</devices></domain>"""
HOST = """<domainCapabilities><devices><filesystem supported='{supported}'>
<enum name='driverType'><value>path</value><value>{driver}</value></enum>
</filesystem></devices></domainCapabilities>"""
#: What XML can carry.
TEXT = st.text(
    st.characters(min_codepoint=32, blacklist_categories=("Cs",)).filter(
        lambda c: c not in "\ufffe\uffff"
    ),
    min_size=1,
    max_size=40,
)


class DomainXmlTest(testtools.TestCase):
    def test_devices(self):
        self.assertEqual(
            [
                domain_xml.Filesystem("/base/u1", "data", "fs0"),
                domain_xml.Filesystem("", "other", "fs1"),
            ],
            domain_xml.filesystems(GUEST),
        )
        self.assertEqual([], domain_xml.filesystems("<domain/>"))

    @given(TEXT, TEXT)
    def test_a_device_comes_back_as_it_went(self, source, tag):
        device = domain_xml.device(source, tag)
        (found,) = domain_xml.filesystems(
            f"<domain><devices>{device}</devices></domain>"
        )
        self.assertEqual((source, tag), (found.source, found.tag))

    def test_shared_memory(self):
        self.assertTrue(domain_xml.has_shared_memory(GUEST))
        self.assertFalse(domain_xml.has_shared_memory("<domain/>"))
        self.assertFalse(
            domain_xml.has_shared_memory(GUEST.replace("shared", "private"))
        )

    def test_what_qemu_can_do(self):
        for supported, driver, can in (
            ("yes", "virtiofs", True),
            ("yes", "handle", False),
            ("no", "virtiofs", False),
        ):
            xml = HOST.format(supported=supported, driver=driver)
            self.assertEqual(can, domain_xml.has_virtiofs(xml))

    def test_is_there_a_virtiofsd(self):
        first = self.useFixture(fixtures.TempDir()).path
        second = self.useFixture(fixtures.TempDir()).path

        def told(directory, text, name="50-fs.json"):
            with open(os.path.join(directory, name), "w") as f:
                f.write(text)

        def found():
            return domain_xml.has_virtiofsd((first, second, "/nonexistent"))

        self.assertFalse(found())
        other = json.dumps({"type": "gpu", "binary": "/bin/sh"})
        told(second, other, "g.json")
        told(second, "{")
        self.assertFalse(found())
        told(second, json.dumps({"type": "fs", "binary": "/nonexistent"}))
        self.assertFalse(found())
        told(second, json.dumps({"type": "fs", "binary": "/bin/sh"}))
        self.assertTrue(found())
        # An administrator turns it off by a file of the same name.
        told(first, "")
        self.assertFalse(found())
