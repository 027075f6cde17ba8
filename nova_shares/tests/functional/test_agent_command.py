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

"""nova-shares-compute as a command: why it does not start."""

import os
import re
import subprocess
import sys

import fixtures
import testtools

from nova_shares.tests.functional import cloud

_LIMIT = 300
_CONF = """
[DEFAULT]
state_path = {state_path}
transport_url = fake://
{options}
[database]
connection = {connection}
[compute]
virt_driver = {virt_driver}
"""
_COMMAND = (
    "import sys; sys.modules['psycopg2'] = None; "
    "from nova_shares.cmd import compute; sys.exit(compute.main())"
)


class CommandTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def path(self, name):
        return os.path.join(self.directory, name)

    def configure(self, options="", **fields):
        fields = {
            "state_path": self.path("state"),
            "connection": f"sqlite:///{self.path('nova-shares.sqlite')}",
            "virt_driver": "fake",
            "options": options,
            **fields,
        }
        with open(self.path("nova-shares.conf"), "w") as file:
            file.write(_CONF.format(**fields))
        return ("--config-file", self.path("nova-shares.conf"))

    def start(self, *arguments):
        output = open(self.path("output"), "w")
        self.addCleanup(output.close)
        agent = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _COMMAND, *arguments],
            stdout=output,
            stderr=output,
        )
        self.addCleanup(agent.wait)
        self.addCleanup(agent.kill)
        return agent

    def read(self):
        with open(self.path("output")) as file:
            return file.read()

    def said(self):
        """Give its own lines: those of libraries have other names."""
        return [
            line
            for line in self.read().splitlines()
            if re.search(r"^nova-shares-compute|ERROR|WARNING", line)
        ]

    def refused(self, *arguments):
        """Give the one sentence of a start that fails."""
        agent = self.start(*arguments)
        self.assertEqual(1, agent.wait(_LIMIT), self.read())
        self.assertNotIn("Traceback", self.read())
        (line,) = self.said()
        return line

    def check_waits(self, reason, *arguments):
        """It waits for a neighbour, and says so once."""
        agent = self.start(*arguments)
        cloud.wait_for(lambda: reason in self.read(), self.read, _LIMIT)
        self.assertRaises(subprocess.TimeoutExpired, agent.wait, 5)
        agent.terminate()
        self.assertEqual(0, agent.wait(_LIMIT), self.read())
        self.assertNotIn("Traceback", self.read())
        (line,) = self.said()
        self.assertEqual(1, line.count(reason))
        return line

    def test_help_and_version(self):
        for argument in ("--help", "--version"):
            self.assertEqual(0, self.start(argument).wait(_LIMIT))
            if argument == "--help":
                self.assertIn("usage: nova-shares-compute ", self.read())
            else:
                self.assertRegex(self.read(), r"(?m)^\d+\.\d+\.\d+")

    def test_a_file_that_is_none(self):
        said = self.refused("--config-file", self.directory)
        self.assertIn(self.directory, said)
        said = self.refused("--config-file", self.path("nonexistent"))
        self.assertIn("nonexistent", said)

    def test_a_file_that_is_not_text(self):
        arguments = self.configure()
        with open(self.path("nova-shares.conf"), "ab") as file:
            file.write("# für\n".encode("latin-1"))
        self.assertIn("not in UTF-8", self.refused(*arguments))

    def test_values_that_are_none(self):
        for options, says in (
            ("my_ip = not-an-ip", "not-an-ip"),
            ("[nova]\nauth_type = password", "[nova]: "),
        ):
            self.assertIn(says, self.refused(*self.configure(options)))

    def test_a_reader_that_has_seen_enough(self):
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run(
            [
                *(sys.executable, "-W", "ignore", "-c", _COMMAND),
                *("--check", *self.configure()),
            ],
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(theirs)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_a_state_path_that_cannot_be_made(self):
        said = self.refused(*self.configure(state_path="/dev/null/state"))
        self.assertEqual(1, said.count("/dev/null/state"), said)

    def test_a_log_file_that_cannot_be_made(self):
        said = self.refused(*self.configure("log_file = /dev/null/log"))
        self.assertIn("/dev/null", said)

    def test_a_driver_that_is_not_installed(self):
        said = self.refused(
            *self.configure(connection="postgresql://u:p@127.0.0.1/d")
        )
        self.assertIn("the Python package psycopg2 is not installed", said)

    def test_before_the_tables_are_made(self):
        said = self.check_waits(
            "run nova-shares-manage db sync", *self.configure()
        )
        self.assertIn("the database service is not available", said)
