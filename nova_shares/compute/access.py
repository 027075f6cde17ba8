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

"""Letting a host in to a share at Manila, and out again.

An NFS share is open to a host's address: one access rule serves all servers
of the host. A CephFS share is open to an identity of its own for each
mapping, so that letting one out cuts off no other.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
import dataclasses
import hashlib
import time
from typing import Optional

from oslo_concurrency import lockutils
from oslo_log import log as logging

from nova_shares.clients import manila
from nova_shares.db import store as db_store
from nova_shares import exception
from nova_shares import mapping
from nova_shares.mapping import ShareMapping
from nova_shares.virt import driver as virt_driver

LOG = logging.getLogger(__name__)

_ON_THE_WAY = ("queued_to_apply", "applying")
_ON_THE_WAY_OUT = ("queued_to_deny", "denying")
_FIRST_WAIT = 0.05
_LONGEST_WAIT = 2.0


@dataclasses.dataclass
class Progress:
    """How far a series of looks at one mapping has come.

    It saves calls and bounds the waiting; that it is lost at a restart
    costs nothing else.

    :ivar generation: the mapping's, which the series is for
    :ivar step: what is being done, for the fault
    :ivar verify: whether the access rule is to be looked at in any case
    :ivar made: the access rule that the series made or found
    :ivar denied: the access rules that it has had taken away
    """

    generation: int
    step: str = "look"
    verify: bool = False
    made: Optional[str] = None
    denied: set[str] = dataclasses.field(default_factory=set)
    waits: dict[str, tuple[float, float]] = dataclasses.field(
        default_factory=dict
    )

    def next_wait(self, limit: float, what: str) -> float:
        """Tell how long to wait before the next look: twice the last.

        :raises nova_shares.exception.StepFailed: after ``limit`` seconds of
            waiting in this step
        """
        now = time.monotonic()
        since, wait = self.waits.get(self.step, (now, _FIRST_WAIT))
        if now - since > limit:
            raise exception.StepFailed(f"{what} after {limit:g} seconds.")
        self.waits[self.step] = since, min(wait * 2, _LONGEST_WAIT)
        return wait


class Access:
    """Grants and revokes, a look at a time: it never waits itself.

    Look, allow and deny are under one lock a share. Waiting is not: who
    finds a rule on its way out waits until it is gone and makes it anew.

    :param timeout: seconds after which a rule should have become active, or
        be gone
    """

    def __init__(
        self,
        shares: manila.Shares,
        store: db_store.Store,
        driver: virt_driver.Driver,
        host: str,
        share_ip: str,
        timeout: float,
    ) -> None:
        self._shares = shares
        self._store = store
        self._driver = driver
        self._host = host
        self._share_ip = share_ip
        self._timeout = timeout
        self._locks = lockutils.Semaphores()

    def grant(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        """Take one more step towards an active access rule.

        :returns: seconds until the next look; None: ``progress.made`` is
            active
        :raises nova_shares.exception.StepFailed: when it can't be had
        """
        with self._lock(m):
            try:
                return self._grant(m, progress)
            except exception.ShareNotFound:
                raise exception.StepFailed(
                    "Manila has no such share any more."
                ) from None

    def _grant(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        rule = self._look(m, progress)
        if rule is None:
            kind, to = self._who(m)
            rule = self._shares.allow(
                m.share_id, kind, to, m.access_level, _reason(m)
            )
            LOG.debug("Mapping %s: access rule %s made", m.uuid, rule.id)
            progress.made = rule.id
        if rule.state == "active":
            if rule.access_level != m.access_level:
                raise exception.StepFailed(
                    f"Manila lets this host in with level "
                    f"{rule.access_level} by a rule that is not ours."
                )
            progress.made = rule.id
            return None
        if rule.state == "error":
            return self._remake(m, rule, progress)
        if rule.state in _ON_THE_WAY:
            progress.made = rule.id
        elif rule.state in _ON_THE_WAY_OUT:
            progress.made = None
        return progress.next_wait(
            self._timeout, f"The access rule is still {rule.state}"
        )

    def _remake(
        self, m: ShareMapping, rule: manila.AccessRule, progress: Progress
    ) -> float:
        if progress.made == rule.id:
            # Of this very series: the next one takes it away.
            raise exception.StepFailed(
                "Manila could not apply the access rule."
            )
        self._shares.deny(m.share_id, rule.id)
        return progress.next_wait(
            self._timeout, "The failed access rule is not gone"
        )

    def revoke(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        """Take one more step towards no access rule that nobody needs.

        To be called when the unmount is proven.

        :returns: seconds until the next look; None: it is done
        :raises nova_shares.exception.StepFailed: when it can't be
        """
        with self._lock(m):
            if self.needed_by(m):
                return None
            try:
                return self._revoke(m, progress)
            except exception.ShareNotFound:
                return None

    def _revoke(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        if m.access_id and m.access_id not in progress.denied:
            self._deny(m, m.access_id, progress)
        rule = self._find(m)
        if rule is None:
            return None
        if (
            rule.id not in progress.denied
            and rule.state not in _ON_THE_WAY_OUT
        ):
            self._deny(m, rule.id, progress)
        return progress.next_wait(
            self._timeout, f"The access rule is still {rule.state}"
        )

    def _deny(self, m: ShareMapping, rule: str, progress: Progress) -> None:
        self._shares.deny(m.share_id, rule)
        LOG.debug("Mapping %s: access rule %s to be denied", m.uuid, rule)
        progress.denied.add(rule)

    def needed_by(self, m: ShareMapping) -> list[ShareMapping]:
        """List the other mappings of this host that need the rule of one."""
        if m.share_proto != "NFS":
            return []
        return [
            other
            for other in self._store.list_for_share(self._host, m.share_id)
            if other.uuid != m.uuid
            and (
                other.wanted == mapping.ATTACHED
                or self._driver.is_mounted(other)
            )
        ]

    def identity(
        self, m: ShareMapping
    ) -> Optional[virt_driver.CephxIdentity]:
        """Get as whom to mount; None where the protocol needs no one.

        :raises nova_shares.exception.StepFailed: when Manila has no key
        """
        if m.share_proto == "NFS":
            return None
        key = self._shares.access_key(m.access_id) if m.access_id else None
        if not key:
            raise exception.StepFailed("Manila has no key of the access rule.")
        return virt_driver.CephxIdentity(self._who(m)[1], key)

    def _look(
        self, m: ShareMapping, progress: Progress
    ) -> Optional[manila.AccessRule]:
        if progress.made is not None:
            return self._shares.rule(progress.made)
        return self._find(m)

    def _find(self, m: ShareMapping) -> Optional[manila.AccessRule]:
        who = self._who(m)
        for rule in self._shares.rules(m.share_id):
            if (rule.access_type, rule.access_to) == who:
                return rule
        return None

    def _who(self, m: ShareMapping) -> tuple[str, str]:
        if m.share_proto == "NFS":
            return "ip", self._share_ip
        # Manila refuses a dot, which a host's name may have.
        host = hashlib.sha256(self._host.encode()).hexdigest()[:12]
        return "cephx", f"nova-shares-{host}-{m.uuid}"

    def _lock(self, m: ShareMapping) -> AbstractContextManager[object]:
        return lockutils.lock(
            f"share-{m.share_id}", semaphores=self._locks, do_log=False
        )


def _reason(m: ShareMapping) -> str:
    return (
        f"nova_shares: attached to server {m.instance_uuid} on {m.host}, "
        f"request {m.request_id} of user {m.user_id} in project "
        f"{m.project_id}"
    )
