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
"""What the agent needs of the outside: its host's rows, access, servers.

Whoever fills a port raises :class:`nova_shares.exception.ServiceUnavailable`
when it can't tell, or do, something now; for rows it is the subclass
:class:`nova_shares.exception.StateUnavailable`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from typing import Optional
from typing import Protocol

from nova_shares.mapping import Agent
from nova_shares.mapping import Capabilities
from nova_shares.mapping import Database
from nova_shares.mapping import ShareMapping
from nova_shares.progress import Progress


class Rows(Protocol):
    """The mappings of a host, and the row of its agent.

    What changes a mapping compares and swaps: it raises
    :class:`nova_shares.exception.Conflict` when the mapping has changed
    since it was read.
    """

    def get(self, uuid: str) -> Optional[ShareMapping]:
        """Read a mapping; None: there is no such row (yet)."""

    def list_for_host(self, host: str) -> list[ShareMapping]:
        """List the mappings of a host."""

    def list_for_server(self, instance_uuid: str) -> list[ShareMapping]:
        """List the mappings of a server, on whatever host."""

    def known(self, uuids: Collection[str]) -> set[str]:
        """Tell which of these are mappings, on whatever host."""

    def advance(self, m: ShareMapping, status: str) -> None:
        """Record that a mapping has come to a status without a fault."""

    def fail(
        self,
        m: ShareMapping,
        step: str,
        message: str,
        next_try_after: Optional[float],
    ) -> None:
        """Record that a step failed; None: it is not tried again."""

    def delete(self, m: ShareMapping) -> None:
        """Forget a mapping of which nothing is left."""

    def sharing(self, m: ShareMapping) -> list[str]:
        """List the other mappings of the host that use the share by NFS."""

    def want_detached(self, uuid: str) -> None:
        """Record that the desired state of a mapping is detached."""

    def database(self) -> Database:
        """Tell which database it is."""

    def agent(self, host: str) -> Optional[Agent]:
        """Read the row of a host's agent; None: it never had one."""

    def claim_host(
        self, host: str, boot_id: str, capabilities: Capabilities
    ) -> None:
        """Make this start of the agent the owner of the host."""

    def heartbeat(
        self,
        host: str,
        boot_id: str,
        capabilities: Capabilities,
        stopped: bool = False,
        at_least: int = 0,
    ) -> bool:
        """Report that the agent is up, or that it stops.

        :param at_least: how many heartbeats of the host there were before
        :returns: False: it no longer owns the host, or there were fewer
        """


class Access(Protocol):
    """Manila's access rules for the mappings of a host.

    Each call takes one more step and never waits: ``grant`` and ``revoke``
    return the seconds until the next one; None: it is done. They are told
    which mappings are mounted on the host.
    """

    def grant(
        self, m: ShareMapping, progress: Progress, mounted: Collection[str]
    ) -> Optional[float]:
        """Take a step towards an active rule, ``progress.made``; record it.

        With ``progress.must_release`` it waits until the mount is undone.
        """

    def is_granted(self, m: ShareMapping, mounted: Collection[str]) -> bool:
        """Tell whether the recorded rule is active."""

    def revoke(
        self, m: ShareMapping, progress: Progress, mounted: Collection[str]
    ) -> Optional[float]:
        """Take a step towards no rule that nobody needs."""

    def clean_up(self) -> None:
        """Remove what Manila made for mappings of the host that are gone.

        It is called again and again, and looks when there is a reason to.
        """

    def identity(self, m: ShareMapping) -> Any:
        """Get the CephFS identity to mount with; None for NFS."""

    def relocated(self, m: ShareMapping) -> ShareMapping:
        """Update the export location of a mapping."""


class Server(Protocol):
    """A server, as far as an agent needs it."""

    @property
    def host(self) -> Optional[str]:
        """The host of the server; None: it has none."""

    @property
    def vm_state(self) -> str:
        """The state of the server."""

    @property
    def task_state(self) -> Optional[str]:
        """What is being done with the server; None: nothing."""


class Servers(Protocol):
    """Where servers are."""

    def find(self, server_id: str) -> Server:
        """Look a server up.

        :raises nova_shares.exception.ServerNotFound: if Nova has none
        """
