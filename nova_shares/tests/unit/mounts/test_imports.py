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

"""What runs as root loads nothing but the standard library."""

import os
import subprocess
import sys

import testtools

import nova_shares

ROOT = os.path.dirname(os.path.dirname(nova_shares.__file__))
#: Without the site packages, the environment and the current directory.
LOAD = """
import importlib, pkgutil, sys
sys.path.append(sys.argv[1])
import nova_shares.mounts
for module in pkgutil.iter_modules(nova_shares.mounts.__path__):
    importlib.import_module("nova_shares.mounts." + module.name)
print(*(name for name in sys.modules if name.startswith("nova_shares.")))
"""


class ImportsTest(testtools.TestCase):
    def test_the_standard_library_alone(self):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LOAD, ROOT],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual("", done.stderr)
        loaded = done.stdout.split()
        self.assertIn("nova_shares.mounts.helper", loaded)
        for name in loaded:
            self.assertIn("nova_shares.mounts", name)
