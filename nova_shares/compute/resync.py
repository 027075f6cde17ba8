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

"""Finds every mapping of the host that is out of sync.

Messages may be lost, agents may be killed, servers may be deleted or moved
without the API of nova_shares: a resync finds out what is true, at start,
from time to time and after an outage.
"""

from __future__ import annotations

import random
import time
from typing import Any
from typing import Optional

from oslo_log import log as logging

from nova_shares import exception
from nova_shares import mapping
from nova_shares.compute import manager as compute_manager
from nova_shares.compute import ports
from nova_shares.compute.manager import MOVED
from nova_shares.mapping import ShareMapping
from nova_shares.virt import driver as virt_driver

LOG = logging.getLogger(__name__)

#: Seconds in one run after which a Nova that fails is asked no more.
_LONGEST_CHECK = 10.0
#: How many mounts of no mapping are undone without asking anybody.
_MOST_LEFTOVERS = 10
#: One in so many mappings has its access rule looked at in each run.
_RUNS_TO_VERIFY_ALL = 10


class Resync:
    """Looks at all mappings of a host.

    :param servers: tells where servers are
    :param server_check_interval: seconds after which Nova is asked again
        for a server whose guest is there
    :param server_gone_interval: seconds between two answers that a server
        is gone, before that counts
    """

    def __init__(
        self,
        host: str,
        rows: ports.Rows,
        driver: virt_driver.Driver,
        manager: compute_manager.Manager,
        servers: ports.Servers,
        server_check_interval: float = 3600,
        server_gone_interval: float = 60,
    ) -> None:
        self._host = host
        self._rows = rows
        self._driver = driver
        self._manager = manager
        self._servers = servers
        self._check_interval = server_check_interval
        self._gone_interval = server_gone_interval
        self._checked: dict[str, float] = {}
        self._gone_since: dict[str, float] = {}
        self._verified: dict[str, float] = {}

    def run(self, all_errors: bool = False) -> None:
        """Have each mapping that is out of sync reconciled.

        :param all_errors: those too whose next try is not due
        :raises Exception: when the database or the hypervisor fails
        """
        # Before the rows: what is mounted later has a row by then.
        mounted = self._driver.mounted()
        mappings = self._rows.list_for_host(self._host)
        domains = self._driver.domains()
        # All at once: looking at the processes of the host takes a while.
        working = self._driver.works(
            [
                m
                for m in mappings
                if m.status == mapping.ACTIVE and domains.get(m.instance_uuid)
            ]
        )
        out_of_sync = [
            m
            for m in mappings
            if self._is_out_of_sync(m, domains, working, mounted, all_errors)
        ]
        LOG.debug(
            "Resync: %d of %d mappings are out of sync",
            len(out_of_sync),
            len(mappings),
        )
        for m in out_of_sync:
            self._manager.reconcile(m.uuid)
        self._verify(mappings, {m.uuid for m in out_of_sync}, all_errors)
        self._check_servers(mappings, domains)
        self._remove_leftovers(mounted - {m.uuid for m in mappings})
        self._manager.clean_up()

    def _verify(
        self, mappings: list[ShareMapping], out_of_sync: set[str], every: bool
    ) -> None:
        """Have the access rules of mappings verified, in turn.

        :param out_of_sync: those that are looked at anyway
        :param every: do so for all that are attached
        """
        attached = [
            m
            for m in mappings
            if m.uuid not in out_of_sync
            and m.wanted == mapping.ATTACHED
            # One that is to be tried again looks at its rule then; one that
            # is not must not be driven.
            and m.status != mapping.ERROR
        ]
        self._verified = {
            m.uuid: self._verified.get(m.uuid, 0.0) for m in attached
        }
        count = -(-len(attached) // (1 if every else _RUNS_TO_VERIFY_ALL))
        for uuid in sorted(self._verified, key=self._verified.__getitem__)[
            :count
        ]:
            self._verified[uuid] = time.monotonic()
            self._manager.reconcile(uuid, verify=True)

    def _remove_leftovers(self, uuids: set[str]) -> None:
        """Unmount what no mapping of the database calls for.

        A few may be left behind; many mean that something else is wrong.
        """
        gone = sorted(uuids - self._rows.known(uuids)) if uuids else []
        if len(gone) > _MOST_LEFTOVERS:
            LOG.error(
                "%d mounts belong to no mapping. This is too many, so none is "
                "unmounted: %s",
                len(gone),
                ", ".join(gone),
            )
            return
        for uuid in gone:
            try:
                self._driver.unmount_leftover(uuid)
            except exception.StepFailed as e:
                LOG.warning("Cannot remove stale mount %s: %s", uuid, e)
            else:
                LOG.info("Stale mount %s removed", uuid)

    def _is_out_of_sync(self, m: ShareMapping, *seen: Any) -> bool:
        try:
            return self._differs(m, *seen)
        except exception.StepFailed as e:
            # One guest that cannot be looked at holds up no other.
            LOG.warning("Cannot check mapping %s: %s", m.uuid, e)
            return False

    def _differs(
        self,
        m: ShareMapping,
        domains: dict[str, bool],
        working: set[str],
        mounted: set[str],
        all_errors: bool,
    ) -> bool:
        if m.status == mapping.ERROR:
            if _has_moved(m):
                # Only Nova's word that it is back brings it back.
                return False
            return all_errors or (m.fault is not None and m.fault.due)
        if m.wanted == mapping.DETACHED or m.status == mapping.ATTACHING:
            return True
        if domains.get(m.instance_uuid):
            return m.status != mapping.ACTIVE or m.uuid not in working
        if m.status != mapping.INACTIVE:
            return True
        if self._driver.is_saved(m):
            return not self._driver.is_mounted(m)
        # A mount, or a mount point that was left empty.
        return m.uuid in mounted

    def _check_servers(
        self, mappings: list[ShareMapping], domains: dict[str, bool]
    ) -> None:
        servers: dict[str, list[ShareMapping]] = {}
        for m in mappings:
            servers.setdefault(m.instance_uuid, []).append(m)
        for known in (self._checked, self._gone_since):
            for server_id in set(known) - set(servers):
                del known[server_id]
        began = time.monotonic()
        for server_id in servers:
            # Not all at the same time.
            ago = random.uniform(0, self._check_interval)  # noqa: S311
            self._checked.setdefault(server_id, began - ago)
        for server_id in sorted(servers, key=self._checked.__getitem__):
            checked = self._checked[server_id]
            if (
                server_id in domains
                and began - checked < self._check_interval
                and not any(map(_has_moved, servers[server_id]))
            ):
                continue
            self._checked[server_id] = time.monotonic()
            try:
                self._check_server(
                    server_id, servers[server_id], domains.get(server_id)
                )
            except exception.ServiceUnavailable as e:
                # Unknown is not gone.
                LOG.warning("Cannot look up server %s: %s", server_id, e)
                if time.monotonic() - began > _LONGEST_CHECK:
                    LOG.warning(
                        "The other servers are looked up at the next resync"
                    )
                    return

    def _check_server(
        self,
        server_id: str,
        mappings: list[ShareMapping],
        is_running: Optional[bool],
    ) -> None:
        try:
            server = self._servers.find(server_id)
        except exception.ServerNotFound:
            if is_running:
                LOG.warning(
                    "Nova does not find server %s, but its guest runs here."
                    " Its shares stay attached",
                    server_id,
                )
                self._gone_since.pop(server_id, None)
            else:
                self._is_gone(server_id, mappings)
            return
        self._gone_since.pop(server_id, None)
        host = server.host
        for m in mappings:
            if host is not None and host != self._host:
                self._record_move(m, host)
            elif _has_moved(m):
                self._manager.reconcile(m.uuid)

    def _is_gone(self, server_id: str, mappings: list[ShareMapping]) -> None:
        now = time.monotonic()
        since = self._gone_since.setdefault(server_id, now)
        if now - since < self._gone_interval or since == now:
            return
        for m in mappings:
            if m.wanted == mapping.ATTACHED:
                LOG.info(
                    "Mapping %s is detached: Nova does not find server %s",
                    m.uuid,
                    server_id,
                )
                self._rows.want_detached(m.uuid)
                self._manager.reconcile(m.uuid)

    def _record_move(self, m: ShareMapping, host: str) -> None:
        if m.wanted == mapping.DETACHED or _has_moved(m):
            return
        LOG.warning("Server %s has moved to %s", m.instance_uuid, host)
        try:
            self._rows.fail(
                m, MOVED, f"The server is on host {host} now.", None
            )
        except exception.Conflict:
            LOG.debug("Mapping %s changed meanwhile", m.uuid)


def _has_moved(m: ShareMapping) -> bool:
    """Tell whether a mapping is in error since its server is elsewhere."""
    return m.fault is not None and m.fault.step == MOVED
