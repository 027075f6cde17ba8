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

"""The service and Keystone: access rules, and a missing configuration."""

from __future__ import annotations

import fixtures
from oslo_config import cfg
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares.api import deploy
from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world


class TestAccessRules(base.Case):
    """A token of an application credential that may not do all."""

    deployment = world.SERVICE

    def restricted(self, *rules):
        keystone = self.world.cloud.keystone
        return keystone.issue(
            keystone.users["member"],
            keystone.projects["demo"],
            access_rules=tuple(
                dict(zip(("service", "method", "path"), rule))
                for rule in rules
            ),
        ).id

    def test_what_a_rule_names_is_allowed(self):
        path = self.world.path("stopped")
        for allowed in ("/v2.1/servers/*/shares", f"/v2.1{path}", "/v2.1/**"):
            token = self.restricted(("compute", "GET", allowed))
            answer = self.world.ask("GET", path, user=token)
            self.assertEqual(200, answer.status_int, answer.text)

    def test_what_no_rule_names_is_not(self):
        path = self.world.path("stopped")
        for rules in (
            (),
            (("compute", "GET", "/v2.1/servers"),),
            (("compute", "POST", "/v2.1/servers/*/shares"),),
            (("shared-file-system", "GET", "/v2.1/servers/*/shares"),),
        ):
            answer = self.world.ask("GET", path, user=self.restricted(*rules))
            self.assertEqual(401, answer.status_int, answer.text)


class TestConfiguration(testtools.TestCase):
    """The service does not start without what it cannot work without."""

    def refused(self, text):
        path = self.useFixture(fixtures.TempDir()).join("nova-shares.conf")
        with open(path, "w") as file:
            file.write(text)
        conf = nova_shares_conf.load(files=[path])
        return str(self.assertRaises(cfg.Error, deploy.make_service, conf))

    def test_no_section(self):
        self.assertIn("keystone_authtoken", self.refused(""))

    def test_no_auth_type(self):
        said = self.refused("[keystone_authtoken]\nauth_url = http://k/v3\n")
        self.assertIn("auth_type", said)

    def test_another_section(self):
        said = self.refused(
            "[keystone_authtoken]\nauth_section = nova\n"
            "[nova]\nauth_url = http://k/v3\n"
        )
        self.assertIn("auth_type", said)
