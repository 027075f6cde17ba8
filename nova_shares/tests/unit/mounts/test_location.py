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

"""Export locations: what passes is one, and what is odd does not pass."""

import dataclasses
import re

from hypothesis import given
from hypothesis import strategies as st
import testtools

from nova_shares.mounts import location

GOOD = (
    ("NFS", "192.0.2.10:/shares/share_1", "192.0.2.10:/shares/share_1"),
    ("NFS", "filer.example.org:/a/b/", "filer.example.org:/a/b"),
    ("NFS", "[2001:DB8::10]:/a//b", "[2001:db8::10]:/a/b"),
    ("NFS", "filer:/", "filer:/"),
    ("NFS", "filer.:/x", "filer.:/x"),
    ("NFS", "192.0.2.10:2049:/x", "192.0.2.10:/x"),
    ("NFS", "[2001:db8::10]:12049:/x", "[2001:db8::10]:/x"),
    ("CEPHFS", "192.0.2.1:6789:/volumes/_nogroup/x", None),
    ("CEPHFS", "192.0.2.1,192.0.2.2:6790:/volumes/x", None),
    ("CEPHFS", "[2001:db8::1]:6789,[2001:db8::2]:6789:/x", None),
)
BAD = (
    ("NFS", ""),
    ("NFS", "/exports/x"),
    ("NFS", ":/exports/x"),
    ("NFS", "-o:/exports/x"),
    ("NFS", "192.0.2.10:/x,rw,exec"),
    ("NFS", "192.0.2.10:/x y"),
    ("NFS", "192.0.2.10:/x\nmount"),
    ("NFS", "192.0.2.10:/x;reboot"),
    ("NFS", "192.0.2.10:/a/../../etc"),
    ("NFS", "192.0.2.10:/a/./b"),
    ("NFS", "192.0.2.1,192.0.2.2:/x"),
    ("NFS", "192.0.2.10:0:/x"),
    ("NFS", "192.0.2.10:65536:/x"),
    ("NFS", "192.0.2.10:+1:/x"),
    ("NFS", "192.0.2.10:20:49:/x"),
    ("NFS", "192.0.2.10::/x"),
    ("NFS", "[not::an::address]:/x"),
    ("NFS", "[fe80::1%eth0]:/x"),
    ("NFS", "[fe80::1%eth0 -o suid;x]:/x"),
    ("NFS", "[192.0.2.10]:/x"),
    ("NFS", "2001:db8::10:/x"),
    ("NFS", "nfs_srv:/x"),
    ("NFS", "192.0.2.300:/x"),
    ("NFS", "1.2.3.4.5:/x"),
    ("NFS", "7:/x"),
    ("NFS", "a" * 64 + ":/x"),
    ("NFS", "a..b:/x"),
    ("NFS", "filer:/vol$1"),
    ("NFS", "/vol$1"),
    ("NFS", "\\\\srv\\x"),
    ("NFS", None),
    ("NFS", 2049),
    ("NFS", ["filer:/x"]),
    (None, "filer:/x"),
    (["NFS"], "filer:/x"),
    ("CEPHFS", None),
    ("CEPHFS", "[fe80::1%lo]:6789:/x"),
    ("CEPHFS", "mon_1:6789:/x"),
    ("NFS", "$(id):/x"),
    ("NFS", "filer-:/x"),
    ("NFS", "f\u00efler:/x"),
    ("NFS", "filer:/" + "x" * 2000),
    ("CEPHFS", "192.0.2.1:66000:/x"),
    ("CEPHFS", "192.0.2.1:0:/x"),
    ("CEPHFS", "192.0.2.1:6789,:/x"),
    ("CEPHFS", "192.0.2.1:6789;192.0.2.2:/x"),
    ("CEPHFS", "192.0.2.1:6789:/x,secret=y"),
    ("CIFS", "192.0.2.1:/x"),
)
HOST = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
PATH = st.lists(
    st.from_regex(r"[A-Za-z0-9_@%+=~-][A-Za-z0-9._-]{0,8}", fullmatch=True),
    min_size=1,
    max_size=5,
).map(lambda parts: "/" + "/".join(parts))
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="a1.-:/[],;$`'\"\\ \n\t=@", max_size=40),
    st.builds(
        lambda left, odd, right: left + odd + right,
        st.just("192.0.2.1:/a"),
        st.sampled_from(
            [";", "\n", "/../", ",", " -o ", "$(x)", "`x`", "\0", "'", "|"]
        ),
        st.text(max_size=10),
    ),
)


class LocationTest(testtools.TestCase):
    def test_good(self):
        for protocol, text, device in GOOD:
            found = location.parse(protocol, text)
            self.assertEqual(device or text, found.device)
            self.assertEqual(
                dataclasses.replace(found, port=None),
                location.parse(protocol, found.device),
            )

    def test_bad(self):
        for protocol, text in BAD:
            error = self.assertRaises(
                location.BadLocation, location.parse, protocol, text
            )
            # What was hostile in it is not handed on by the message.
            self.assertNotIn("\n", str(error))

    @given(HOST, PATH)
    def test_what_is_one_passes(self, host, path):
        found = location.parse("NFS", f"{host}:{path}")
        self.assertEqual((host,), found.servers)
        self.assertEqual(path, found.path)
        self.assertTrue(found.is_mounted_as("nfs4", f"{host}:{path}"))
        self.assertFalse(found.is_mounted_as("ext4", f"{host}:{path}"))
        self.assertFalse(found.is_mounted_as("nfs4", f"{host}:{path}x"))

    def test_the_port_of_an_nfs_server(self):
        for text, port in (
            ("filer:/x", None),
            ("filer:12049:/x", 12049),
            ("[2001:db8::10]:/x", None),
            ("[2001:db8::10]:12049:/x", 12049),
        ):
            self.assertEqual(port, location.parse("NFS", text).port)

    def test_a_server_with_several_addresses(self):
        """The kernel shows the one that was mounted first."""
        found = location.parse("NFS", "192.0.2.10:/shares/one")
        for first in ("192.0.2.11", "filer.example.org", "[2001:db8::1]"):
            self.assertTrue(
                found.is_mounted_as("nfs4", f"{first}:/shares/one")
            )
            self.assertFalse(
                found.is_mounted_as("nfs4", f"{first}:/shares/two")
            )
        for source in ("/shares/one", "shares/one", "", ":", "filer"):
            self.assertFalse(found.is_mounted_as("nfs4", source))

    def test_the_file_system_of_a_share(self):
        for given_options, name in (
            (None, None),
            ("", None),
            ("fs=two", "two"),
            ("fs=ceph-fs_2.b", "ceph-fs_2.b"),
        ):
            self.assertEqual(name, location.file_system(given_options))
        for bad in (
            *("fs", "fs=", "fs=two,suid", "fs=a b", "fs=-x", "suid", "FS=x"),
            *("fs=" + "x" * 65, "fs=two\n", "secret=x", "fs=a=b", 7, ["fs=x"]),
        ):
            self.assertRaises(location.BadLocation, location.file_system, bad)

    @given(st.sampled_from(("NFS", "CEPHFS")), HOSTILE)
    def test_what_passes_is_harmless(self, protocol, text):
        try:
            found = location.parse(protocol, text)
        except location.BadLocation:
            return
        # Nothing of it ends an option, an argument or the tree.
        self.assertFalse(found.device.startswith("-"))
        self.assertRegex(found.path, r"\A(/[A-Za-z0-9._@%+=~-]+)+\Z|\A/\Z")
        self.assertFalse({".", ".."} & set(found.path.split("/")))
        for server in found.servers:
            self.assertRegex(server, r"\A[\[A-Za-z0-9][\]\[A-Za-z0-9.:-]*\Z")
        self.assertNotIn(",", found.fuse_name)

    @given(st.text(max_size=200))
    def test_a_mount_table_proves_nothing_odd(self, source):
        found = location.parse("CEPHFS", "192.0.2.1:6789:/volumes/x")
        for fstype in ("ceph", "fuse.ceph-fuse"):
            if found.is_mounted_as(fstype, source):
                self.assertTrue(
                    re.split("[:=](?=/)", source)[-1].strip("/") == "volumes/x"
                    or source == found.fuse_name
                )

    def test_a_mount_of_cephfs(self):
        found = location.parse("CEPHFS", "mon1:6789,mon2:6789:/volumes/x")
        for fstype, source in (
            ("ceph", "192.0.2.1:6789,192.0.2.2:6789:/volumes/x"),
            ("ceph", "name@4f2f5c8e-aaaa.cephfs=/volumes/x"),
            ("fuse", "mon1:6789;mon2:6789:/volumes/x"),
        ):
            self.assertTrue(found.is_mounted_as(fstype, source))
        for fstype, source in (
            ("ceph", "192.0.2.1:6789:/volumes/y"),
            ("ceph", "192.0.2.1:6789:/"),
            ("fuse", "mon1:6789:/volumes/x"),
            ("fuse.sshfs", "host:/volumes/x"),
            ("tmpfs", "/volumes/x"),
        ):
            self.assertFalse(found.is_mounted_as(fstype, source))
