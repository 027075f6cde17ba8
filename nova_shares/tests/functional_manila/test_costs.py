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
"""How much an attach and a detach ask of Manila and of Keystone."""

import fixtures

from nova_shares.compute import resync
from nova_shares.conductor import access
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base


class CostTest(base.StoryTest):
    # Nobody else asks anything: no resync after the first two.
    options = {"resync": 0}

    def setUp(self):
        super().setUp()
        #: The seconds that the agent waits between two looks.
        self.waits = self._returned(access.Progress, "next_wait")
        self.c.agent_manila.hold = self._hold
        # Warm: endpoints, tokens, connections.
        share = self.attached()
        self.detached(self.server, share)

    def make_cloud(self):
        runs = self._returned(resync.Resync, "run")
        made = super().make_cloud()
        # One at the start, one when hints are listened for.
        cloud.wait_for(lambda: len(runs) == 2, lambda: f"resyncs: {runs}")
        return made

    def _returned(self, of, name):
        """Keep what a method returns from now on."""
        method, results = getattr(of, name), []

        def called(*args, **kwargs):
            results.append(method(*args, **kwargs))
            return results[-1]

        self.useFixture(fixtures.MockPatchObject(of, name, called))
        return results

    def _hold(self, request, response):
        """Answer when Manila has done it: a rule is active at once."""
        if request.method != "POST":
            return
        (action,) = request.json
        if action == "allow_access":
            rule = response.json["access"]["id"]
            until = "active"
        else:
            rule, until = request.json[action]["access_id"], None

        def done():
            rows = self.c.manila_sql(
                "SELECT state FROM share_instance_access_map"
                " WHERE access_id = :rule AND deleted = 'False'",
                rule=rule,
            )
            return [row.state for row in rows] == ([until] if until else [])

        cloud.wait_for(done, f"never {until}", 60)

    def _forget(self):
        self.waits.clear()
        for of in ("api", "agent"):
            getattr(self.c, f"{of}_manila").forget()
            getattr(self.c, f"{of}_keystone").forget()

    def test_an_attach_and_a_detach(self):
        share = self.c.share()
        self._forget()
        self.attached(self.server, share)
        self.assertEqual(
            [
                f"GET /v2/shares/{share}",
                f"GET /v2/shares/{share}/export_locations",
            ],
            self.c.api_manila.requests(),
        )
        asked = self.c.agent_manila.requests()
        rule = self.only_rule(share)["id"]
        self.assertEqual(
            [
                f"POST /v2/shares/{share}/action",
                f"GET /v2/share-access-rules/{rule}",
            ],
            asked,
        )
        self.assertEqual([], self.c.api_keystone.requests())
        self.assertEqual([], self.c.agent_keystone.requests())
        self.assertEqual([0.05], self.waits)
        self._forget()
        self.detached(self.server, share)
        self.assertEqual([], self.c.api_manila.requests())
        self.assertEqual(
            [
                f"POST /v2/shares/{share}/action",
                f"GET /v2/share-access-rules/{rule}",
            ],
            self.c.agent_manila.requests(),
        )
        self.assertEqual([], self.c.api_keystone.requests())
        self.assertEqual([], self.c.agent_keystone.requests())

    def test_a_second_server_of_the_host(self):
        share, other = self.c.share(), self.c.server()
        self.attached(self.server, share)
        self._forget()
        self.attached(other, share)
        self.assertEqual(1, len(self.c.agent_manila.requests()))
        self._forget()
        self.detached(self.server, share)
        self.assertEqual([], self.c.agent_manila.requests())
