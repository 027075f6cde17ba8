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
"""Holds the database against Manila and Nova, and tells what is wrong.

The order of the looks matters. Locks are listed before mappings: a row is
there before its access rule and goes after it, so that a rule which was
there first and has no row then is a left-over, however busy the cloud is.
"""

from __future__ import annotations

from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
from typing import Optional

from nova_shares import exception
from nova_shares import mapping
from nova_shares.clients import lock_reason
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.db import store as db_store
from nova_shares.mapping import ShareMapping

RULE = "rule"
LOCK = "lock"
FOREIGN = "foreign"
NO_RULE = "no-rule"
UNLOCKED = "unlocked"
NO_SHARE = "no-share"
MOVED = "moved"
NO_SERVER = "no-server"
ELSEWHERE = "elsewhere"
STALE = "stale"
AGENT_DOWN = "agent-down"

#: What each kind of finding means.
KINDS = {
    RULE: "an access rule of nova_shares that no mapping needs",
    LOCK: "a lock of nova_shares that protects nothing",
    FOREIGN: "a lock of nova_shares that belongs to another database",
    NO_RULE: "a mapping whose access rule is deleted or failed",
    UNLOCKED: "a mapping whose access rule other users can see or delete",
    NO_SHARE: "a mapping whose share does not exist",
    MOVED: "a mapping whose share has a different export location",
    NO_SERVER: "a mapping of a server that Nova does not find",
    ELSEWHERE: "a mapping of a server that is on another host",
    STALE: "a mapping that has been in transition or in error for too long",
    AGENT_DOWN: "an agent that has not reported for too long",
}
#: Those that can be put right without anybody losing what they use.
FIXABLE = (RULE, LOCK, NO_SERVER)

_SETTLED = (mapping.INACTIVE, mapping.ACTIVE)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    :ivar kind: one of :data:`KINDS`
    :ivar id: of what is wrong: a rule's, a lock's, a mapping's, a host
    :ivar detail: what exactly, in a few words
    """

    kind: str
    id: str
    host: Optional[str]
    share_id: Optional[str] = None
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class _Manila:
    """What Manila has of ours, by id."""

    locks: dict[str, manila.Lock]
    rules: dict[str, manila.AccessRule]
    #: By access rule: the lock that names what it was made for.
    reasons: dict[str, lock_reason.Reason]


class NoLocks(exception.NovaSharesError):
    """Without locks a rule does not say which database its mapping is in."""


class Audit:
    """Looks over one host, or all.

    :param find_server: looks a server up with our own service user
    :param max_age: seconds that a mapping may be on its way or in error
    :param agent_down_time: seconds without a heartbeat after which an agent is
        down
    """

    def __init__(
        self,
        store: db_store.Store,
        shares: manila.Shares,
        find_server: nova.FindServer,
        max_age: float,
        agent_down_time: float,
    ) -> None:
        self._store = store
        self._shares = shares
        self._find_server = find_server
        self._max_age = max_age
        self._agent_down_time = agent_down_time
        #: The id of the database.
        self.database = store.database_id()

    def run(
        self, host: Optional[str] = None, all_shares: bool = False
    ) -> list[Finding]:
        """List what is wrong, on a host or anywhere.

        :param all_shares: look for access rules at shares that neither a
            mapping nor a lock names: a request for each
        :raises NoLocks: when Manila has no locks and all shares are asked for
        :raises nova_shares.exception.ServiceUnavailable: when Manila or
            Nova does not answer as it should
        """
        database = self.database
        self._shares.must_see_all()
        # Whoever needs an access rule is on the host of the rule. A row comes
        # before its rule and goes after it: of what changes meanwhile no rule
        # is left over, and nothing is said of the mapping.
        before = {m.uuid: m for m in self._store.each(host=host)}
        locks = {lock.id: lock for lock in self._shares.locks()}
        shares = {m.share_id for m in before.values()}
        if all_shares:
            if not self._shares.makes_locks():
                raise NoLocks()
            shares.update(self._shares.share_ids())
        found = self._look_at_manila(locks, shares)
        after = self._store.list_all(host=host)
        mappings = [m for m in after if m == before.get(m.uuid)]
        findings = [
            *self._foreign(found, database),
            *self._left_over_rules(found, after, database),
            *self._left_over_locks(found),
            *self._mappings(found, mappings),
            *self._servers(mappings),
            *self._stale(mappings),
            *self._down_agents(),
        ]
        return [f for f in findings if host in (None, f.host)]

    def _look_at_manila(
        self, locks: dict[str, manila.Lock], share_ids: Iterable[str]
    ) -> _Manila:
        rules = {}
        for share_id in sorted(share_ids):
            try:
                listed = self._shares.rules(share_id)
            except exception.ShareNotFound:
                continue
            rules.update({rule.id: rule for rule in listed if rule.ours})
        reasons = {}
        for lock in locks.values():
            if lock.kind != "access_rule":
                continue
            reason = lock_reason.read(lock.reason)
            if reason is not None:
                reasons[lock.resource_id] = reason
            if lock.resource_id not in rules:
                rule = self._shares.rule(lock.resource_id)
                if rule is not None:
                    rules[rule.id] = rule
        return _Manila(locks, rules, reasons)

    @staticmethod
    def _foreign(found: _Manila, database: str) -> Iterator[Finding]:
        for rule_id, reason in found.reasons.items():
            if reason.database != database:
                rule = found.rules.get(rule_id)
                yield Finding(
                    FOREIGN,
                    rule_id,
                    reason.host,
                    rule.share_id if rule else None,
                    f"belongs to database {reason.database}",
                )

    @staticmethod
    def _left_over_rules(
        found: _Manila, mappings: list[ShareMapping], database: str
    ) -> Iterator[Finding]:
        of_share: dict[str, list[ShareMapping]] = {}
        for m in mappings:
            of_share.setdefault(m.share_id, []).append(m)
        for rule in found.rules.values():
            reason = found.reasons.get(rule.id)
            if reason and reason.database != database:
                continue
            if reason is None and not rule.ours:
                # Our user's, but made by another program.
                continue
            if any(
                needs(m, rule, reason, found.rules)
                for m in of_share.get(rule.share_id, ())
            ):
                continue
            yield Finding(
                RULE,
                rule.id,
                reason.host if reason else None,
                rule.share_id,
                f"{rule.access_type} is {rule.state}",
            )

    def _left_over_locks(self, found: _Manila) -> Iterator[Finding]:
        kept = {
            lock.id
            for lock in found.locks.values()
            if lock.kind == "access_rule" and lock.resource_id in found.rules
        }
        for lock in found.locks.values():
            if lock.kind == "access_rule":
                gone = lock.id not in kept
            else:
                behind = lock_reason.behind(lock.reason)
                gone = behind is not None and behind not in kept
            # It may have gone with its rule since.
            if gone and lock in self._shares.locks(lock.resource_id):
                reason = found.reasons.get(lock.resource_id)
                yield Finding(
                    LOCK,
                    lock.id,
                    reason.host if reason else None,
                    lock.resource_id if lock.kind == "share" else None,
                    f"{lock.action} of {lock.kind} {lock.resource_id}",
                )

    def _mappings(
        self, found: _Manila, mappings: list[ShareMapping]
    ) -> Iterator[Finding]:
        places: dict[str, Optional[list[str]]] = {}
        for m in mappings:
            if m.wanted != mapping.ATTACHED:
                continue
            if m.share_id not in places:
                places[m.share_id] = self._places(m.share_id)
            where = places[m.share_id]
            if where is None:
                yield _of(m, NO_SHARE, f"server {m.instance_uuid}")
                continue
            if m.export_location not in where:
                yield _of(m, MOVED, f"to {', '.join(where) or 'nowhere'}")
            if m.status in _SETTLED:
                yield from self._access(found, m)

    def _places(self, share_id: str) -> Optional[list[str]]:
        try:
            return self._shares.export_locations(share_id)
        except exception.ShareNotFound:
            return None

    def _access(self, found: _Manila, m: ShareMapping) -> Iterator[Finding]:
        rule = found.rules.get(m.access_id or "")
        if rule is None:
            yield _of(m, NO_RULE, f"rule {m.access_id} does not exist")
        elif rule.state != "active" or rule.access_level != m.access_level:
            yield _of(
                m,
                NO_RULE,
                f"rule {rule.id} is {rule.state}, {rule.access_level}",
            )
        elif self._shares.makes_locks():
            locked = {
                lock.action
                for lock in found.locks.values()
                if lock.resource_id == rule.id
            }
            missing = {"delete", "show"} - locked
            if missing:
                lacks = " and ".join(sorted(missing))
                yield _of(m, UNLOCKED, f"no lock on {lacks} of {rule.id}")

    def _servers(self, mappings: list[ShareMapping]) -> Iterator[Finding]:
        servers: dict[str, list[ShareMapping]] = {}
        for m in mappings:
            servers.setdefault(m.instance_uuid, []).append(m)
        for server_id, its_mappings in servers.items():
            try:
                host = self._find_server(server_id).host
            except exception.ServerNotFound:
                for m in its_mappings:
                    yield _of(m, NO_SERVER, f"server {server_id}")
                continue
            for m in its_mappings:
                if host not in (None, m.host):
                    yield _of(m, ELSEWHERE, f"server {server_id} is on {host}")

    def _stale(self, mappings: list[ShareMapping]) -> Iterator[Finding]:
        for m in mappings:
            since = m.updated_at or m.created_at
            if m.status in _SETTLED or since is None or m.read_at is None:
                continue
            if m.status == mapping.ERROR:
                # Each try that fails is a change: the first counts.
                since = m.created_at or since
            age = (m.read_at - since).total_seconds()
            if age > self._max_age:
                why = f": {m.fault.step}: {m.fault.message}" if m.fault else ""
                yield _of(m, STALE, f"{m.status} for {age:.0f} s{why}")

    def _down_agents(self) -> Iterator[Finding]:
        for agent in self._store.agents():
            if agent.is_down(self._agent_down_time):
                yield Finding(
                    AGENT_DOWN,
                    agent.host,
                    agent.host,
                    detail=f"for {agent.age:.0f} s",
                )

    def fix(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Put right what is safe to put right; gives what it has.

        The caller has run the audit twice: what was found again is meant,
        and of servers that Nova does not have there was a minute between.

        :raises nova_shares.clients.manila.Refused: for what Manila does not
            let go
        """
        for finding in findings:
            if finding.kind == RULE and finding.share_id:
                if self._store.has_access(finding.id):
                    # A mapping has taken it over since.
                    continue
                self._shares.deny(finding.share_id, finding.id)
            elif finding.kind == LOCK:
                self._shares.unlock(finding.id)
            elif finding.kind == NO_SERVER:
                self._store.want_detached(finding.id)
            else:
                continue
            yield finding


def _of(m: ShareMapping, kind: str, detail: str) -> Finding:
    return Finding(kind, m.uuid, m.host, m.share_id, detail)


def needs(
    m: ShareMapping,
    rule: manila.AccessRule,
    reason: Optional[lock_reason.Reason],
    existing: Container[str],
) -> bool:
    """Tell whether a mapping needs a rule: by its record, or by name."""
    if m.access_id == rule.id:
        return True
    if m.share_id != rule.share_id or m.access_id in existing:
        return False
    # Nothing that exists is recorded: the agent may have been killed.
    if reason is None:
        return True
    if m.share_proto == "NFS":
        return m.host == reason.host
    return m.uuid == reason.mapping
