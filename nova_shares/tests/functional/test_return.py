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

"""The agent goes on soon when a neighbor that was away for long is back."""

from nova_shares.tests.functional import cloud


class ReturnTest(cloud.StoryTest):
    # As it is deployed: each failure in a row doubles the time.
    options = {
        "options": "[compute]\nretry_interval = 5\nretry_interval_max = 300\n",
        "resync": 60,
    }

    def check(self, **fault):
        self.server, self.share = self.c.server(), self.c.share()
        self.c.cloud.fail("manila", "/action", **fault)
        self.attach()
        self.see("error")
        # As after many failures in a row.
        self.c.execute("UPDATE share_mappings SET attempts = 10")
        cloud.wait_for(
            lambda: self.c.mapping(self.server, self.share).fault.attempts > 10
        )
        self.c.cloud.clear_faults()
        self.see("inactive", limit=10)

    def test_manila_refused_connections(self):
        self.check(refuse=True)

    def test_manila_was_silent(self):
        self.check(hang=60)

    def test_manila_answered_errors(self):
        self.check(status=503)
