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

"""The four operations on the shares of a server, free of HTTP.

Each takes who calls and ``servers``, which looks the server up (see
:class:`nova_shares.clients.nova.ServerLookup`). Ids are taken as the caller
wrote them. Every operation may also raise the errors of oslo.db, and
:class:`nova_shares.exception.ServiceUnavailable` when a neighbour does not
answer as it should.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Callable
from typing import Optional
from typing import TypeVar

from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_shares import bulkhead
from nova_shares import exception
from nova_shares import mapping
from nova_shares import policies
from nova_shares import rpc
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.db import breaker
from nova_shares.db import store as db_store
from nova_shares.mapping import MappingSummary
from nova_shares.mapping import ShareMapping
from nova_shares.mapping import ShownMapping
from nova_shares.mounts import location
from nova_shares.policies import server_shares as rules

LOG = logging.getLogger(__name__)

_Row = TypeVar("_Row", MappingSummary, ShownMapping)

_AVAILABLE = "available"
_STOPPED = "stopped"
_DETACHABLE = (_STOPPED, "error")
#: The states of a server that is deleted, but not for good.
_SOFT = {"soft-delete", "soft-deleting"}
#: With these values of hw:mem_page_size Nova gives a guest memory that
#: others can share; with ``small`` it does not, with ``any`` it may not.
_PRIVATE_PAGES = ("small", "any")


class Attachments:
    """Attaches shares to servers, and tells which are attached.

    :param agent_down_time: seconds without a heartbeat after which an agent is
        down
    :param concurrent: how many requests may wait for Manila at the same
        time, and how many for Nova
    :param manila_timeout: seconds that Manila has in all, a request
    """

    def __init__(
        self,
        store: db_store.Store,
        shares: manila.Shares,
        policy: policies.Policy,
        agent_api: rpc.AgentAPI,
        agent_down_time: float = 60,
        concurrent: int = 4,
        manila_timeout: float = 5,
    ) -> None:
        self.store = store
        self.policy = policy
        self._shares = shares
        self._agent_api = agent_api
        self._agent_down_time = agent_down_time
        self._manila_timeout = manila_timeout
        # Apart: a Manila that hangs must not hold up what needs Nova alone.
        self._manila = bulkhead.Bulkhead(manila.SERVICE, concurrent)
        self._nova = bulkhead.Bulkhead(nova.SERVICE, concurrent)

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Attachments:
        """Build it, with its collaborators; connects to nothing."""
        return cls(
            store=db_store.Store.from_conf(conf, breaker.Breaker()),
            shares=manila.Shares(conf),
            policy=policies.Policy(conf),
            agent_api=rpc.AgentAPI(conf),
            agent_down_time=conf.api.agent_down_time,
            concurrent=conf.api.max_concurrent_requests,
            manila_timeout=conf.manila.api_timeout,
        )

    def index(
        self,
        caller: context.RequestContext,
        server_id: str,
        servers: nova.ServerLookup,
    ) -> list[MappingSummary]:
        """List a server's mappings, oldest first.

        :raises nova_shares.exception.ServerNotFound: if there is no server
        :raises nova_shares.exception.NotAllowed: by policy
        """
        return self._of_server(
            self.store.list_summaries, caller, rules.INDEX, server_id, servers
        )

    def show(
        self,
        caller: context.RequestContext,
        server_id: str,
        share_id: str,
        servers: nova.ServerLookup,
    ) -> ShownMapping:
        """Get the mapping of a share to a server.

        :raises nova_shares.exception.ServerNotFound: if there is no server
        :raises nova_shares.exception.NotAllowed: by policy
        :raises nova_shares.exception.ShareNotFound: if it is not attached
        """
        mappings = self._of_server(
            self.store.list_shown, caller, rules.SHOW, server_id, servers
        )
        return _with_share(mappings, share_id)

    def attach(
        self,
        caller: context.RequestContext,
        server_id: str,
        share_id: str,
        tag: Optional[str],
        servers: nova.ServerLookup,
        deadline: float,
    ) -> tuple[ShareMapping, bool]:
        """Record that a share is to be attached, and tell the agent.

        :param tag: what the guest mounts it by; None: the share's id
        :param deadline: until when it may wait for Manila, by
            time.monotonic()
        :returns: the new mapping, ``attaching``, and whether ``caller`` may
            see all of it
        :raises nova_shares.exception.NovaSharesError: those that
            :mod:`nova_shares.exception` lists for what a caller may not do
        """
        server = self._find(caller, rules.CREATE, server_id, servers)
        self._check_state(caller, server, "create share", (_STOPPED,))
        agent = self._check_host(server)
        share, export_location = self._find_share(
            caller, server, share_id, deadline
        )
        if share.proto not in agent.capabilities.protocols:
            raise exception.NotSupported()
        # Nothing that can fail may come after what is recorded.
        seen = self.sees_admin_fields(caller, server.project_id)
        new = self.store.insert(
            ShareMapping(
                uuid=uuidutils.generate_uuid(),
                instance_uuid=server.id,
                project_id=server.project_id,
                host=agent.host,
                share_id=share.id,
                share_proto=share.proto,
                export_location=export_location,
                tag=share.id if tag is None else tag,
                user_id=caller.user_id,
                request_id=caller.request_id,
            )
        )
        _log_wanted(new)
        self._agent_api.reconcile(caller, new)
        return new, seen

    def detach(
        self,
        caller: context.RequestContext,
        server_id: str,
        share_id: str,
        servers: nova.ServerLookup,
    ) -> None:
        """Record that a share is to be detached, and tell the agent.

        :raises nova_shares.exception.NovaSharesError: those that
            :mod:`nova_shares.exception` lists for what a caller may not do
        """
        server = self._find(caller, rules.DELETE, server_id, servers)
        self._check_state(caller, server, "delete share", _DETACHABLE)
        mappings = self.store.list_shown(server.id)
        found = _with_share(mappings, share_id)
        unwanted = self.store.want_detached(
            found.uuid, caller.user_id, caller.request_id
        )
        if unwanted is None:
            # Whoever undid it, this request or another, it is gone as asked.
            LOG.debug("Mapping %s is gone already", found.uuid)
            return
        _log_wanted(unwanted)
        self._agent_api.reconcile(caller, unwanted)

    def detach_all(
        self,
        caller: context.RequestContext,
        server_id: str,
        servers: nova.ServerLookup,
    ) -> None:
        """Have all shares of a server detached that Nova deletes.

        A soft-deleted server may come back, and keeps them.

        :raises nova_shares.exception.ServiceUnavailable: when Nova can't
            tell which it is
        """
        try:
            with self._nova.call(caller.project_id):
                server = servers.find(server_id)
            if _SOFT & {server.vm_state, server.task_state}:
                return
        except exception.ServerNotFound:
            LOG.debug("Server %s no longer exists", server_id)
        for unwanted in self.store.want_all_detached(
            server_id.lower(), caller.user_id, caller.request_id
        ):
            _log_wanted(unwanted)
            self._agent_api.reconcile(caller, unwanted)

    def sees_admin_fields(
        self, caller: context.RequestContext, project_id: str
    ) -> bool:
        """Tell whether ``caller`` may see all of a project's mappings."""
        return self.policy.allows(caller, rules.ADMIN_FIELDS, project_id)

    def _of_server(
        self,
        read: Callable[[str], list[_Row]],
        caller: context.RequestContext,
        rule: str,
        server_id: str,
        servers: nova.ServerLookup,
    ) -> list[_Row]:
        _check_server_id(server_id)
        mappings = read(server_id.lower())
        if mappings:
            # The rows name the project: nobody else needs to be asked.
            self.policy.authorize(caller, rule, mappings[0].project_id)
        elif not self._is_shown(caller, rule, server_id, servers):
            self._find(caller, rule, server_id, servers)
        return mappings

    def _is_shown(
        self,
        caller: context.RequestContext,
        rule: str,
        server_id: str,
        servers: nova.ServerLookup,
    ) -> bool:
        """Tell whether Nova says, for less, that ``_find`` would succeed.

        Nova's rule for tags is, by default, the one for shares: a server
        that it shows to somebody who is no administrator is of the
        caller's own project.
        """
        if (
            caller.is_admin
            or "admin" in caller.roles
            or not self.policy.allows(caller, rule, caller.project_id)
        ):
            return False
        with self._nova.call(caller.project_id):
            return servers.is_shown(server_id)

    def _find(
        self,
        caller: context.RequestContext,
        rule: str,
        server_id: str,
        servers: nova.ServerLookup,
    ) -> nova.Server:
        _check_server_id(server_id)
        with self._nova.call(caller.project_id):
            server = servers.find(server_id)
        self.policy.authorize(caller, rule, server.project_id)
        # The database compares ids byte for byte.
        return dataclasses.replace(server, id=server.id.lower())

    def _check_state(
        self,
        caller: context.RequestContext,
        server: nova.Server,
        action: str,
        states: tuple[str, ...],
    ) -> None:
        if server.locked and not self.policy.allows(
            caller, rules.IGNORE_LOCK, server.project_id
        ):
            raise exception.ServerLocked(server_id=server.id)
        if server.vm_state not in states:
            wrong = ("vm_state", server.vm_state)
        elif server.task_state and server.vm_state == _STOPPED:
            wrong = ("task_state", server.task_state)
        else:
            return
        raise exception.ServerInState(
            action=action,
            server_id=server.id,
            attribute=wrong[0],
            state=wrong[1],
        )

    def _check_host(self, server: nova.Server) -> mapping.Agent:
        agent = self.store.agent(server.host) if server.host else None
        if agent is None or agent.is_down(self._agent_down_time):
            raise exception.HostNotAvailable()
        pages = server.extra_specs.get("hw:mem_page_size")
        shared_memory = agent.capabilities.file_backed_memory or (
            pages is not None and pages.lower() not in _PRIVATE_PAGES
        )
        if not (agent.capabilities.virtiofs and shared_memory):
            raise exception.NotSupported()
        return agent

    def _find_share(
        self,
        caller: context.RequestContext,
        server: nova.Server,
        share_id: str,
        deadline: float,
    ) -> tuple[manila.Share, str]:
        if not uuidutils.is_uuid_like(share_id) or len(share_id) != 36:
            raise exception.ShareNotFound(share_id=share_id)
        with self._manila.call(caller.project_id) as limit:
            limit = min(limit, self._manila_timeout)
            deadline = min(deadline, time.monotonic() + limit)
            share = self._shares.find(caller, share_id.lower(), deadline)
            if share.project_id != server.project_id and not (
                self.policy.allows(caller, rules.ANY_SHARE, share.project_id)
            ):
                raise exception.ShareNotFound(share_id=share_id)
            if share.status != _AVAILABLE:
                raise exception.ShareNotAvailable(
                    share_id=share.id, status=share.status
                )
            if share.in_recycle_bin:
                raise exception.ShareInRecycleBin(share_id=share.id)
            exports = self._shares.export_locations(share.id, caller, deadline)
        if not exports:
            raise exception.ExportLocationMissing(share_id=share.id)
        if share.proto not in mapping.PROTOCOLS:
            raise exception.ProtocolNotSupported(protocol=share.proto)
        return share, _mountable(share, exports)


def _mountable(share: manila.Share, exports: list[str]) -> str:
    """Choose the first export location that a host can mount."""
    for export in exports:
        try:
            location.parse(share.proto, export)
        except location.BadLocation as e:
            LOG.info(
                "Share %s: export location %.200r is not used: %s",
                share.id,
                export,
                e,
            )
        else:
            return export
    raise exception.ExportLocationInvalid(share_id=share.id)


def _check_server_id(server_id: str) -> None:
    if not uuidutils.is_uuid_like(server_id) or len(server_id) != 36:
        raise exception.ServerNotFound(server_id=server_id)


def _with_share(mappings: list[ShownMapping], share_id: str) -> ShownMapping:
    for candidate in mappings:
        if candidate.share_id == share_id.lower():
            return candidate
    raise exception.ShareNotFound(share_id=share_id)


def _log_wanted(wanted: ShareMapping) -> None:
    LOG.info(
        "Mapping %s: desired state of share %s is %s, server %s on %s",
        wanted.uuid,
        wanted.share_id,
        wanted.wanted,
        wanted.instance_uuid,
        wanted.host,
    )
