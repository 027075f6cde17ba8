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

"""The commands that nova-shares-aio prints, run as they stand."""

import os
import subprocess
import sys

import fixtures
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares.db import store as db_store
from nova_shares.tests.functional import cloud

#: Seconds for what takes two on a quiet machine.
_LIMIT = 300


class PrintedTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.printed = os.path.join(self.directory, "printed")
        with open(self.printed, "w") as out:
            aio = subprocess.Popen(
                [
                    os.path.join(
                        os.path.dirname(sys.executable), "nova-shares-aio"
                    ),
                    *("--directory", self.directory),
                ],
                stdout=out,
            )
        self.addCleanup(aio.wait, _LIMIT)
        self.addCleanup(aio.terminate)
        cloud.wait_for(
            lambda: "Press Ctrl-C" in self.read() or aio.poll() is not None,
            "it does not come up",
            _LIMIT,
        )
        path = os.path.join(self.directory, "nova-shares.conf")
        conf = nova_shares_conf.load(files=[path])
        self.store = db_store.Store.from_conf(conf)

    def read(self):
        with open(self.printed) as f:
            return f.read()

    def run_line(self, exports, line):
        """Type a line in a shell that has the clients; returns its output."""
        kept = {k: v for k, v in os.environ.items() if k[:3] != "OS_"}
        programs = os.path.dirname(sys.executable)
        done = subprocess.run(
            ["sh", "-ec", "\n".join([*exports, line])],
            env={
                **kept,
                "PATH": f"{programs}:{kept['PATH']}",
                "PYTHONWARNINGS": "ignore",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT,
        )
        self.assertEqual(0, done.returncode, f"{line}\n{done.stdout}")
        return done.stdout

    def status(self):
        return [mapping.status for mapping in self.store.list_all()]

    def test_all(self):
        lines = [
            line.strip()
            for line in self.read().splitlines()
            if line.startswith("  ")
        ]
        exports = [line for line in lines if line.startswith("export ")]
        commands = lines[len(exports) :]
        # What each leaves, once the agent has done it.
        left = [
            ["inactive"],
            ["inactive"],
            ["active"],
            ["active"],
            ["inactive"],
            [],
        ]
        self.assertEqual(len(left), len(commands), lines)
        outputs = []
        for command, expected in zip(commands, left):
            outputs.append(self.run_line(exports, command))
            cloud.wait_for(
                lambda e=expected: self.status() == e,
                lambda c=command: f"{c}: {self.status()}",
                _LIMIT,
            )
        self.assertIn("attaching", outputs[0])
        self.assertIn("inactive", outputs[1])
        self.assertRegex(outputs[3], r"Export Location.*192\.0\.2\.10:/shares")
