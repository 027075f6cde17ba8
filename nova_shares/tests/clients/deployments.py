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

"""The three deployments, as the cases of stock clients see them."""

import fixtures

from nova_shares.tests.functional import cloud as devcloud
from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import nova as real
from nova_shares.tests.functional_nova import standalone
from nova_shares.tests.functional_nova import stubs

_nova = []


class Deployment(fixtures.Fixture):
    """A cloud with server shares in it.

    :ivar url: of Keystone
    :ivar directory: for files of a test
    :ivar flavor: the name of one that servers may be made of
    """

    def server(self, name):
        """Make a stopped server of demo; returns its id."""
        raise NotImplementedError

    def share(self, name):
        """Make a share of demo; returns its id."""
        return self.cloud.create_share(name).id

    @property
    def url(self):
        return f"{self.cloud.url}/identity/v3"

    def mapping(self, server, share):
        """Get a mapping as the database has it; None: it is gone."""
        for mapping in self.store.list_all(instance_uuid=server):
            if mapping.share_id == share:
                return mapping
        return None

    def see(self, server, share, status):
        """Wait until a mapping has a status; None: it is gone."""

        def seen():
            mapping = self.mapping(server, share)
            return mapping.status if mapping else None

        real.wait_for(
            lambda: seen() == status,
            lambda: f"{self.mapping(server, share)}, not {status}",
        )


class Devcloud(Deployment):
    """The development cloud with all of us in it."""

    flavor = "m1.tiny"

    def _setUp(self):
        made = self.useFixture(devcloud.Cloud())
        self.cloud, self.store = made.cloud, made.store
        self.directory = made.aio.directory

    def server(self, name):
        return self.cloud.create_server(
            name, vm_state="stopped", host=devcloud.Cloud.host
        ).id


class _Nova(Deployment):
    """The real API of Nova; its guests are those that the agent sees."""

    flavor = "plain"

    def _setUp(self):
        self.nova = _shared_nova()
        self.cloud, self.store = self.nova.cloud, self.nova.store
        self.directory = self.useFixture(fixtures.TempDir()).path
        self._deploy()

    def _deploy(self):
        raise NotImplementedError

    def server(self, name):
        made = self.nova.server("active", display_name=name)
        response = self.nova.ask(
            "POST",
            f"/servers/{made}/action",
            {"os-stop": None},
            version="2.1",
        )
        assert response.status_code == 202, response.text
        real.wait_for(
            lambda: self.nova.state(made) == "stopped",
            lambda: self.nova.state(made),
        )
        return made


class Filter(_Nova):
    """The filters in Nova's pipeline."""

    def _deploy(self):
        endpoints = self.cloud.keystone.elsewhere
        endpoints["compute"] = f"{self.nova.api.url}/v2.1"
        self.addCleanup(endpoints.clear)


class Standalone(_Nova):
    """A service of our own behind HAProxy."""

    def _deploy(self):
        self.useFixture(standalone.Standalone(self.nova))


def _shared_nova():
    if not _nova:
        nova = base.started(real.Nova(guests=True))
        # Nova asks its own Glance, and the clients that of the catalog.
        nova.cloud.nova.images.clear()
        nova.cloud.nova.images[stubs.IMAGE] = "disk"
        _nova.append(nova)
    return _nova[0]
