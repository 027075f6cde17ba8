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
"""The stories, told in a whole cloud."""

from nova_shares.tests.functional import test_stories as stories
from nova_shares.tests.functional_cloud import running

#: Those that need a Nova or a Manila that does as it is told, and counts
#: what it was asked for; nobody can tell the real ones that.
_OF_DEVCLOUD = None


class LifeTest(running.Shared, stories.LifeTest):
    test_nova_that_fails_is_no_deleted_server = _OF_DEVCLOUD
    test_who_is_no_administrator_takes_nothing_for_gone = _OF_DEVCLOUD
    test_a_guest_that_runs_keeps_its_shares = _OF_DEVCLOUD
    test_a_moved_server_has_a_fault = _OF_DEVCLOUD


class SlowRuleTest(running.Shared, stories.SlowRuleTest):
    options = stories.SlowRuleTest.options
    test_a_rule_in_error_is_made_anew = _OF_DEVCLOUD


class DetachTest(running.Shared, stories.DetachTest):
    pass


class HintTest(running.Shared, stories.HintTest):
    options = stories.HintTest.options
    # It takes too many servers, and says nothing of Nova or Manila.
    test_a_start_does_not_wait_for_the_keys_of_others = _OF_DEVCLOUD
