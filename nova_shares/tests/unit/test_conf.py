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

from __future__ import annotations

import unittest

from nova_shares import conf


class ConfTest(unittest.TestCase):
    def test_two_configurations_share_nothing(self):
        one, other = conf.load(files=[]), conf.load(files=[])
        for group in ("api", "compute", "database", "manila", "nova"):
            name = next(iter(one[group]))
            before = other[group][name]
            one.set_override(name, before, group)
            one.set_override(name, None, group)
            self.assertIsNone(one[group][name])
            self.assertEqual(before, other[group][name], (group, name))
            self.assertEqual(before, conf.load(files=[])[group][name])
