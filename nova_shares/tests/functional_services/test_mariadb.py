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

"""The stories on MariaDB, with RabbitMQ and processes."""

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import test_stories as stories
from nova_shares.tests.functional_services import cases
from nova_shares.tests.functional_services import processes


class OnMariadb(processes.Shared):
    database = fixtures_db.Mysql


class LifeTest(OnMariadb, stories.LifeTest):
    pass


class SlowRuleTest(OnMariadb, stories.SlowRuleTest):
    options = stories.SlowRuleTest.options


class DetachTest(OnMariadb, stories.DetachTest):
    pass


class HintTest(OnMariadb, stories.HintTest):
    options = stories.HintTest.options


class EventTest(OnMariadb, stories.EventTest):
    options = stories.EventTest.options


class CrowdTest(OnMariadb, cases.CrowdCases):
    options = cases.CrowdCases.options


class CostTest(OnMariadb, cases.CostCases):
    options = cases.CostCases.options


class KilledTest(OnMariadb, cases.KilledCases):
    pass


class HangingManilaTest(OnMariadb, cases.HangingManilaCases):
    options = cases.HangingManilaCases.options
