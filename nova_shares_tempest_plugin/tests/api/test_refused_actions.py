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

"""Actions of Nova that do not keep the shares of a server."""

from tempest import config
from tempest.lib import decorators
import testtools

from nova_shares_tempest_plugin.tests.api import base

CONF = config.CONF


@testtools.skipUnless(
    CONF.nova_shares.actions_refused,
    "[nova_shares] actions_refused is False",
)
class RefusedActionsTest(base.ApiTest):
    """A server that runs, with a share."""

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)
        cls.server = cls.make_server(cls.addClassResourceCleanup)
        cls.attach(cls.server, cls.share)
        cls.start(cls.server)
        cls.wait_for_status(cls.server, cls.share, "active")

    def assert_refused(self, client, actions):
        path = f"servers/{self.server}/action"
        for action, value in actions.items():
            answer = client.ask("POST", path, {action: value})
            self.assert_fault(
                answer,
                409,
                "conflictingRequest",
                "Feature not supported with instances that have shares.",
                action,
            )
        shown = self.client.show_server(self.server)["server"]
        self.assertEqual("ACTIVE", shown["status"])
        self.assertEqual("active", self.status(self.server, self.share))

    @decorators.idempotent_id("6a5b2d1e-4f7a-4b5f-a5fb-0f8d4a6b1c01")
    @decorators.attr(type=["negative"])
    def test_refused_in_nova_too(self):
        """Contract P1: what Nova itself refuses in the same way."""
        self.assert_refused(self.client, {"suspend": None, "shelve": None})
        live = {"host": None, "block_migration": "auto"}
        self.assert_refused(self.admin_client, {"os-migrateLive": live})

    @base.own_answer
    @decorators.idempotent_id("6a5b2d1e-4f7a-4b5f-a5fb-0f8d4a6b1c02")
    @decorators.attr(type=["negative"])
    def test_refused(self):
        """Contract P1: what Nova refuses otherwise, or not at all."""
        self.assert_refused(
            self.client,
            {
                "resize": {"flavorRef": CONF.compute.flavor_ref_alt},
                "rebuild": {"imageRef": CONF.compute.image_ref},
            },
        )
        self.assert_refused(
            self.admin_client,
            {"migrate": None, "evacuate": {}, "shelveOffload": None},
        )
