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

"""Which states of a server an attach and a detach are refused in."""

from tempest import config
from tempest.common import waiters
from tempest.lib import decorators
import testtools

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY

CONF = config.CONF
enabled = CONF.compute_feature_enabled


def requires(feature):
    """Skip a test unless the cloud has a feature of Nova."""
    return testtools.skipUnless(
        getattr(enabled, feature),
        f"[compute-feature-enabled] {feature} is False",
    )


class StatesTest(base.ApiTest):
    """Servers that run, or do something else than being stopped."""

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)

    def assert_refused(self, server, vm_state):
        """Check that nothing is attached or detached in this state."""
        end = f" instance {server} while it is in vm_state {vm_state}"
        answer = self.ask_attach(server, self.share)
        self.assert_conflict(answer, f"Cannot 'create share'{end}")
        for share in (self.share, NOBODY):
            answer = self.ask_detach(server, share)
            self.assert_conflict(answer, f"Cannot 'delete share'{end}")

    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a01")
    @decorators.attr(type=["negative"])
    def test_active(self):
        """Contract A15, D2: a server that runs."""
        server = self.create_server(stopped=False)
        self.assert_refused(server, "active")

    @requires("pause")
    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a02")
    @decorators.attr(type=["negative"])
    def test_paused(self):
        """Contract A15, D2: a paused server."""
        server = self.create_server(stopped=False)
        self.client.pause_server(server)
        waiters.wait_for_server_status(self.client, server, "PAUSED")
        self.assert_refused(server, "paused")

    @requires("suspend")
    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a03")
    @decorators.attr(type=["negative"])
    def test_suspended(self):
        """Contract A15, D2, P2: without shares, a suspend works."""
        server = self.create_server(stopped=False)
        self.client.suspend_server(server)
        waiters.wait_for_server_status(self.client, server, "SUSPENDED")
        self.assert_refused(server, "suspended")

    @requires("rescue")
    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a04")
    @decorators.attr(type=["negative"])
    def test_rescued(self):
        """Contract A15, D2: a rescued server."""
        server = self.create_server(stopped=False)
        self.client.rescue_server(server)
        waiters.wait_for_server_status(self.client, server, "RESCUE")
        self.assert_refused(server, "rescued")

    @requires("shelve")
    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a05")
    @decorators.attr(type=["negative"])
    def test_shelved(self):
        """Contract A15, D2, P2: without shares, a shelve works."""
        server = self.create_server(stopped=False)
        self.client.shelve_server(server)
        offload_time = CONF.compute.shelved_offload_time
        status = "SHELVED_OFFLOADED" if offload_time == 0 else "SHELVED"
        waiters.wait_for_server_status(self.client, server, status)
        self.assert_refused(server, status.lower())

    @requires("resize")
    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a06")
    @decorators.attr(type=["negative"])
    def test_resized(self):
        """Contract A15, D2, P2: without shares, a resize works."""
        server = self.create_server(stopped=False)
        self.client.resize_server(server, CONF.compute.flavor_ref_alt)
        waiters.wait_for_server_status(self.client, server, "VERIFY_RESIZE")
        self.assert_refused(server, "resized")

    @decorators.idempotent_id("4e3f0b9c-2d58-4f3d-83d9-8d6b2e4f9a07")
    def test_error(self):
        """Contract A15, D1: in error, a detach works, an attach does not."""
        server = self.create_server()
        self.attach(server, self.share)
        self.admin_client.reset_state(server, state="error")
        end = f" instance {server} while it is in vm_state error"
        answer = self.ask_attach(server, NOBODY)
        self.assert_conflict(answer, f"Cannot 'create share'{end}")
        self.detach(server, self.share)
