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

"""What is read from /proc, and children that are given up."""

import contextlib
import errno
import os
import subprocess
import sys
import time

import fixtures
from hypothesis import given
from hypothesis import strategies as st
import testtools

from nova_shares.mounts import child
from nova_shares.mounts import process_table

TABLE = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 22 0:51 / /mnt/one rw,nosuid shared:9 master:2 - nfs4 192.0.2.1:/x rw
91 22 0:52 /a /mnt/with\040space rw - fuse a\054b rw,user_id=0
92 22 0:53 / /mnt/one rw - tmpfs tmpfs rw
not a line of a mount table
"""
ONE = "/base/9c1f"
READ = process_table._process


class Proc(fixtures.Fixture):
    """A /proc with processes that a test wants."""

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).path
        self.process("self", TABLE)

    def process(
        self, pid, table="", *argv, exe="", parent=1, state="S", uid=0
    ):
        directory = os.path.join(self.path, str(pid))
        os.makedirs(directory, exist_ok=True)
        link = os.path.join(directory, "exe")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(link)
        os.symlink(exe or (argv[0] if argv else "none"), link)
        with open(os.path.join(directory, "stat"), "w") as f:
            f.write(f"{pid} (a) name) {state} {parent} 1 1 0 -1")
        with open(os.path.join(directory, "status"), "w") as f:
            f.write(f"Name:\tx\nUid:\t{uid}\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
        with open(os.path.join(directory, "mountinfo"), "w") as f:
            f.write(table)
        with open(os.path.join(directory, "cmdline"), "w") as f:
            f.write("".join(word + "\0" for word in argv))


class MountTableTest(testtools.TestCase):
    def test_lines(self):
        found = process_table.parse_mountinfo(TABLE)
        self.assertEqual(
            process_table.Mount("0:52", "/mnt/with space", "fuse", "a,b"),
            found[2],
        )
        self.assertEqual(4, len(found))
        self.assertEqual("tmpfs", process_table.at(found, "/mnt/one").fstype)
        self.assertIsNone(process_table.at(found, "/mnt"))
        self.assertTrue(process_table.is_shared(found, "/mnt/none"))
        self.assertTrue(process_table.is_shared(found[:1], "/mnt/one"))
        # It follows another: as in a sandbox.
        self.assertFalse(process_table.is_shared(found[:2], "/mnt/one"))
        self.assertFalse(process_table.is_shared(found, "/mnt/one/below"))

    @given(st.text(max_size=200))
    def test_nothing_in_it_breaks_the_reader(self, text):
        for mount in process_table.parse_mountinfo(text):
            self.assertIsInstance(mount.target, str)

    @given(st.text(min_size=1, max_size=30).filter(lambda t: "\0" not in t))
    def test_a_name_comes_back_as_the_kernel_escapes_it(self, name):
        shown = "".join(
            f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in name
        )
        line = f"90 22 0:51 / /{shown} rw - nfs {shown} rw\n"
        (found,) = process_table.parse_mountinfo(line)
        self.assertEqual(("/" + name, name), (found.target, found.source))

    def test_our_own(self):
        self.assertIsNotNone(process_table.at(process_table.mounts(), "/"))


class ProcessTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.proc = self.useFixture(Proc())

    def test_who_serves_a_path(self):
        daemon = "/usr/libexec/virtiofsd"
        self.proc.process(7, "", daemon, "--fd=3", "-o", f"source={ONE}")
        self.proc.process(8, "", daemon, f"--shared-dir={ONE}")
        self.proc.process(9, "", daemon, "--shared-dir", ONE, "--cache=auto")
        self.proc.process(10, "", daemon, f"--shared-dir={ONE}x")
        self.proc.process(11, "", "/usr/bin/less", ONE)
        self.proc.process(12, "")  # has ended, and nobody has waited for it
        # One that an upgrade has replaced, and one that is no virtiofsd.
        gone = f"{daemon} (deleted)"
        self.proc.process(13, "", daemon, f"--shared-dir={ONE}", exe=gone)
        self.proc.process(14, "", daemon, ONE, exe="/usr/bin/sudo")
        self._is_roots()
        self.assertEqual({7, 8, 9, 13}, self.servers())

    def test_another_user_serves_nothing(self):
        self.proc.process(7, "", "virtiofsd", ONE)
        self._is_roots()
        self.assertEqual({7}, self.servers())
        self._is_roots(uid=1000)
        self.assertEqual(set(), self.servers())

    def test_what_a_user_starts_by_setuid_is_not_roots(self):
        here = f"90 22 0:51 / {ONE} rw - nfs4 192.0.2.1:/x rw\n"
        for name in ("/bin/umount", "/usr/sbin/libvirtd"):
            self.proc.process(7, here, name, ONE, uid=1000)
            self._is_roots()
            (found,) = process_table.processes(self.proc.path)
            self.assertFalse(
                process_table.is_roots(found, "mount", self.proc.path)
            )
            self.assertEqual(
                [], process_table.daemons([found], self.proc.path)
            )

    def servers(self):
        found = process_table.processes(self.proc.path)
        return set(process_table.servers(found, ONE, self.proc.path))

    def test_a_server_that_is_stopped(self):
        for state, stopped in (("S", False), ("T", True), ("R", False)):
            self.proc.process(7, "", "virtiofsd", ONE, state=state)
            self.assertEqual(
                stopped, process_table.is_stopped(7, self.proc.path)
            )
        self.assertFalse(process_table.is_stopped(8, self.proc.path))

    def test_two_daemons(self):
        """A container has another one, with other mounts."""
        here = f"90 22 0:51 / {ONE} rw - nfs4 192.0.2.1:/x rw\n"
        self.proc.process("self", here)
        self.proc.process(5, here, "/usr/sbin/libvirtd", parent=1)
        self.proc.process(6, TABLE, "/usr/sbin/libvirtd", parent=77)
        self._is_roots()
        for peer, seen in (
            *((None, False), (5, True), (6, False)),
            # systemd listens for the one, a container's init for the other.
            *((1, True), (77, False)),
            # Not to be seen, or something else.
            *((0, None), (99, None)),
        ):
            self.assertIs(
                seen, process_table.is_seen(ONE, peer, self.proc.path), peer
            )

    def test_what_libvirt_sees(self):
        here = f"90 22 0:51 / {ONE} rw - nfs4 192.0.2.1:/x rw\n"
        self.proc.process("self", here)
        self.assertIsNone(process_table.is_seen(ONE, proc=self.proc.path))
        self.proc.process(5, here, "/usr/sbin/virtqemud", "--timeout", "120")
        self._is_roots()
        self.assertTrue(process_table.is_seen(ONE, proc=self.proc.path))
        # Something else at the same place is not it.
        self.proc.process(
            5, here.replace("0:51", "0:99"), "/usr/sbin/virtqemud"
        )
        self.assertFalse(process_table.is_seen(ONE, proc=self.proc.path))
        self.proc.process(5, TABLE, "/usr/sbin/virtqemud")
        self.assertFalse(process_table.is_seen(ONE, proc=self.proc.path))

    def test_a_daemon_that_ends_meanwhile_tells_nothing(self):
        """Until it has been waited for, its table can't be read: EINVAL."""
        here = f"90 22 0:51 / {ONE} rw - nfs4 192.0.2.1:/x rw\n"
        self.proc.process("self", here)
        self.proc.process(5, here, "/usr/sbin/virtqemud")
        self._is_roots()
        read = process_table.mounts
        error = OSError(errno.EINVAL, "Invalid argument")

        def mounts(pid=None, proc=""):
            if pid == 5:
                raise error
            return read(pid, proc)

        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_shares.mounts.process_table.mounts", mounts
            )
        )
        self.assertIsNone(process_table.is_seen(ONE, proc=self.proc.path))
        self.proc.process(6, here, "/usr/sbin/virtqemud")
        self.assertTrue(process_table.is_seen(ONE, proc=self.proc.path))
        error = PermissionError(errno.EACCES, "Permission denied")
        self.assertRaises(
            PermissionError,
            process_table.is_seen,
            ONE,
            proc=self.proc.path,
        )

    def _is_roots(self, uid=0):
        read = READ

        def roots(pid, proc):
            process = read(pid, proc)
            return process and process_table.Process(pid, uid, process.argv)

        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_shares.mounts.process_table._process", roots
            )
        )


class ChildTest(testtools.TestCase):
    def python(self, code, limit=20.0, **how):
        return child.run([sys.executable, "-c", code], limit, **how)

    def test_what_it_says_and_returns(self):
        result = self.python(
            "import sys; print(sys.stdin.read()); sys.exit(3)",
            stdin=b"asked\n",
        )
        self.assertEqual(3, result.code)
        self.assertEqual("asked", result.last_line)
        self.assertEqual("no output", child.Result(0, " \n").last_line)

    def test_it_is_given_up(self):
        began = time.monotonic()
        self.assertRaises(
            child.TimedOut, self.python, "import time; time.sleep(60)", 0.2
        )
        self.assertLess(time.monotonic() - began, 10)

    def test_a_daemon_that_it_leaves_is_not_waited_for(self):
        began = time.monotonic()
        result = self.python(
            "import os, time\n"
            "if os.fork() == 0:\n    time.sleep(10)\n"
            "else:\n    print('left one')\n"
        )
        self.assertEqual("left one", result.last_line)
        self.assertLess(time.monotonic() - began, 9)

    def test_a_secret_is_handed_on_without_a_file(self):
        secret = child.memory("secret", b"s3cret")
        self.addCleanup(os.close, secret)
        result = self.python(
            f"print(open('/proc/self/fd/{secret}').read())",
            pass_fds=[secret],
        )
        self.assertEqual("s3cret", result.last_line)

    def test_a_mount_that_lives(self):
        programs = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(programs, "stat")
        with open(path, "w") as f:
            f.write("#!/bin/sh\necho Transport endpoint is not connected\n")
        os.chmod(path, 0o755)
        # Nothing that the caller brings is run: it may be done as root.
        self.useFixture(fixtures.EnvironmentVariable("PATH", programs))
        self.assertFalse(child.is_dead("/", {}))

    def test_each_kind_of_dead(self):
        programs = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(programs, "stat")
        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_shares.mounts.child.ENV",
                {"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C"},
            )
        )
        for number, dead in (
            *((errno.ENOTCONN, True), (errno.ESHUTDOWN, True)),
            *((errno.ESTALE, True), (errno.ENOENT, False)),
            *((errno.EACCES, False), (errno.EIO, False)),
        ):
            with open(path, "w") as f:
                f.write(f"#!/bin/sh\necho 'stat: {os.strerror(number)}'\n")
            os.chmod(path, 0o755)
            self.assertIs(dead, child.is_dead("/x", {}), number)

    def test_one_that_has_no_answer_is_not_asked_again(self):
        asked = []

        def run(argv, limit, **how):
            asked.append(argv)
            hangs = subprocess.Popen(["sleep", "60"])
            self.addCleanup(hangs.wait)
            self.addCleanup(hangs.kill)
            raise child.TimedOut(hangs, "stat")

        self.useFixture(
            fixtures.MonkeyPatch("nova_shares.mounts.child.run", run)
        )
        hanging = {}
        for path in ("/one", "/one", "/two"):
            self.assertFalse(child.is_dead(path, hanging))
        self.assertEqual(2, len(asked))
        hanging["/one"].kill()
        hanging["/one"].wait()
        child.is_dead("/one", hanging)
        self.assertEqual(3, len(asked))
