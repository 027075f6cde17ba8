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


"""The circuit breaker: who may use the database while it seems to be away.

An operation waits for a database that hangs: two seconds as a rule, twelve
if the resolver hangs, because nothing can end a connect that is still in
``getaddrinfo``. Requests of Nova's own wait with it, so only one operation
of a process finds out, and the others fail at once:

- While the database answers, that is, for :data:`FRESH` seconds after each
  answer, every operation passes.
- Otherwise one operation passes alone, and the others wait for what it
  finds, for :data:`GRACE` seconds at most. They cannot wait for less: after
  an idle second the database of a busy process is most likely well. A ping
  is an answer, so they do not wait for a slow statement.
- After an operation that found the database away, all fail at once. Five
  times as long as that took, from 2 up to 10 seconds later, one operation
  tries again: a server that restarts refuses at once, and is seen soon.
"""

from __future__ import annotations

import threading
import time
from typing import Callable
from typing import TypeVar

from oslo_db import exception as db_exc
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after an answer for which the database counts as there.
FRESH = 1

#: Seconds that operations wait for what the one beside them finds.
GRACE = 0.5


class Breaker:
    """Lets operations pass to one database, or fail at once.

    :param clock: gives seconds that only grow
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._fresh_until = clock()
        # When the operation began that finds out for all, if there is one.
        self._probing: float | None = None
        # When the next one may try, if the database is away.
        self._next_try: float | None = None

    def run(self, operation: Callable[[], T]) -> T:
        """Do what an operation does, unless the database is away.

        :raises oslo_db.exception.DBConnectionError: it is
        """
        began = self._clock()
        probes = began >= self._fresh_until and self._is_probe()
        try:
            result = operation()
        except db_exc.DBConnectionError as e:
            self._failed(began, e)
            raise
        except db_exc.DBError:
            self.answered()
            raise
        else:
            self.answered()
            return result
        finally:
            if probes:
                self._end_probe()

    def answered(self) -> None:
        """Note that the database has answered just now."""
        self._fresh_until = self._clock() + FRESH
        if self._probing is not None or self._next_try is not None:
            self._close()

    def _is_probe(self) -> bool:
        """Tell whether the caller finds out for all; or wait for who does."""
        with self._changed:
            while True:
                now = self._clock()
                if now < self._fresh_until:
                    return False
                if self._probing is None and now >= (self._next_try or 0):
                    self._probing = now
                    return True
                since = self._probing
                left = 0 if since is None else since + GRACE - now
                if self._next_try is not None or left <= 0:
                    raise db_exc.DBConnectionError(
                        "the database did not answer an operation just now"
                    )
                self._changed.wait(left)

    def _end_probe(self) -> None:
        with self._changed:
            self._probing = None
            self._changed.notify_all()

    def _failed(self, began: float, error: Exception) -> None:
        with self._changed:
            now = self._clock()
            if self._next_try is None:
                LOG.warning(
                    "Cannot reach the database, operations fail without"
                    " trying until it answers again: %s",
                    error,
                )
            self._fresh_until = now
            self._next_try = now + min(max(2, 5 * (now - began)), 10)
            self._changed.notify_all()

    def _close(self) -> None:
        with self._changed:
            if self._next_try is not None:
                LOG.info("The database answers again")
            self._next_try = None
            self._changed.notify_all()
