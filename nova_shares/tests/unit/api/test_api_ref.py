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

"""The API reference has each route, its samples, and nothing else."""

import pathlib
import re
import unittest

from nova_shares.api import app

ROOT = pathlib.Path(__file__).parents[4]
SOURCE = ROOT / "api-ref" / "source" / "server-shares.inc"
SAMPLES = ROOT / "doc" / "api_samples" / "os-server-shares" / "v2.97"


class ApiRefTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.text = SOURCE.read_text()

    def test_each_route_has_its_entry(self):
        told = re.findall(r"^\.\. rest_method:: (\S+) (\S+)$", self.text, re.M)
        routes = [(method, path) for method, path, _ in app.ROUTES]
        self.assertEqual(sorted(routes), sorted(told))

    def test_each_sample_is_shown(self):
        shown = re.findall(
            r"literalinclude:: .*/([^/\s]+\.json)$", self.text, re.M
        )
        there = [path.name for path in SAMPLES.glob("*.json")]
        self.assertEqual(sorted(there), sorted(shown))
