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
"""A story told to the real Manila, and what holds after each."""

import contextlib
import io
import json

from nova_shares.cmd import manage
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import real


class StoryTest(cloud.StoryTest):
    def setUp(self):
        super().setUp()
        self.server = self.c.server()

    def make_cloud(self):
        return self.useFixture(real.Real(**self.options))

    def attached(self, server=None, share=None, tag=None):
        """Attach a share, a new one by default; returns which."""
        share = share or self.c.share()
        super().attached(server, share, tag)
        return share

    def only_rule(self, share):
        """Get the only access rule of a share, which is active."""
        [rule] = self.c.rules(share)
        self.assertEqual("active", rule["state"])
        return rule

    def fault(self, server, share, says):
        """Wait for a fault that says something."""

        def message():
            mapping = self.c.mapping(server, share)
            fault = mapping and mapping.fault
            return fault.message if fault else ""

        cloud.wait_for(lambda: says in message(), message, 60)

    def audit(self, *options):
        """Run the audit; returns its exit code and what it found."""
        said = io.StringIO()
        command = ["--config-file", self.c.path_of("api"), "audit"]
        with contextlib.redirect_stdout(said):
            code = manage.main([*command, "--format", "json", *options])
        text = said.getvalue()
        return code, json.loads(text) if text else None

    def exact(self, *shares):
        """Manila has the rules and locks that mappings call for: no other."""
        mappings = self.c.store.list_all()
        wanted = {(m.share_id, m.access_id) for m in mappings}
        rules = {
            (share, rule["id"])
            for share in {*shares, *(m.share_id for m in mappings)}
            for rule in self.c.rules(share)
        }
        self.assertEqual(wanted, rules)
        locks = [
            (lock["resource_id"], lock["resource_action"])
            for lock in self.c.locks()
        ]
        wanted_locks = [
            lock
            for share, rule in wanted
            for lock in (
                (rule, "delete"),
                (rule, "show"),
                (share, "delete"),
            )
        ]
        self.assertEqual(sorted(wanted_locks), sorted(locks))
        self.assertEqual((0, []), self.audit())
