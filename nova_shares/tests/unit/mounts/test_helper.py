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

"""The mount helper refuses what is odd before it does anything."""

import contextlib
import io
import json
import os
import subprocess
import sys
import uuid

import fixtures
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import testtools

from nova_shares.mounts import child
from nova_shares.mounts import helper
from nova_shares.mounts import mount_points
from nova_shares.mounts import process_table

#: The real one; most of these tests must not get as far.
RELEASE = helper._release
MODULE = helper.__name__
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(helper.__file__)))
UUID = "0f3cbf4e-5c1d-4a8e-9d8c-8a4f3d1f7b11"
GOOD = {
    "mapping": UUID,
    "protocol": "CEPHFS",
    "export_location": "192.0.2.1:6789:/volumes/x",
    "name": "alice",
    "key": "QVFBPT0gaXMgbm8ga2V5IG9mIGFueWJvZHk=",
}
BAD = (
    {"mapping": UUID.upper()},
    {"mapping": "../../etc"},
    {"mapping": f"{UUID}/.."},
    {"mapping": ""},
    {"mapping": None},
    {"protocol": "CIFS"},
    {"protocol": "NFS"},  # has no identity
    {"export_location": "192.0.2.1:6789:/x,suid"},
    {"export_location": "192.0.2.1:6789:/x/../y"},
    {"export_location": ["192.0.2.1:6789:/x"]},
    {"name": "alice,secret=x"},
    {"name": "-alice"},
    {"name": "alice\n[client.admin]"},
    {"name": ""},
    {"key": "not base64!"},
    {"key": ""},
    {"key": "x\nkeyring = /etc/ceph/keyring"},
    {"options": "suid"},
    {"fs": ""},
    {"fs": "two,suid"},
    {"fs": "two -o suid"},
    {"fs": "-two"},
    {"fs": "x" * 65},
    {"fs": None},
    {"mount_options": "fs=two"},
    {"target": "/etc"},
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=6,
)


class MountPointsTest(testtools.TestCase):
    def test_a_base_that_others_write_is_none(self):
        directory = self.useFixture(fixtures.TempDir()).path
        os.chmod(directory, 0o777)
        error = self.assertRaises(
            mount_points.Refused,
            mount_points.held(f"{directory}/x/mounts", UUID, 1).__enter__,
        )
        self.assertIn(directory.split("/")[1], str(error))


class MountHelperTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.ran = []
        for name in ("child.run", "mount_points.held", "_release"):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f"nova_shares.mounts.helper.{name}",
                    lambda *args, **how: self.ran.append(args),
                )
            )
        self.useFixture(
            fixtures.MonkeyPatch("signal.alarm", lambda seconds: 0)
        )

    def call(self, verb, raw):
        class Stdin:
            buffer = io.BytesIO(raw)

        out = io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            fixtures.MonkeyPatch("sys.stdin", Stdin),
        ):
            code = helper.main([verb], "/nonexistent/helper.conf")
        answer = json.loads(out.getvalue())
        self.assertEqual(1 if "error" in answer else 0, code)
        return answer

    def refused(self, verb, raw):
        answer = self.call(verb, raw)
        self.assertIn("error", answer)
        self.assertEqual([], self.ran)
        return answer["error"]

    def test_bad_documents(self):
        for change in BAD:
            document = {**GOOD, **change}
            self.refused("mount", json.dumps(document).encode())
        for missing in GOOD:
            document = {k: v for k, v in GOOD.items() if k != missing}
            self.refused("mount", json.dumps(document).encode())

    def test_bad_verbs(self):
        good = json.dumps({"mapping": UUID}).encode()
        for verb in ("", "umount", "-h", "mount;id", "MOUNT"):
            self.assertIn("must be one of", self.refused(verb, good))
        self.refused("unmount", json.dumps(GOOD).encode())

    def test_what_is_no_document(self):
        for raw in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"9" * 20000):
            self.refused("mount", raw)
        for deep in (b"[" * 16000, b'{"mapping":' * 1400):
            self.refused("unmount", deep)

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(("mount", "unmount", "seen")), st.binary())
    def test_any_bytes(self, verb, raw):
        self.refused(verb, raw)

    @given(st.sampled_from(sorted(GOOD)), ANY)
    def test_any_value(self, field, value):
        if isinstance(value, str) and field in ("name", "key"):
            value += "\n"  # Some text would be one.
        self.refused(
            "mount", json.dumps({**GOOD, field: value}).encode()
        ) if value != GOOD[field] else None

    def test_a_key_is_never_told(self):
        error = self.refused(
            "mount",
            json.dumps({**GOOD, "key": "s3cret s3cret"}).encode(),
        )
        self.assertNotIn("s3cret", error)

    def test_not_even_a_part_of_a_key_is_told(self):
        key, self.output = GOOD["key"], ""
        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_shares.mounts.helper.child.run",
                lambda *args, **how: child.Result(1, self.output),
            )
        )
        # What is told of it is cut to its end.
        for after in range(300 - len(key), 300):
            self.output = key + "." * after
            error = self.assertRaises(
                helper.Refused, helper._run, ["mount"], 1, 0, key
            )
            self.assertNotIn(key[-1] + ".", str(error))

    def release(self, said):
        """Have what can't be unmounted released; returns what was run."""
        target, ran = "/busy/mounts/x", []
        there = [process_table.Mount("0:5", target, "nfs", "x")]
        tables = [there, there, []]

        def run(command, *args, **how):
            ran.append(command)
            code = 0 if "-l" in command else 32
            return child.Result(code, f"umount: {target}: {said}.")

        for name, fake in (
            ("nova_shares.mounts.process_table.mounts", lambda: tables.pop(0)),
            ("nova_shares.mounts.process_table.processes", list),
            ("nova_shares.mounts.helper.child.run", run),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, fake))
        with contextlib.suppress(helper.Refused):
            RELEASE(target, 1)
        return ran

    def test_a_dead_mount_whose_path_has_the_word_busy(self):
        self.assertEqual(2, len(self.release("not responding")))

    def test_what_is_busy_is_left_there(self):
        self.assertEqual(1, len(self.release("target is busy")))

    def test_nobody_reads_the_answer(self):
        """No traceback, and no success."""
        document = json.dumps({"mapping": UUID})
        run = f"echo '{document}' | {sys.executable} -m {MODULE} seen"
        for broken in (">/dev/full", ">&-", "<&-", "<&- >&-"):
            done = subprocess.run(
                ["bash", "-c", f"{run} {broken}"],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": ROOT},
                timeout=60,
            )
            self.assertEqual("", done.stderr, broken)
            self.assertEqual(1, done.returncode, broken)

    def test_a_mapping_has_one_form(self):
        for text in (UUID, str(uuid.uuid4())):
            self.assertEqual(
                {"mapping": text},
                helper._document(
                    json.dumps({"mapping": text}).encode(), ("mapping",)
                ),
            )
        for text in (f"{{{UUID}}}", UUID.replace("-", ""), f"urn:uuid:{UUID}"):
            self.assertRaises(
                helper.Refused,
                helper._document,
                json.dumps({"mapping": text}).encode(),
                ("mapping",),
            )
