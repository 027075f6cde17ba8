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

"""The store on SQLite."""

from __future__ import annotations

import unittest

from nova_shares.tests.unit.db import cases


class ApiTest(cases.ApiCases, unittest.TestCase):
    pass


class AgentTest(cases.AgentCases, unittest.TestCase):
    pass


class OperatorTest(cases.OperatorCases, unittest.TestCase):
    pass


class CrowdTest(cases.CrowdCases, unittest.TestCase):
    begin = "BEGIN IMMEDIATE"
    longest = 8
