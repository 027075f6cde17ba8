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
"""Bounds on who may wait for another service, so that nobody starves.

Inside Nova's process the threads are Nova's. A service that hangs holds a
thread for each request that waits for it, so only a few may, a project never
takes all the places, and once the service is known to hang everybody is
refused at once.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
import contextlib
import threading
import time
from typing import Callable

from nova_shares import exception

#: Seconds that a request waits for its turn.
PATIENCE = 1.0
#: Seconds after which a call that is under way and unanswered makes the
#: service a suspect: others then give it SLOW seconds.
SUSPECT = 0.5
#: Seconds after which a call that is under way counts as one that hangs.
SLOW = 1.5
#: Seconds after which a call that fails was not refused: it hung.
HANG = 0.8
#: Seconds for which a service that hangs is left alone; then one call tries.
PAUSE = 10.0
#: How many requests may wait for their turn, for each that has its turn.
_WAITING = 4


class Bulkhead:
    """Lets a few requests at a time call a service.

    :param service: names it in an error
    :param limit: how many calls may be under way
    """

    def __init__(
        self,
        service: str,
        limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._calls = _Places(limit)
        self._queue = _Places(limit * _WAITING)
        self._clock = clock
        self._changed = threading.Condition()
        self._began: dict[object, float] = {}
        #: When the service last answered, well or not.
        self._answered = float("-inf")
        self._closed_until = float("-inf")
        self._hangs = False
        #: How many calls have tried since it hangs.
        self._tried = 0

    @contextlib.contextmanager
    def call(self, project_id: str | None) -> Iterator[float]:
        """Have a turn; the body is the call.

        It gives the seconds that the call may take: :data:`SLOW` while the
        service is suspected to hang, and for the first that tries after the
        pause; else as long as the caller likes.

        A ServiceUnavailable that the body raises after :data:`HANG` seconds
        says that the service hangs, unless somebody had an answer meanwhile.

        :raises nova_shares.exception.ServiceUnavailable: at once when the
            service hangs or too many wait, or after :data:`PATIENCE` seconds
        """
        me = object()
        with self._changed:
            self._enter(project_id)
            limit = float("inf")
            hurried = not self._hangs and self._unanswered() > SUSPECT
            if hurried:
                limit = SLOW
            elif self._hangs:
                # Who comes after the pause finds out for all. A service that
                # is slow, and well, has more time with each that fails.
                limit = SLOW * 2**self._tried
            self._began[me] = self._clock()
        failed = False
        try:
            yield limit
        except exception.ServiceUnavailable:
            failed = True
            raise
        finally:
            with self._changed:
                began = self._began.pop(me)
                self._leave(project_id, began, failed, hurried)

    def _enter(self, project_id: str | None) -> None:
        self._refuse_if_it_hangs()
        if not self._calls.has_room(project_id):
            if not self._queue.has_room(project_id):
                raise self._refusal("too many requests wait")
            self._queue.take(project_id)
            try:
                self._wait(project_id)
            finally:
                self._queue.leave(project_id)
        self._calls.take(project_id)

    def _wait(self, project_id: str | None) -> None:
        end = self._clock() + PATIENCE
        while not self._calls.has_room(project_id):
            left = end - self._clock()
            if left <= 0:
                raise self._refusal("too many requests wait")
            self._changed.wait(left)
            self._refuse_if_it_hangs()

    def _refuse_if_it_hangs(self) -> None:
        now = self._clock()
        if self._hangs:
            # One at a time tries, once the pause is over.
            if now < self._closed_until or self._began:
                raise self._refusal("it does not answer")
            return
        if self._unanswered() > SLOW:
            raise self._refusal("it does not answer")

    def _unanswered(self) -> float:
        """Tell for how long the service has let calls wait, in seconds."""
        oldest = min(self._began.values(), default=self._answered)
        return 0 if self._answered >= oldest else self._clock() - oldest

    def _leave(
        self, project_id: str | None, began: float, failed: bool, hurried: bool
    ) -> None:
        now = self._clock()
        self._calls.leave(project_id)
        self._changed.notify_all()
        if not failed or now - began < HANG:
            self._hangs, self._answered, self._tried = False, now, 0
        elif not hurried and self._answered < began:
            # Nobody had an answer meanwhile. Who had little time proves
            # nothing: the service may be slow, and well.
            self._tried += self._hangs
            self._hangs, self._closed_until = True, now + PAUSE

    def _refusal(self, why: str) -> exception.ServiceUnavailable:
        return exception.ServiceUnavailable(service=self._service, detail=why)


class _Places:
    """Counts places; a project has all but a quarter of them at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._of_a_project = max(1, limit - max(1, limit // 4))
        self._taken: collections.Counter[str | None] = collections.Counter()

    def has_room(self, project_id: str | None) -> bool:
        return (
            sum(self._taken.values()) < self._limit
            and self._taken[project_id] < self._of_a_project
        )

    def take(self, project_id: str | None) -> None:
        self._taken[project_id] += 1

    def leave(self, project_id: str | None) -> None:
        self._taken[project_id] -= 1
        self._taken += collections.Counter()
