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

"""A share mapping: one share attached to one server, and how it lives.

The table of transitions below is the only place that says which status may
follow which: the store's compare-and-swap, the tests and the picture in the
documentation are made from it.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import NamedTuple
from typing import Optional
from typing import Union

#: What the user wants of a mapping; written by the API alone.
ATTACHED = "attached"
DETACHED = "detached"

#: Where a mapping is; what the user sees.
ATTACHING = "attaching"
INACTIVE = "inactive"
ACTIVE = "active"
DETACHING = "detaching"
ERROR = "error"

STATUSES = (ATTACHING, INACTIVE, ACTIVE, DETACHING, ERROR)

#: The protocols of shares that can be attached.
PROTOCOLS = ("NFS", "CEPHFS")

#: The longest tag that a virtio-fs device can carry, in bytes (virtio
#: specification 1.2, section 5.11.4).
MAX_TAG = 36


@dataclasses.dataclass(frozen=True)
class Transition:
    """One line of the life of a mapping.

    :ivar source: the status before, None: there was no mapping
    :ivar target: the status after, None: the mapping is gone
    :ivar actor: who writes it: ``api``, ``agent`` or ``operator``
    :ivar event: what makes it so
    """

    source: Optional[str]
    target: Optional[str]
    actor: str
    event: str


TRANSITIONS = (
    Transition(None, ATTACHING, "api", "POST"),
    Transition(ATTACHING, INACTIVE, "agent", "access granted, server stopped"),
    Transition(ATTACHING, ACTIVE, "agent", "device attached"),
    Transition(ATTACHING, ERROR, "agent", "a step failed"),
    Transition(INACTIVE, ACTIVE, "agent", "server started"),
    Transition(INACTIVE, ERROR, "agent", "a step failed"),
    Transition(ACTIVE, INACTIVE, "agent", "server stopped"),
    Transition(ACTIVE, ERROR, "agent", "a step failed"),
    Transition(ERROR, INACTIVE, "agent", "retry succeeded, server stopped"),
    Transition(ERROR, ACTIVE, "agent", "retry succeeded, device attached"),
    Transition(ERROR, ERROR, "agent", "retry failed"),
    Transition(ATTACHING, DETACHING, "api", "DELETE, or server deleted"),
    Transition(INACTIVE, DETACHING, "api", "DELETE, or server deleted"),
    Transition(ACTIVE, DETACHING, "api", "DELETE, or server deleted"),
    Transition(ERROR, DETACHING, "api", "DELETE, or server deleted"),
    Transition(DETACHING, DETACHING, "api", "DELETE repeated"),
    Transition(DETACHING, ERROR, "agent", "a step failed"),
    Transition(DETACHING, None, "agent", "all steps undone"),
    Transition(ERROR, None, "agent", "retry succeeded, all steps undone"),
    Transition(ERROR, ATTACHING, "operator", "reset, desired state attached"),
    Transition(ERROR, DETACHING, "operator", "reset, desired state detached"),
)


def sources(target: Optional[str], actor: str) -> frozenset[str]:
    """Tell the statuses out of which ``actor`` may bring a mapping."""
    return frozenset(
        t.source
        for t in TRANSITIONS
        if t.target == target and t.actor == actor and t.source is not None
    )


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why a mapping is in ``error``.

    :ivar step: the step that failed, e.g. ``access``, ``mount``, ``plug``
    :ivar message: why, in a sentence without secrets
    :ivar time: when, UTC
    :ivar attempts: how often in a row
    :ivar next_try: when the agent tries again by itself, UTC; None: never
    :ivar due: whether that time had come, by the database's clock, when the
        mapping was read
    """

    step: str
    message: str
    time: datetime.datetime
    attempts: int = 1
    next_try: Optional[datetime.datetime] = None
    due: bool = dataclasses.field(default=False, compare=False)


class MappingSummary(NamedTuple):
    """As much of a share mapping as a list of a server's shows.

    Users list often, and each field costs time.
    """

    project_id: str
    share_id: str
    status: str
    tag: str


class ShownMapping(NamedTuple):
    """As much of a share mapping as its users may see, and no more."""

    uuid: str
    project_id: str
    share_id: str
    status: str
    tag: str
    export_location: str


@dataclasses.dataclass(frozen=True)
class ShareMapping:
    """One share of a server, as the database has it.

    :ivar host: the compute host where the server is
    :ivar access_level: the level of the access rule: ``rw``
    :ivar access_id: Manila's id of the access rule, once it is known
    :ivar wanted: ``attached`` or ``detached``
    :ivar generation: rises whenever ``wanted`` is written
    :ivar user_id, request_id: who asked for its desired state, and in which
        request
    :ivar read_at: when it was read, by the database's clock, which wrote its
        other times
    """

    uuid: str
    instance_uuid: str
    project_id: str
    host: str
    share_id: str
    share_proto: str
    export_location: str
    tag: str
    access_level: str = "rw"
    access_id: Optional[str] = None
    wanted: str = ATTACHED
    generation: int = 1
    status: str = ATTACHING
    fault: Optional[Fault] = None
    user_id: Optional[str] = None
    request_id: Optional[str] = None
    id: Optional[int] = None
    created_at: Optional[datetime.datetime] = None
    updated_at: Optional[datetime.datetime] = None
    read_at: Optional[datetime.datetime] = dataclasses.field(
        default=None, compare=False
    )


#: What can be shown to a user.
Shown = Union[ShownMapping, ShareMapping]


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a compute host can do, as its agent tells with each heartbeat.

    :ivar protocols: the share protocols it can mount
    :ivar virtiofs: whether guests can have virtiofs devices
    :ivar file_backed_memory: whether every guest's memory is shared
    """

    protocols: tuple[str, ...] = PROTOCOLS
    virtiofs: bool = True
    file_backed_memory: bool = True


@dataclasses.dataclass(frozen=True)
class Database:
    """Which database it is.

    :ivar uuid: given to it by the first ``db sync``
    :ivar restores: how often an operator has confirmed a restore
    """

    uuid: str
    restores: int = 0


@dataclasses.dataclass(frozen=True)
class Agent:
    """The agent of one compute host, as the database has it.

    :ivar boot_id: names one start of the agent; the newest start owns it
    :ivar age: seconds since the last heartbeat, by the database's clock
    :ivar stopped: it has reported that it stops
    :ivar heartbeats: how many there were of the host
    """

    host: str
    boot_id: str
    capabilities: Capabilities
    age: float
    stopped: bool = False
    heartbeats: int = 0

    def is_down(self, after: float) -> bool:
        """Tell whether the agent has stopped or does not report any more.

        A heartbeat of the future, by a clock that was put back, is no more
        of a proof than one of the past.

        :param after: seconds without a heartbeat
        """
        return self.stopped or abs(self.age) > after
