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
"""A value that is made when it is first needed."""

from __future__ import annotations

import threading
import time
from typing import Callable
from typing import Generic
from typing import TypeVar

T = TypeVar("T")


class Failed(Exception):
    """A value could not be made just now; the text says why."""


class Lazy(Generic[T]):
    """Makes a value at the first call, and gives it at every call.

    uWSGI forks after it has loaded an application: nothing may be made, and
    no thread started, before a request needs it.

    :param make: makes the value, or raises
    :param retry_after: seconds for which a failure stands
    """

    def __init__(self, make: Callable[[], T], retry_after: float = 0) -> None:
        self._make = make
        self._retry_after = retry_after
        self._made: T | None = None
        # A sentence, not the exception: its traceback would keep every
        # request alive that it has been raised in.
        self._failure = ""
        self._retry_at = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """Give the value.

        :raises Exception: what ``make`` raises
        :raises Failed: instead, while that stands
        """
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._try()
        return made

    def _try(self) -> T:
        if time.monotonic() < self._retry_at:
            raise Failed(self._failure)
        try:
            return self._make()
        except Exception as e:
            self._failure = f"{type(e).__name__}: {e}"
            self._retry_at = time.monotonic() + self._retry_after
            raise
