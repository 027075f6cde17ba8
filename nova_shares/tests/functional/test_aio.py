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

"""nova-shares-aio as a command: why it does not start, and how it ends."""

import os
import signal
import socket
import subprocess
import sys

import fixtures
import testtools

from nova_shares.tests.functional import cloud

#: Seconds for what takes two on a quiet machine.
_LIMIT = 300


class AioTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def start(self, *arguments, program=("-m", "nova_shares_devcloud.cli")):
        """Start it with its output in files; it is ended with the test."""
        self.out = os.path.join(self.directory, f"out-{len(arguments)}")
        with open(self.out, "w") as out, open(self.out + ".err", "w") as err:
            aio = subprocess.Popen(
                [sys.executable, *program, *arguments],
                stdout=out,
                stderr=err,
            )
        self.addCleanup(aio.wait)
        self.addCleanup(aio.kill)
        return aio

    def read(self, suffix=""):
        with open(self.out + suffix) as f:
            return f.read()

    def refused(self, *arguments, **options):
        """Give the one sentence of a start that fails."""
        aio = self.start(*arguments, **options)
        self.assertEqual(1, aio.wait(_LIMIT))
        self.assertEqual("", self.read())
        return self.sentence()

    def sentence(self):
        [line] = self.read(".err").splitlines()
        self.assertRegex(line, r"^nova-shares-aio: [A-Z].*\.$")
        return line

    def up(self, *arguments):
        aio = self.start(*arguments)
        cloud.wait_for(
            lambda: "Press Ctrl-C" in self.read() or aio.poll() is not None,
            "it does not come up",
            _LIMIT,
        )
        self.assertIsNone(aio.poll(), self.read(".err"))
        return aio

    def test_a_port_that_is_taken(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = str(taken.getsockname()[1])
        self.assertIn(f"127.0.0.1:{port}", self.refused("--port", port))

    def test_a_port_that_is_none(self):
        for port in ("99999", "65536", "-1"):
            said = self.refused("--port", port)
            self.assertIn(f"Port {port} does not exist", said)

    def test_a_directory_that_is_a_file(self):
        path = os.path.join(self.directory, "file")
        with open(path, "w"):
            pass
        for unusable in (path, os.path.join(path, "below")):
            said = self.refused("--directory", unusable)
            self.assertIn(f"Cannot use the directory {unusable}: ", said)

    def test_a_directory_that_a_file_cannot_name(self):
        for name in ("a?b", "a$b", "a%41b"):
            path = os.path.join(self.directory, name)
            said = self.refused("--directory", path)
            self.assertIn(f"Cannot use the directory {path}: ", said)

    def test_a_database_that_is_none(self):
        path = os.path.join(self.directory, "nova-shares.sqlite")
        with open(path, "w") as f:
            f.write("this is no database" * 1000)
        said = self.refused("--directory", self.directory)
        self.assertIn("not a database", said)

    def test_a_directory_that_is_in_use(self):
        directory = os.path.join(self.directory, "aio")
        first = self.up("--directory", directory)
        path = os.path.join(directory, "nova-shares.conf")
        with open(path) as f:
            configuration = f.read()
        said = self.refused("--directory", directory, "--debug")
        self.assertIn(f"{directory} is in use by another", said)
        with open(path) as f:
            self.assertEqual(configuration, f.read())
        first.terminate()
        self.assertEqual(0, first.wait(_LIMIT))
        # It is free again, with what is in it.
        again = self.up("--directory", directory)
        again.send_signal(signal.SIGINT)
        self.assertEqual(0, again.wait(_LIMIT))

    def test_ctrl_c_while_it_starts(self):
        # A FIFO holds it at a step until somebody reads: it cannot be up
        # before the signal comes.
        for seen, held in (
            ("lock", "nova-shares.log"),
            ("nova-shares.log", "nova-shares.conf"),
        ):
            directory = os.path.join(self.directory, held)
            os.mkdir(directory)
            fifo = os.path.join(directory, held)
            os.mkfifo(fifo)
            aio = self.start("--directory", directory)
            path = os.path.join(directory, seen)
            cloud.wait_for(lambda p=path: os.path.exists(p), seen, _LIMIT)
            aio.send_signal(signal.SIGINT)
            with open(fifo, "rb") as f:
                written = f.read()
            if held.endswith(".conf"):
                # It reads what it has written.
                with open(fifo, "wb") as f:
                    f.write(written)
            self.assertEqual(130, aio.wait(_LIMIT))
            self.assertIn("Interrupted", self.sentence())
            self.assertEqual("", self.read())

    def test_without_an_extra(self):
        for module, extra, arguments in (
            ("cheroot", "aio", ()),
            ("cheroot", "aio", ("--debug",)),
            ("openstack", "demo", ("--demo",)),
        ):
            program = (
                f"import sys; sys.modules[{module!r}] = None; "
                "from nova_shares_devcloud import cli; sys.exit(cli.main())"
            )
            said = self.refused(*arguments, program=("-c", program))
            self.assertIn(f"install nova-shares[{extra}].", said)
            self.assertIn(module, said)
