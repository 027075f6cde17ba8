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

"""Grants and revokes the access of a host to a share in Manila.

An NFS share is open to a host's address: one access rule serves all servers
of the host. A CephFS share is open to an identity of its own for each
mapping, so that letting one out cuts off no other.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
from typing import Optional

from oslo_log import log as logging

from nova_shares import exception
from nova_shares import mapping
from nova_shares.clients import lock_reason
from nova_shares.clients import manila
from nova_shares.conductor import rows as conductor_rows
from nova_shares.conductor import stale_locks
from nova_shares.db import store as db_store
from nova_shares.mapping import ShareMapping
from nova_shares.mounts import location
from nova_shares.progress import WAITS
from nova_shares.progress import Progress
from nova_shares.virt import driver as virt_driver

LOG = logging.getLogger(__name__)

_ON_THE_WAY_OUT = ("queued_to_deny", "denying")
#: What nobody else can do to a rule of ours.
_LOCKED = {"delete", "show"}
#: The first wait where Manila has just been too slow for the shortest.
_SLOWER_FIRST_WAIT = 0.1
#: Metadata of a share, which Manila's CephFS driver sets.
_MOUNT_OPTIONS = "__mount_options"
#: What the fault of a wait that has run out begins with.
_STILL = "The access rule is still"
#: Nobody waits for a rule to be gone as for one to be active: a first look
#: that mostly finds it gone saves a call.
_FIRST_WAIT_FOR_DENY = 0.25


class Access:
    """Grants and revokes, a look at a time: it never waits itself.

    A host grants or revokes access to a share once at a time. Who finds a
    rule on its way out comes again until it is gone, and makes it anew.

    :param timeout: seconds after which a rule should have become active, or
        be gone
    """

    def __init__(
        self,
        shares: manila.Shares,
        store: db_store.Store,
        host: str,
        address: str,
        timeout: float,
    ) -> None:
        self._shares = shares
        self._store = store
        self._host = host
        self._address = address
        self._timeout = timeout
        self._stale_locks = stale_locks.StaleLocks(shares, store, host)
        self._database: Optional[str] = None
        self._first_wait = WAITS[0]

    def grant(
        self, m: ShareMapping, progress: Progress, mounted: Collection[str]
    ) -> Optional[float]:
        """Take one more step towards an active access rule, and record it.

        :param mounted: the mappings that are mounted on the host
        :returns: seconds until the next look; None: ``progress.made`` is
            active
        :raises nova_shares.exception.StepFailed: when it can't be had
        """
        progress.must_release = False
        with _explained():
            try:
                again = self._grant(m, progress, mounted)
            except exception.ShareNotFound:
                raise exception.StepFailed(
                    "Manila does not find the share."
                ) from None
            if progress.made not in (None, m.access_id):
                self._record(m, progress)
        return again

    def _record(self, m: ShareMapping, progress: Progress) -> None:
        """Record the rule at once: who is killed while it waits knows it.

        A CephFS client loses its access with its rule. Before another one is
        recorded, what it has mounted goes: who fails there must come again.
        """
        progress.must_release = (
            m.share_proto != "NFS"
            and m.access_id is not None
            and m.access_id != progress.released
        )
        if not progress.must_release:
            self._store.record_access(m, progress.made)

    def _grant(
        self, m: ShareMapping, progress: Progress, mounted: Collection[str]
    ) -> Optional[float]:
        rule = self._known(m, progress)
        if rule is None or self._is_outdated(m, rule, mounted):
            progress.made = None
            rule = self._make(m, progress)
        if rule.state == "error":
            return self._remake(m, rule, progress)
        if self._is_stuck(m, rule, progress, mounted):
            # Manila has forgotten it, as after an outage of its broker. A
            # deny has Manila look at it again.
            LOG.warning(
                "Mapping %s: access rule %s is still %s, denying it",
                m.uuid,
                rule.id,
                rule.state,
            )
            self._shares.deny(m.share_id, rule.id)
            progress.made, progress.denied = None, rule.id
            return progress.next_wait(
                self._timeout, "The stuck access rule is not gone"
            )
        if rule.state in _ON_THE_WAY_OUT:
            progress.made = None
        elif rule.access_level != m.access_level:
            raise exception.StepFailed(
                f"The access rule {rule.id} of this host has the level "
                f"{rule.access_level} instead of {m.access_level}. It was "
                "changed in Manila."
            )
        else:
            progress.made = rule.id
        is_active = rule.state == "active"
        if progress.waited() == 1:
            # What Manila takes today, for the next one: a look in vain less.
            self._first_wait = WAITS[0] if is_active else _SLOWER_FIRST_WAIT
        if is_active:
            if m.share_proto != "NFS" and m.access_id not in (None, rule.id):
                # It is of another identity: this one takes over.
                self._shares.deny(m.share_id, m.access_id)
            return None
        return progress.next_wait(
            self._timeout,
            f"{_STILL} {rule.state}",
            at_least=self._first_wait,
        )

    def _is_stuck(
        self,
        m: ShareMapping,
        rule: manila.AccessRule,
        progress: Progress,
        mounted: Collection[str],
    ) -> bool:
        """Tell whether the try before waited in vain for the same rule.

        One that another mapping has been let in by stays as it is.
        """
        return (
            rule.state != "active"
            # One on its way out may be a neighbour's that is gone.
            and (rule.id == m.access_id or rule.state in _ON_THE_WAY_OUT)
            and m.fault is not None
            and m.fault.message.startswith(_STILL)
            and progress.denied is None
            and not any(
                other.status in (mapping.INACTIVE, mapping.ACTIVE)
                for other in self._needed_by(m, mounted)
            )
        )

    def is_granted(self, m: ShareMapping, mounted: Collection[str]) -> bool:
        """Tell whether the recorded rule is there and active, in one look."""
        rule = self._shares.rule(m.access_id) if m.access_id else None
        return (
            rule is not None
            and rule.state == "active"
            and rule.access_level == m.access_level
            and not self._is_outdated(m, rule, mounted)
        )

    def _is_outdated(
        self,
        m: ShareMapping,
        rule: manila.AccessRule,
        mounted: Collection[str],
    ) -> bool:
        """Tell whether a rule is of an identity that is no longer used.

        A guest keeps the one that its share is mounted with.
        """
        return (
            rule.access_type == "cephx"
            and rule.access_to != self._who(m)[1]
            and m.uuid not in mounted
        )

    def _known(
        self, m: ShareMapping, progress: Progress
    ) -> Optional[manila.AccessRule]:
        """Get the rule that is recorded, here or with a neighbour."""
        known = progress.made or m.access_id
        if known is None and m.share_proto == "NFS":
            for other in self._store.list_for_share(self._host, m.share_id):
                known = known or other.access_id
        return self._shares.rule(known) if known else None

    def _make(self, m: ShareMapping, progress: Progress) -> manila.AccessRule:
        """Make the rule, or get the equal one for which that is refused.

        Manila looks whether there is one: a look of ours before it would
        be a call that proves nothing.
        """
        if self._database is None:
            self._database = self._store.database_id()
        kind, to = self._who(m)
        reason = lock_reason.write(m, self._database)
        try:
            rule = self._shares.allow(
                m.share_id, kind, to, m.access_level, reason
            )
        except exception.ServiceUnavailable:
            self._stale_locks.expect(m.uuid)
            raise
        except manila.Refused:
            found = self._find(m)
            if found is None:
                raise
            return self._take_over(m, found)
        LOG.info("Mapping %s: access rule %s created", m.uuid, rule.id)
        progress.made = rule.id
        # It has a time of its own, however long the one before took to go.
        progress.waits.pop(progress.step, None)
        return rule

    def _take_over(
        self, m: ShareMapping, rule: manila.AccessRule
    ) -> manila.AccessRule:
        """Use a rule that nothing is recorded of, if it is ours.

        :raises nova_shares.exception.StepFailed: when it is not
        """
        if not rule.ours or rule.access_level != m.access_level:
            raise exception.StepFailed(
                f"The access rule {rule.id} of this host, of level "
                f"{rule.access_level}, was not made by nova_shares. If "
                "Nova made it for server shares of its own, detach those; "
                "otherwise delete it in Manila."
            )
        if rule.state not in _ON_THE_WAY_OUT and not self._is_locked(rule):
            # We or Manila ended between the rule and its locks.
            LOG.info("Mapping %s: rule %s has no locks", m.uuid, rule.id)
            return dataclasses.replace(rule, state="error")
        return rule

    def _is_locked(self, rule: manila.AccessRule) -> bool:
        locked = {lock.action for lock in self._shares.locks(rule.id)}
        return locked >= _LOCKED or not self._shares.makes_locks()

    def _remake(
        self, m: ShareMapping, rule: manila.AccessRule, progress: Progress
    ) -> float:
        if progress.made == rule.id:
            # Of this very series: the next one takes it away.
            raise exception.StepFailed(
                f"Manila could not apply the access rule {rule.id}: its state "
                "is error."
            )
        self._shares.deny(m.share_id, rule.id)
        return progress.next_wait(
            self._timeout, "The failed access rule is not gone"
        )

    def revoke(
        self, m: ShareMapping, progress: Progress, mounted: Collection[str]
    ) -> Optional[float]:
        """Take one more step towards no access rule that nobody needs.

        To be called when the unmount is proven.

        :param mounted: the mappings that are mounted on the host
        :returns: seconds until the next look; None: it is done
        :raises nova_shares.exception.StepFailed: when it can't be
        """
        with _explained():
            if self._needed_by(m, mounted):
                return None
            try:
                return self._revoke(m, progress)
            except exception.ShareNotFound:
                return None

    def _revoke(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        if progress.denied is None:
            rule_id = m.access_id
            if rule_id is None or not self._shares.deny(m.share_id, rule_id):
                # A made one may be unrecorded: of whoever was killed.
                rule = self._find(m)
                if rule is None or not rule.ours:
                    return None
                rule_id = rule.id
                self._shares.deny(m.share_id, rule_id)
            LOG.info("Mapping %s: access rule %s deleted", m.uuid, rule_id)
            progress.denied = rule_id
            return progress.next_wait(
                self._timeout, "", at_least=_FIRST_WAIT_FOR_DENY
            )
        left = self._shares.rule(progress.denied)
        if left is None:
            return None
        if left.state == "error":
            raise exception.StepFailed(
                f"Manila could not revoke the access rule {left.id}."
            )
        return progress.next_wait(self._timeout, f"{_STILL} {left.state}")

    def _needed_by(
        self, m: ShareMapping, mounted: Collection[str]
    ) -> list[ShareMapping]:
        """List the other mappings of this host that need the rule of one."""
        if m.share_proto != "NFS":
            return []
        return [
            other
            for other in self._store.list_for_share(
                self._host, m.share_id, m.access_id
            )
            if other.uuid != m.uuid
            and (other.wanted == mapping.ATTACHED or other.uuid in mounted)
        ]

    def clean_up(self) -> None:
        """Remove locks and rules that Manila made for mappings that are gone.

        :raises nova_shares.exception.StepFailed: when Manila refuses
        """
        with _explained():
            self._stale_locks.remove()

    def identity(self, m: ShareMapping) -> Optional[virt_driver.CephxIdentity]:
        """Get as whom to mount; None where the protocol needs no one.

        :raises nova_shares.exception.StepFailed: when Manila has no key
        """
        if m.share_proto == "NFS":
            return None
        found = self._shares.access_key(m.access_id) if m.access_id else None
        if found is None or not found.key:
            raise exception.StepFailed("Manila has no key of the access rule.")
        try:
            metadata = self._shares.metadata(m.share_id)
            file_system = location.file_system(metadata.get(_MOUNT_OPTIONS))
        except exception.ShareNotFound:
            raise exception.StepFailed(
                "Manila does not find the share."
            ) from None
        except location.BadLocation as e:
            raise exception.StepFailed(str(e)) from e
        return virt_driver.CephxIdentity(
            found.access_to, found.key, file_system
        )

    def relocated(self, m: ShareMapping) -> ShareMapping:
        """Look where a share is exported now; the mapping, as it is then.

        For a mount that has failed: the place may have moved meanwhile.

        :raises nova_shares.exception.StepFailed: if the share is gone
        """
        try:
            places = self._shares.export_locations(m.share_id)
        except exception.ShareNotFound:
            raise exception.StepFailed(
                "Manila does not find the share."
            ) from None
        if m.export_location in places:
            return m
        place = next(
            (x for x in places if location.is_valid(m.share_proto, x)), None
        )
        if place is None:
            return m
        LOG.info("Mapping %s: the export location is now %s", m.uuid, place)
        with conductor_rows.translated():
            return self._store.relocate(m, place)

    def _find(self, m: ShareMapping) -> Optional[manila.AccessRule]:
        who = self._who(m)
        for rule in self._shares.rules(m.share_id):
            if (rule.access_type, rule.access_to) == who:
                return rule
        return None

    def _who(self, m: ShareMapping) -> tuple[str, str]:
        if m.share_proto == "NFS":
            return "ip", self._address
        # Manila refuses a dot, which a host's name may have.
        host = hashlib.sha256(self._host.encode()).hexdigest()[:12]
        # Nova revokes identities that begin with nova- and are none of its
        # own.
        return "cephx", f"shares-{host}-{m.uuid}"


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say of what Manila refuses why, as the fault of a step."""
    try:
        with conductor_rows.translated():
            yield
    except manila.Refused as e:
        raise exception.StepFailed(
            f"Manila refuses: {e.data['message']}"
        ) from e
