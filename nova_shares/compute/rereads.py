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
"""When a mapping is read again whose row is not what it must be."""

from __future__ import annotations

from typing import Optional

from nova_shares.mapping import ShareMapping

#: Reads of a row that is not there, or older than the message says: 0.1 s
#: apart and then twice as long each time. A replicated database may lag.
_READS = 4
#: Seconds until a mapping that has changed meanwhile is reconciled again, and
#: then twice as long each time, up to _LONGEST_CONFLICT.
_CONFLICT = 0.05
_LONGEST_CONFLICT = 2.0


class Rereads:
    """Counts, for each mapping, how often it was read in vain."""

    def __init__(self) -> None:
        self._generations: dict[str, int] = {}
        self._reads: dict[str, int] = {}
        self._conflicts: dict[str, int] = {}

    def expect(self, uuid: str, generation: int) -> None:
        """Note that a mapping has come to at least a generation."""
        if generation > self._generations.get(uuid, 0):
            self._generations[uuid] = generation

    def after(self, uuid: str, m: Optional[ShareMapping]) -> Optional[float]:
        """Tell in how many seconds to read a row again.

        :param m: what was read
        :returns: None: it is as new as it must be, or will not become so
        """
        expected = self._generations.get(uuid, 0)
        reads = self._reads.pop(uuid, 0)
        if (m is not None and m.generation >= expected) or reads >= _READS:
            self._generations.pop(uuid, None)
            if m is None:
                self._conflicts.pop(uuid, None)
            return None
        self._reads[uuid] = reads + 1
        return 0.1 * 2.0**reads

    def conflict(self, uuid: str) -> float:
        """Tell in how many seconds to try again after a conflict."""
        count = self._conflicts.get(uuid, 0)
        self._conflicts[uuid] = count + 1
        return min(_CONFLICT * 2.0 ** min(count, 30), _LONGEST_CONFLICT)

    def settled(self, uuid: str) -> None:
        """Note that a mapping was reconciled without a conflict."""
        self._conflicts.pop(uuid, None)
