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

"""Finds what Manila locks, or allows, after nobody waits for it any more.

A request that Manila does not answer, as while its broker is away, may go on
there when its mapping is detached: it makes the locks, or the access rule,
of a mapping that is gone. They would keep the user from deleting the share.
"""

from __future__ import annotations

import datetime
import threading
import time

from oslo_log import log as logging

from nova_shares.clients import lock_reason
from nova_shares.clients import manila
from nova_shares.db import store as db_store

LOG = logging.getLogger(__name__)

#: Seconds for which locks are looked for after a request that was not
#: answered, and after the start of an agent: the one before may have sent one.
_UNANSWERED = 24 * 3600.0
_START = 3600.0
#: Seconds before that from which on locks count: the request is older, and
#: clocks differ.
_MARGIN = 3600.0
#: Seconds from one look to the next, twice as many with each.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 3600.0


class StaleLocks:
    """Locks and rules of a host's mappings that are gone.

    :param host: whose agent asks
    """

    def __init__(
        self, shares: manila.Shares, store: db_store.Store, host: str
    ) -> None:
        self._shares = shares
        self._store = store
        self._host = host
        self._lock = threading.Lock()
        self._unanswered: set[str] = set()
        self._expect(_START)

    def expect(self, uuid: str) -> None:
        """Note that Manila has not answered a request to grant access.

        :param uuid: of the mapping that it was for
        """
        self._unanswered.add(uuid)
        self._expect(_UNANSWERED)

    def _expect(self, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            self._since = time.time() - _MARGIN
            self._until = now + seconds
            self._pause = _FIRST_PAUSE
            self._next = now

    def remove(self) -> None:
        """Look, if it is time for that, and remove what is found.

        :raises nova_shares.exception.ServiceUnavailable: when Manila does
            not answer as it should
        :raises nova_shares.clients.manila.Refused: when it keeps a lock
        """
        with self._lock:
            now = time.monotonic()
            if not self._next <= now < self._until:
                return
            self._next = now + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            since = self._since
        if not self._shares.makes_locks():
            return
        when = datetime.datetime.fromtimestamp(since, datetime.timezone.utc)
        locks = {lock.id: lock for lock in self._shares.locks(since=when)}
        removed = {
            lock.id
            for lock in locks.values()
            if lock.kind == "access_rule" and self._remove(lock)
        }
        for lock in locks.values():
            behind = lock.kind == "share" and lock_reason.behind(lock.reason)
            if behind and (
                behind in removed
                # One that was made a moment before the others is not listed.
                or (behind not in locks and not self._shares.has_lock(behind))
            ):
                self._unlock(lock)

    def _remove(self, lock: manila.Lock) -> bool:
        """Remove a lock, or the rule that it locks, if they are stale."""
        reason = lock_reason.read(lock.reason)
        if (
            reason is None
            or reason.host != self._host
            or reason.database != self._store.database_id()
            or self._store.get(reason.mapping) is not None
        ):
            return False
        rule = self._shares.rule(lock.resource_id)
        if rule is None:
            self._unlock(lock)
            return True
        if (
            # Of others a guest may still use it: the row is missing where a
            # database was restored.
            reason.mapping not in self._unanswered
            # Of another mapping by now, or it may be before long.
            or self._store.has_access(rule.id)
            or self._store.list_for_share(self._host, rule.share_id)
        ):
            return False
        LOG.info("Access rule %s belongs to no mapping, deleting it", rule.id)
        self._shares.deny(rule.share_id, rule.id)
        return False

    def _unlock(self, lock: manila.Lock) -> None:
        LOG.info(
            "Lock %s of %s %s belongs to no access rule, deleting it",
            lock.id,
            lock.kind,
            lock.resource_id,
        )
        self._shares.unlock(lock.id)
