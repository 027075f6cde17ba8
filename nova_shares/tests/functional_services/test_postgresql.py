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

"""The stories on PostgreSQL, with RabbitMQ and processes."""

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import test_stories as stories
from nova_shares.tests.functional_services import cases
from nova_shares.tests.functional_services import processes


class OnPostgresql(processes.Shared):
    database = fixtures_db.Postgresql


class LifeTest(OnPostgresql, stories.LifeTest):
    pass


class SlowRuleTest(OnPostgresql, stories.SlowRuleTest):
    options = stories.SlowRuleTest.options


class DetachTest(OnPostgresql, stories.DetachTest):
    pass


class HintTest(OnPostgresql, stories.HintTest):
    options = stories.HintTest.options


class EventTest(OnPostgresql, stories.EventTest):
    options = stories.EventTest.options


class CrowdTest(OnPostgresql, cases.CrowdCases):
    options = cases.CrowdCases.options


class CostTest(OnPostgresql, cases.CostCases):
    options = cases.CostCases.options


class KilledTest(OnPostgresql, cases.KilledCases):
    pass


class HangingManilaTest(OnPostgresql, cases.HangingManilaCases):
    options = cases.HangingManilaCases.options
