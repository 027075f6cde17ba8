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
"""What Nova loads at its start is the standard library and little else."""

import os
import subprocess
import sys

import testtools

import nova_shares

ROOT = os.path.dirname(os.path.dirname(nova_shares.__file__))
#: Without the site packages: what is not of the standard library fails.
LOAD = """
import sys
sys.path.append(sys.argv[1])
from nova_shares.pipeline import filters
filters.filter_factory({}, config_file="/nowhere")(None)
filters.versions_filter_factory({}, config_file="/nowhere")(None)
print(*(name for name in sys.modules if name.startswith("nova_shares.")))
"""


class ImportsTest(testtools.TestCase):
    def test_the_filters(self):
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", LOAD, ROOT],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual("", done.stderr)
        self.assertEqual(
            {
                "nova_shares.lazy",
                "nova_shares.pipeline",
                "nova_shares.pipeline.environ",
                "nova_shares.pipeline.filters",
            },
            set(done.stdout.split()),
        )
