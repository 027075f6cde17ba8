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

"""The cloud itself, in memory.

It is put together of parts, a module each: who there is (``directory``), what
Nova has (``servers``), what Manila has (``shares``), and what a test tells it
(``switches``). All are behind one lock.
"""

from __future__ import annotations

from nova_shares_devcloud import directory
from nova_shares_devcloud import servers
from nova_shares_devcloud import shares
from nova_shares_devcloud import switches


class Cloud:
    """Everything that the services show. For development and tests only.

    Projects: demo, other, admin, service. Users: admin (of the system too),
    member and reader (of demo), other (of other), nova-shares and nova.

    :param password: everybody's
    :param token_ttl: how long a token lives, in seconds
    :param host: where servers are, unless said otherwise
    :param compute_max: the highest compute microversion
    :param share_max: the highest microversion of shared file systems
    :ivar keystone: the :class:`directory.Directory`
    :ivar nova: the :class:`servers.Servers`
    :ivar manila: the :class:`shares.Shares`
    :ivar switches: the :class:`switches.Switches`
    """

    def __init__(
        self,
        password: str = "devcloud",  # noqa: S107
        token_ttl: float = 3600,
        host: str = "devcloud",
        compute_max: str = "2.97",
        share_max: str = "2.82",
    ) -> None:
        self.compute_max = compute_max
        self.share_max = share_max
        self.keystone = directory.Directory(password, token_ttl)
        self.nova = servers.Servers(self.keystone, host)
        self.manila = shares.Shares(self.keystone)
        self.switches = switches.Switches(self.keystone)
        self._put_in_reach()

    @property
    def url(self) -> str:
        """Where it is served, without a slash at the end."""
        return self.keystone.url

    def close(self) -> None:
        """Let go what waits for a time, or hangs in a fault."""
        self.nova.close()
        self.switches.clear_faults()

    def _put_in_reach(self) -> None:
        """Put what stories are told with within a test's reach."""
        keystone, nova, manila = self.keystone, self.nova, self.manila
        self.password = keystone.password
        self.projects = keystone.projects
        self.users = keystone.users
        self.create_user = keystone.create_user
        self.assign = keystone.assign
        self.issue = keystone.issue
        self.token_of = keystone.token_of
        self.servers = nova.servers
        self.create_server = nova.create_server
        self.set_server = nova.set_server
        self.on_power = nova.on_power
        self.shares = manila.shares
        self.create_share = manila.create_share
        self.set_share = manila.set_share
        self.remove_share = manila.remove_share
        self.locks = manila.locks
        self.rules = manila.rules
        self.deny = manila.deny
        self.hold = manila.hold
        self.release = manila.release
        self.rule_error = manila.rule_error
        self.fail = self.switches.fail
        self.clear_faults = self.switches.clear_faults
        self.on_request = self.switches.on_request
        self.requests = self.switches.requests
        self.forget_requests = self.switches.forget_requests
