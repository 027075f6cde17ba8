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

"""A queue of mappings to look at, in queues, each mapping by one thread.

A mapping that is added while it waits or is worked on is looked at once
more, not twice: what is queued is "look at it", not what to do.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
import contextlib
import dataclasses
import threading
import time
from typing import Callable
from typing import Optional

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: For what may have to wait for Manila.
WORK = "work"
#: For what a guest that has just started or stopped waits for.
EVENT = "event"

#: Looks at a mapping, in a queue; returns the seconds until it wants to look
#: again, None: not before somebody adds it.
Handler = Callable[[str, str], Optional[float]]


class Busy(Exception):
    """All threads that a key may hold are taken."""


class Slots:
    """Limits how many threads one key holds; nobody waits for a slot.

    :param limit: for each key
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._taken: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def take(self, key: str) -> Iterator[None]:
        """Hold a slot of a key.

        :raises Busy: if there is none
        """
        with self._lock:
            if self._taken[key] >= self._limit:
                raise Busy()
            self._taken[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[key] -= 1
                self._taken += collections.Counter()


@dataclasses.dataclass(frozen=True)
class _Due:
    at: float
    queue: str


class WorkQueue:
    """Hands mappings to a handler when they are due.

    :param queues: the number of threads by queue
    """

    def __init__(self, queues: dict[str, int]) -> None:
        self._changed = threading.Condition()
        self._due: dict[str, _Due] = {}
        self._busy: set[str] = set()
        self._stopping = False
        self._queues = queues
        self._threads: list[threading.Thread] = []

    def start(self, handle: Handler) -> None:
        """Start the threads.

        :param handle: what they hand mappings to
        """
        self._threads = [
            threading.Thread(
                target=self._work,
                args=(queue, handle),
                name=f"{queue}-{number}",
                daemon=True,
            )
            for queue, count in self._queues.items()
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5) -> bool:
        """Take nothing up any more; give what runs ``timeout`` seconds.

        :returns: whether all that ran has ended
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        until = time.monotonic() + timeout
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def add(self, uuid: str, after: float = 0, queue: str = WORK) -> None:
        """Have a mapping looked at in ``after`` seconds, or sooner.

        What waits for work already may be overtaken by an event.
        """
        at = time.monotonic() + after
        with self._changed:
            known = self._due.get(uuid)
            if known is not None:
                if known.at <= at and queue in (WORK, known.queue):
                    return
                at = min(at, known.at)
                queue = EVENT if EVENT in (queue, known.queue) else queue
            self._due[uuid] = _Due(at, queue)
            self._changed.notify_all()

    def is_idle(self) -> bool:
        """Tell whether nothing is worked on, nor due within a second."""
        with self._changed:
            soon = time.monotonic() + 1
            return not self._busy and all(
                due.at > soon for due in self._due.values()
            )

    def _work(self, queue: str, handle: Handler) -> None:
        while True:
            uuid = self._take(queue)
            if uuid is None:
                return
            again = None
            try:
                again = handle(uuid, queue)
            except Exception:
                LOG.exception("Cannot reconcile mapping %s", uuid)
            finally:
                with self._changed:
                    self._busy.discard(uuid)
                    self._changed.notify_all()
            if again is not None:
                self.add(uuid, again, queue)

    def _take(self, queue: str) -> Optional[str]:
        with self._changed:
            while not self._stopping:
                ready = [
                    (due.at, uuid)
                    for uuid, due in self._due.items()
                    if due.queue == queue and uuid not in self._busy
                ]
                at, uuid = min(ready, default=(None, ""))
                wait = None if at is None else at - time.monotonic()
                if wait is not None and wait <= 0:
                    del self._due[uuid]
                    self._busy.add(uuid)
                    return uuid
                self._changed.wait(wait)
            return None
