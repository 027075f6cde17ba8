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

"""The mount helper with the kernel's own NFS client and server.

The kernels that the tests run on have no NFS. That of a guest has: the
machine is started once more as a guest, with its own root directory.
"""

import json
import os
import sys
import uuid

import testtools

import nova_shares
from nova_shares.mounts import helper
from nova_shares.tests.functional.cloud import wait_for
from nova_shares.tests.functional_libvirt import lab

ROOT = os.path.dirname(os.path.dirname(nova_shares.__file__))
#: The helper needs no site packages, and starts sooner without.
PYTHON = f"PYTHONPATH={ROOT} {sys.executable} -S"
BASE = "/run/nova-shares-mounts"
#: knfsd in the guest. It can't export an overlay.
SERVER = (
    "mkdir -p /run/rpcbind /run/export /etc/nova-shares",
    "mkdir -p /var/lib/nfs/v4recovery",
    "mount -t tmpfs tmpfs /run/export",
    "printf '[mounts]\\ntimeout = 20\\n' >/etc/nova-shares/mount-helper.conf",
    "echo '/run/export *(rw,no_root_squash,insecure,no_subtree_check,"
    "fsid=0)' >/etc/exports",
    "mount -t nfsd nfsd /proc/fs/nfsd",
    "exportfs -ra && rpc.mountd -N 3",
)
ANEW = (
    "rm -rf /run/export/a; mkdir /run/export/a && "
    "echo {} >/run/export/a/file && exportfs -f"
)
DEAD = (
    "from nova_shares.mounts import child; "
    "print(child.is_dead('{path}', {{}}))"
)


class NfsTest(testtools.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest = lab.Machine()
        for fixture in (lab.Helper(), cls.guest):  # Nobody else uses the lab.
            fixture.setUp()
            cls.addClassCleanup(fixture.cleanUp)
        cls.guest.start()
        for command in SERVER:
            code, said = cls.guest.run(command)
            assert code == 0, said

    def setUp(self):
        super().setUp()
        self.one, self.two = str(uuid.uuid4()), str(uuid.uuid4())
        code, said = self.guest.run(f"rpc.nfsd -N 3 2; {ANEW.format('held')}")
        self.assertEqual(0, code, said)

    def call(self, verb, mapping, **document):
        """Call the helper in the guest; returns its answer."""
        given = json.dumps({"mapping": mapping, **document})
        code, said = self.guest.run(
            f"echo '{given}' | {PYTHON} -m {helper.__name__} {verb}", 180
        )
        answer = json.loads(said.splitlines()[-1])
        self.assertEqual(1 if "error" in answer else 0, code)
        return answer

    def mount(self, mapping, location):
        return self.call(
            "mount", mapping, protocol="NFS", export_location=location
        )

    def holds(self, mapping):
        code, said = self.guest.run(f"cat {BASE}/{mapping}/file")
        return said if code == 0 else None

    def is_dead(self, mapping):
        code = DEAD.format(path=f"{BASE}/{mapping}")
        code, said = self.guest.run(f'{PYTHON} -c "{code}"', 60)
        self.assertEqual(0, code, said)
        return said == "True"

    def nothing_left(self):
        self.assertEqual("", self.guest.run(f"ls {BASE}")[1])
        self.assertNotIn(BASE, self.guest.run("cat /proc/mounts")[1])

    def test_it_is_mounted_and_unmounted(self):
        location = "127.0.0.1:/a"
        self.assertEqual({}, self.mount(self.one, location))
        self.assertEqual({}, self.mount(self.one, location))
        self.assertEqual("held", self.holds(self.one))
        self.assertEqual({}, self.call("unmount", self.one))
        self.nothing_left()
        self.assertEqual({}, self.mount(self.one, "127.0.0.1:2049:/a"))
        self.assertEqual("held", self.holds(self.one))
        self.assertEqual({}, self.call("unmount", self.one))
        error = self.mount(self.one, "127.0.0.1:/none")["error"]
        self.assertIn("mount failed", error)
        self.nothing_left()

    def test_a_server_with_two_addresses(self):
        """The kernel shows the first one for both."""
        self.assertEqual({}, self.mount(self.one, "127.0.0.3:/a"))
        for _ in range(2):
            answer = self.mount(self.two, "127.0.0.1:/a")
            self.assertEqual({}, answer)
        self.assertEqual("held", self.holds(self.two))
        mounts = self.guest.run("grep nfs4 /proc/mounts")[1]
        self.assertEqual(2, mounts.count("127.0.0.3:/a "), mounts)
        for mapping in (self.one, self.two):
            self.assertEqual({}, self.call("unmount", mapping))
        self.nothing_left()

    def test_a_stale_mount_is_replaced(self):
        location = "127.0.0.1:/a"
        self.assertEqual({}, self.mount(self.one, location))
        self.assertFalse(self.is_dead(self.one))
        self.guest.run(ANEW.format("anew"))
        wait_for(lambda: self.is_dead(self.one), "it seems alive", 60)
        self.assertEqual({}, self.mount(self.one, location))
        self.assertEqual("anew", self.holds(self.one))
        self.assertFalse(self.is_dead(self.one))
        self.assertEqual({}, self.call("unmount", self.one))
        self.nothing_left()

    def test_a_server_that_is_silent(self):
        """That is not dead; and a mount of it is given up at its limit."""
        location = "127.0.0.1:/a"
        self.assertEqual({}, self.mount(self.one, location))
        self.guest.run("rpc.nfsd 0")
        self.assertFalse(self.is_dead(self.one))
        self.guest.run(
            f"{PYTHON} -c 'import socket, time; "
            's = socket.create_server(("127.0.0.1", 12049)); '
            "time.sleep(600)' & sleep 3"
        )
        error = self.mount(self.two, "127.0.0.1:12049:/a")["error"]
        self.assertIn("did not finish within 20 seconds", error)
        wait_for(lambda: self.call("unmount", self.one) == {}, "it stays", 120)
        self.nothing_left()
