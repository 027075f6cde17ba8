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

"""Manila's part of the cloud: shares, access rules and resource locks."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import secrets
import time
from typing import Any
from typing import Optional
import uuid

from nova_shares_devcloud import directory
from nova_shares_devcloud import wire

#: From the first state of a change to the second, by the change.
_HALFWAY = {"allow": "applying", "deny": "denying"}
_CHANGES = {
    "queued_to_apply": "allow",
    "applying": "allow",
    "queued_to_deny": "deny",
    "denying": "deny",
}


@dataclasses.dataclass(frozen=True)
class ExportLocation:
    """Where a share is exported."""

    path: str
    preferred: bool = False
    is_admin_only: bool = False
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))


@dataclasses.dataclass
class Share:
    """A share."""

    id: str
    name: Optional[str]
    project_id: str
    user_id: str
    proto: str = "NFS"
    size: int = 1
    status: str = "available"
    is_public: bool = False
    in_recycle_bin: bool = False
    description: Optional[str] = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    export_locations: tuple[ExportLocation, ...] = ()
    created: datetime.datetime = dataclasses.field(default_factory=wire.now)


@dataclasses.dataclass
class AccessRule:
    """Who may mount a share.

    :ivar since: when its last change was asked for, by time.monotonic()
    """

    id: str
    share_id: str
    access_type: str
    access_to: str
    access_level: str
    metadata: dict[str, str]
    state: str = "queued_to_apply"
    access_key: Optional[str] = dataclasses.field(default=None, repr=False)
    since: float = dataclasses.field(default_factory=time.monotonic)
    created: datetime.datetime = dataclasses.field(default_factory=wire.now)
    updated: Optional[datetime.datetime] = None


@dataclasses.dataclass(frozen=True)
class ResourceLock:
    """What keeps a share or a rule from being deleted or seen."""

    id: str
    user_id: str
    project_id: str
    lock_context: str
    resource_type: str
    resource_id: str
    resource_action: str
    lock_reason: Optional[str]
    created: datetime.datetime = dataclasses.field(default_factory=wire.now)


class Shares:
    """Shares, rules and locks.

    Rules move on by the clock when they are looked at: a change that is
    asked for has happened ``delays`` seconds later, unless it is held.

    :param who: whose they are
    """

    def __init__(self, who: directory.Directory) -> None:
        self.lock = who.lock
        self._who = who
        #: How long things take, in seconds.
        self.delays: dict[str, float] = dict.fromkeys(("allow", "deny"), 0.0)
        self.shares: dict[str, Share] = {}
        self.locks: dict[str, ResourceLock] = {}
        self._rules: dict[str, AccessRule] = {}
        self._held: set[str] = set()
        self._failing: set[Optional[str]] = set()

    def create_share(
        self,
        name: Optional[str],
        project: str = "demo",
        proto: str = "NFS",
        paths: Optional[list[str]] = None,
        **fields: Any,
    ) -> Share:
        """Make a share that is ready when this returns.

        :param paths: where it is exported, the preferred path first; one
            path by default
        :param fields: others of :class:`Share`, e.g. ``status``
        """
        identifier = str(uuid.uuid4())
        if paths is None:
            port = ":6789" if proto == "CEPHFS" else ""
            paths = [f"192.0.2.10{port}:/shares/{identifier}"]
        values: dict[str, Any] = {
            "project_id": self._who.projects[project].id,
            "user_id": self._who.users["member"].id,
            "export_locations": tuple(
                ExportLocation(path, preferred=not n)
                for n, path in enumerate(paths)
            ),
            **fields,
        }
        share = Share(id=identifier, name=name, proto=proto, **values)
        with self.lock:
            self.shares[share.id] = share
        return share

    def set_share(self, share_id: str, **fields: Any) -> None:
        """Set what the database says of a share."""
        wire.set_fields(self.lock, self.shares[share_id], fields)

    def remove_share(self, share_id: str) -> None:
        """Take a share away with all its rules and locks, whoever objects."""
        with self.lock:
            self.shares.pop(share_id, None)
            for rule in list(self._rules.values()):
                if rule.share_id == share_id:
                    self._remove_rule(rule)
            for lock in self.locks_on(share_id):
                del self.locks[lock.id]

    def rules(self, share_id: Optional[str] = None) -> list[AccessRule]:
        """List the access rules as they are now, of a share or of all."""
        with self.lock:
            for rule in list(self._rules.values()):
                self._advance(rule)
            return [
                rule
                for rule in self._rules.values()
                if share_id in (None, rule.share_id)
            ]

    def find_rule(self, rule_id: str) -> Optional[AccessRule]:
        """Find an access rule as it is now."""
        self.rules()
        return self._rules.get(rule_id)

    def set_rule(self, rule_id: str, **fields: Any) -> None:
        """Set what the database says of an access rule."""
        wire.set_fields(self.lock, self._rules[rule_id], fields)

    def allow(self, rule: AccessRule) -> None:
        """Add a rule.

        :raises wire.Refusal: 400 when there is an equal one
        """
        with self.lock:
            for other in self.rules(rule.share_id):
                if (other.access_type, other.access_to) == (
                    rule.access_type,
                    rule.access_to,
                ):
                    raise wire.Refusal(
                        400,
                        f"Share access {rule.access_type}:{rule.access_to} "
                        "exists.",
                    )
            self._rules[rule.id] = rule

    def deny(self, rule: AccessRule) -> None:
        """Begin to take a rule away."""
        with self.lock:
            if _CHANGES.get(rule.state) != "deny":
                rule.state = "queued_to_deny"
                rule.since = time.monotonic()

    def hold(self, change: str) -> None:
        """Let no rule move on: ``allow`` or ``deny``."""
        with self.lock:
            self._held.add(change)

    def release(self, change: str) -> None:
        """Let rules move on again, from now."""
        with self.lock:
            self.rules()
            self._held.discard(change)

    def rule_error(
        self, share_id: Optional[str] = None, on: bool = True
    ) -> None:
        """Have new rules of a share, or of all, end in ``error``, or not."""
        with self.lock:
            if on:
                self._failing.add(share_id)
            else:
                self._failing.discard(share_id)

    def add_lock(
        self,
        by: Any,
        resource_type: str,
        resource_id: str,
        resource_action: str,
        reason: Optional[str],
    ) -> ResourceLock:
        """Lock a share or a rule in the caller's name."""
        lock = ResourceLock(
            id=str(uuid.uuid4()),
            user_id=by.user_id,
            project_id=by.project_id,
            lock_context=lock_context(by),
            resource_type=resource_type,
            resource_id=resource_id,
            resource_action=resource_action,
            lock_reason=reason,
        )
        with self.lock:
            self.locks[lock.id] = lock
        return lock

    def locks_on(
        self, resource_id: str, action: Optional[str] = None
    ) -> list[ResourceLock]:
        """List the locks of a share or a rule."""
        with self.lock:
            return [
                lock
                for lock in self.locks.values()
                if lock.resource_id == resource_id
                and action in (None, lock.resource_action)
            ]

    def _advance(self, rule: AccessRule) -> None:
        change = _CHANGES.get(rule.state)
        if change is None:
            return
        now = time.monotonic()
        if change in self._held:
            rule.since = now
            return
        delay = self.delays[change]
        if now - rule.since < delay:
            if now - rule.since >= delay / 2:
                rule.state = _HALFWAY[change]
        elif change == "deny":
            self._remove_rule(rule)
        else:
            self._apply(rule)

    def _apply(self, rule: AccessRule) -> None:
        rule.updated = wire.now()
        if self._failing & {None, rule.share_id}:
            rule.state = "error"
            return
        rule.state = "active"
        if rule.access_type == "cephx":
            rule.access_key = base64.b64encode(
                secrets.token_bytes(28)
            ).decode()

    def _remove_rule(self, rule: AccessRule) -> None:
        """Forget a rule, its locks, and the share's locks that it caused."""
        del self._rules[rule.id]
        for lock in self.locks_on(rule.id):
            del self.locks[lock.id]
            reason = locked_by(lock)
            for other in self.locks_on(rule.share_id):
                if other.lock_reason == reason:
                    del self.locks[other.id]


def locked_by(lock: ResourceLock) -> str:
    """Give Manila's reason to lock a share along with a rule."""
    return f"Locked by access lock: {lock.id}"


def lock_context(by: Any) -> str:
    """Tell what a caller is to Manila's locks: admin, service or user."""
    if by.is_admin:
        return "admin"
    return "service" if "service" in by.roles else "user"
