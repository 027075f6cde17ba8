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
"""How far a mapping has come, between two looks at it."""

from __future__ import annotations

import dataclasses
import time
from typing import Optional

from nova_shares import exception

#: Seconds between looks; the last goes on.
WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)


@dataclasses.dataclass
class Progress:
    """How far one mapping has come on its way to its desired state.

    It saves calls and bounds the waiting; nothing else is lost with it at a
    restart.

    :ivar generation: of the mapping that it is for
    :ivar step: what is being done, for the fault
    :ivar verify: whether the access rule is looked at in any case
    :ivar located: whether Nova has said that the server is on this host
    :ivar made: the access rule that was made or found
    :ivar busy: how often another mapping held what it needs
    :ivar denied: the access rule that was revoked
    :ivar must_release: whether the mount goes before ``made`` is used
    :ivar released: the access rule whose mount is gone
    """

    generation: int
    step: str = "reconcile"
    verify: bool = False
    located: bool = False
    made: Optional[str] = None
    denied: Optional[str] = None
    must_release: bool = False
    released: Optional[str] = None
    busy: int = 0
    waits: dict[str, tuple[float, int]] = dataclasses.field(
        default_factory=dict
    )

    def waited(self) -> int:
        """Tell how often this step has waited."""
        return self.waits.get(self.step, (0.0, 0))[1]

    def busy_wait(self) -> float:
        """Tell how long to wait for what another mapping holds."""
        self.busy += 1
        return min(0.05 * 2.0 ** min(self.busy, 10), 1.0)

    def next_wait(
        self, limit: float, what: str, at_least: float = WAITS[0]
    ) -> float:
        """Tell how long to wait before the next look: longer each time.

        :raises nova_shares.exception.StepFailed: after ``limit`` seconds of
            waiting in this step
        """
        now = time.monotonic()
        since, count = self.waits.get(self.step, (now, 0))
        if now - since > limit:
            raise exception.StepFailed(f"{what} after {limit:g} seconds.")
        self.waits[self.step] = since, count + 1
        return max(at_least, WAITS[min(count, len(WAITS) - 1)])
