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

"""What the audit does not do without proof."""

from unittest import mock

import testtools

from nova_shares.audit import findings


class AuditTest(testtools.TestCase):
    def test_all_shares_without_locks(self):
        """No rule would say of which database its mapping is."""
        store, shares = mock.Mock(), mock.Mock()
        store.each.return_value = []
        shares.locks.return_value = []
        shares.makes_locks.return_value = False
        audit = findings.Audit(store, shares, mock.Mock(), 600, 60)
        self.assertRaises(findings.NoLocks, audit.run, all_shares=True)
        shares.rules.assert_not_called()
        shares.deny.assert_not_called()
