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

"""The mount helper as root, against programs that stand in for mount.

What ``mount`` would be given is seen by a program of that name, which can
also hang. ``test_nfs`` mounts NFS for real.
"""

import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import time
import uuid

import fixtures
import testtools

from nova_shares.mounts import helper
from nova_shares.tests.functional_libvirt import lab

NFS = {"protocol": "NFS", "export_location": "192.0.2.10:/shares/one"}
KEY = "QVFBPT0gaXMgbm8ga2V5IG9mIGFueWJvZHk="


class HelperTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.helper = self.useFixture(lab.Helper(timeout=2))
        self.uuid = str(uuid.uuid4())
        self.programs = self.useFixture(fixtures.TempDir()).path
        self.said = os.path.join(self.programs, "said")

    def program(self, name, script):
        """Have a shell script stand in for a program."""
        path = os.path.join(self.programs, name)
        with open(path, "w") as f:
            f.write('#!/bin/sh\nfor word; do echo "$word"; done ')
            f.write(f">{self.said}\n{script}")
        os.chmod(path, 0o755)
        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_shares.mounts.child.ENV",
                {"PATH": f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        )
        self.useFixture(
            fixtures.EnvironmentVariable(
                "PATH", f"{self.programs}:{os.environ['PATH']}"
            )
        )

    def call(self, verb, **document):
        """Call the helper; returns its answer."""
        document.setdefault("mapping", self.uuid)

        class Stdin:
            buffer = io.BytesIO(json.dumps(document).encode())

        self.useFixture(fixtures.MonkeyPatch("sys.stdin", Stdin))
        self.useFixture(
            fixtures.MonkeyPatch("signal.alarm", lambda seconds: 0)
        )
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = helper.main([verb], self.helper.config)
        answer = json.loads(out.getvalue())
        self.assertEqual(1 if "error" in answer else 0, code)
        return answer

    def words(self):
        with open(self.said) as f:
            return f.read().split("\n")[:-1]

    def test_what_mount_is_given_for_nfs(self):
        self.program("mount", "exit 0\n")
        answer = self.call("mount", **NFS)
        # It said that it worked, and nothing is mounted.
        self.assertIn("does not show", answer["error"])
        self.assertEqual(
            [
                *("-t", "nfs", "-o", "nosuid,nodev,vers=4.1,retry=0", "--"),
                *("192.0.2.10:/shares/one", f"{lab.BASE}/{self.uuid}"),
            ],
            self.words(),
        )
        self.assertEqual([], lab.points())

    def test_what_mount_is_given_for_cephfs_by_the_kernel(self):
        self.helper = self.useFixture(lab.Helper(client="kernel", timeout=2))
        self.program("mount", 'cat "${4##*secretfile=}"; exit 32\n')
        answer = self.call(
            "mount",
            protocol="CEPHFS",
            export_location="192.0.2.1:6789,192.0.2.2:6789:/volumes/x",
            name="alice",
            key=KEY,
        )
        options = self.words()[3]
        self.assertRegex(
            options,
            r"\Anosuid,nodev,name=alice,secretfile=/proc/self/fd/\d+\Z",
        )
        # It could read the key there; nobody else is told.
        self.assertNotIn(KEY, answer["error"])
        self.assertIn("***", answer["error"])
        self.assertEqual(
            "192.0.2.1:6789,192.0.2.2:6789:/volumes/x", self.words()[5]
        )
        self.assertEqual([], lab.points())

    def test_the_port_of_an_nfs_server(self):
        self.program("mount", "exit 1\n")
        self.call(
            "mount",
            protocol="NFS",
            export_location="192.0.2.10:12049:/shares/one",
        )
        self.assertEqual(
            "nosuid,nodev,vers=4.1,retry=0,port=12049", self.words()[3]
        )
        self.assertEqual("192.0.2.10:/shares/one", self.words()[5])

    def test_the_file_system_of_a_cephfs_share(self):
        """Mounted by ceph-fuse, and as the kernel's client is given it."""
        ceph = lab.Ceph()
        share = self.useFixture(lab.Share(ceph))
        document = {
            "protocol": "CEPHFS",
            "export_location": share.export_location,
            "name": "test-fs",
            "key": ceph.allow("test-fs", share.path),
        }
        self.addCleanup(ceph.deny, "test-fs")
        answer = self.call("mount", fs="nosuchfs", **document)
        self.assertIn("ceph-fuse", answer["error"])
        self.assertEqual({}, self.call("mount", fs="cephfs", **document))
        self.assertEqual([self.uuid], lab.mounts())
        self.assertEqual({}, self.call("unmount"))
        self.helper = self.useFixture(
            lab.Helper(client="kernel", extra="options = wsync\n")
        )
        self.program("mount", "exit 32\n")
        self.call("mount", fs="two", **document)
        self.assertTrue(self.words()[3].endswith(",wsync,fs=two"))

    def test_why_mount_failed(self):
        self.program("mount", "echo access denied by server; exit 32\n")
        self.assertEqual(
            "mount failed (32): access denied by server",
            self.call("mount", **NFS)["error"],
        )

    def test_a_mount_that_hangs_is_given_up(self):
        self.program("mount", "sleep 60\n")
        began = time.monotonic()
        answer = self.call("mount", **NFS)
        self.assertIn("did not finish within 2 seconds", answer["error"])
        self.assertLess(time.monotonic() - began, 6)
        self.assertEqual([], lab.points())

    def test_a_wrong_key_is_given_up(self):
        ceph = lab.Ceph()
        share = self.useFixture(lab.Share(ceph))
        ceph.allow("test-right", share.path)
        self.addCleanup(ceph.deny, "test-right")
        began = time.monotonic()
        answer = self.call(
            "mount",
            protocol="CEPHFS",
            export_location=share.export_location,
            name="test-right",
            key="AQC5XQZrPzynOBAAnMYD61uDP5ZzZ15z0KYbWw==",
        )
        self.assertIn("ceph-fuse", answer["error"])
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual([], lab.points())
        self.assertEqual([], lab.running("ceph-fuse"))

    def test_something_else_is_mounted_there(self):
        point = f"{lab.BASE}/{self.uuid}"
        lab.make_base()
        os.mkdir(point)
        os.system(f"mount -t tmpfs tmpfs {point}")
        answer = self.call("mount", **NFS)
        self.assertIn("Something else is mounted", answer["error"])
        self.assertEqual([self.uuid], lab.mounts())
        self.assertEqual({}, self.call("unmount"))
        self.assertEqual([], lab.points())
        self.assertEqual({}, self.call("unmount"))

    def test_what_is_written_back_is_waited_for(self):
        lab.make_base()
        # As an unmount looks that is off the mount table and not at its end.
        left = self.impostor("umount", "umount")
        self.assertIn("still writes", self.call("unmount")["error"])
        left.kill()
        left.wait()
        self.assertEqual({}, self.call("unmount"))

    def impostor(self, name, program="tail", **how):
        """Start a process of that name, which names the mount point.

        :param program: the file name of what it runs
        """
        directory = self.useFixture(fixtures.TempDir()).path
        os.chmod(directory, 0o755)
        path = os.path.join(directory, program)
        shutil.copy(shutil.which("tail"), path)
        process = subprocess.Popen(
            [name, "-f", os.devnull, f"{lab.BASE}/{self.uuid}"],
            executable=path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **how,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_processes_that_only_have_the_name(self):
        """A user can start any program under any name."""
        lab.make_base()
        os.mkdir(f"{lab.BASE}/{self.uuid}")
        for name in ("virtiofsd", "umount"):
            # One is a user's, the other runs something else as root.
            self.impostor(name, name, user="nobody")
            self.impostor(name)
        other = self.impostor("ceph-fuse")
        self.assertEqual({}, self.call("unmount"))
        self.assertEqual([], lab.points())
        self.assertIsNone(other.poll())
        os.mkdir(f"{lab.BASE}/{self.uuid}")
        true = self.impostor("virtiofsd", "virtiofsd")
        self.assertIn("still serves", self.call("unmount")["error"])
        true.kill()
        true.wait()
        self.assertEqual({}, self.call("unmount"))

    def test_a_lock_file_that_is_a_link(self):
        lab.make_base()
        victim = os.path.join(self.programs, "victim")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{lab.BASE}/.lock")
        os.symlink(victim, f"{lab.BASE}/.lock")
        self.addCleanup(os.unlink, f"{lab.BASE}/.lock")
        self.assertIn("lock file", self.call("unmount")["error"])
        self.assertFalse(os.path.exists(victim))

    def test_a_group_that_is_none(self):
        for group in ("many", "-1", "", "4294967295", "9" * 30):
            lab.remove_base()
            with fixtures.EnvironmentVariable("SUDO_GID", group):
                self.assertIn("SUDO_GID", self.call("mount", **NFS)["error"])
            self.assertFalse(os.path.exists(lab.BASE))

    def test_mount_points_are_roots_alone(self):
        self.program(
            "mount", f"stat -c '%a %u' {lab.BASE}/{self.uuid}; exit 1\n"
        )
        self.assertIn("700 0", self.call("mount", **NFS)["error"])

    def test_no_link_is_followed(self):
        target = self.useFixture(fixtures.TempDir()).path
        lab.make_base()
        os.symlink(target, f"{lab.BASE}/{self.uuid}")
        self.addCleanup(os.unlink, f"{lab.BASE}/{self.uuid}")
        self.program("mount", "exit 0\n")
        self.assertIn("error", self.call("mount", **NFS))
        self.assertFalse(os.path.exists(self.said))

    def test_a_base_that_others_can_write_is_refused(self):
        lab.make_base()
        self.program("mount", "exit 0\n")
        os.chmod(lab.BASE, 0o777)
        self.addCleanup(os.chmod, lab.BASE, 0o750)
        self.assertIn("than root", self.call("mount", **NFS)["error"])
        # Nor is one that others can enter.
        os.chmod(lab.BASE, 0o755)
        self.assertIn("0750", self.call("mount", **NFS)["error"])
        os.chmod(lab.BASE, 0o750)
        os.chown(lab.BASE, 65534, 0)
        self.addCleanup(os.chown, lab.BASE, 0, 0)
        self.assertIn("than root", self.call("mount", **NFS)["error"])
        self.assertFalse(os.path.exists(self.said))

    def test_what_is_in_a_mount_point_is_not_covered(self):
        lab.make_base()
        os.makedirs(f"{lab.BASE}/{self.uuid}/by-somebody")
        self.program("mount", "exit 0\n")
        self.assertIn("not empty", self.call("mount", **NFS)["error"])
        os.rmdir(f"{lab.BASE}/{self.uuid}/by-somebody")

    def test_libvirt_is_asked(self):
        self.assertEqual({"seen": False}, self.call("seen"))

    def test_the_base_is_made(self):
        lab.remove_base()
        self.program("mount", "exit 1\n")
        self.call("mount", **NFS)
        mode = os.stat(lab.BASE)
        self.assertEqual((0o750, 0), (stat.S_IMODE(mode.st_mode), mode.st_uid))
