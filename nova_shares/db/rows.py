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


"""Rows of our tables, to and from the dataclasses of our callers."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any
from typing import Optional

from nova_shares import mapping as m
from nova_shares.db import models

_APART = (
    "fault_step",
    "fault_message",
    "fault_at",
    "attempts",
    "next_try",
    "created_at",
    "updated_at",
)
#: The columns that a mapping has under the same name.
_PLAIN = tuple(
    column.name
    for column in models.share_mappings.columns
    if column.name not in _APART
)
#: What a row is selected as for :func:`to_mapping`.
COLUMNS = [
    *(models.share_mappings.c[name] for name in (*_PLAIN, *_APART)),
    # By the clock that wrote the times: hosts disagree about them.
    (models.share_mappings.c.next_try <= models.utcnow()).label("due"),
    models.utcnow().label("now"),
]
#: What a row is selected as for a :class:`nova_shares.mapping.MappingSummary`,
#: and for a :class:`nova_shares.mapping.ShownMapping`.
SUMMARY = [models.share_mappings.c[name] for name in m.MappingSummary._fields]
SHOWN = [models.share_mappings.c[name] for name in m.ShownMapping._fields]


#: In what an agent reports: that it has stopped.
_STOPPED = "stopped"


def to_mapping(row: Any) -> m.ShareMapping:
    return m.ShareMapping(
        fault=_to_fault(row) if row.fault_step is not None else None,
        created_at=_aware(row.created_at),
        updated_at=_aware(row.updated_at),
        read_at=_aware(row.now),
        # The names are those of the first columns: the faults' are cut off.
        **dict(zip(_PLAIN, row)),
    )


def _to_fault(row: Any) -> m.Fault:
    return m.Fault(
        step=row.fault_step,
        message=row.fault_message,
        time=row.fault_at.replace(tzinfo=datetime.timezone.utc),
        attempts=row.attempts,
        next_try=_aware(row.next_try),
        due=bool(row.due),
    )


def _aware(time: Optional[datetime.datetime]) -> Optional[datetime.datetime]:
    """Say of a time of the database that it is UTC."""
    return time and time.replace(tzinfo=datetime.timezone.utc)


def from_mapping(mapping: m.ShareMapping) -> dict[str, Any]:
    """List the values of a new row."""
    values = {name: getattr(mapping, name) for name in _PLAIN if name != "id"}
    return {
        **values,
        "status": m.ATTACHING,
        "attempts": 0,
        "created_at": models.utcnow(),
    }


def storable(message: str) -> str:
    """Make any message fit its column.

    Errors may quote what a program wrote: no database takes half a
    character, PostgreSQL takes no zero byte.
    """
    text = message.encode("utf-8", "replace").decode().replace("\0", "?")
    if len(text) <= models.MAX_MESSAGE:
        return text
    return text[: models.MAX_MESSAGE - 3] + "..."


def to_agent(row: Any) -> m.Agent:
    return m.Agent(
        host=row.host,
        boot_id=row.boot_id,
        capabilities=_to_capabilities(row.capabilities),
        stopped=bool(json.loads(row.capabilities).get(_STOPPED)),
        age=(row.now - row.last_heartbeat).total_seconds(),
        heartbeats=row.heartbeats,
    )


def _to_capabilities(text: str) -> m.Capabilities:
    """Read what an agent can do; one of another version may tell more."""
    known = {field.name for field in dataclasses.fields(m.Capabilities)}
    told = {k: v for k, v in json.loads(text).items() if k in known}
    if "protocols" in told:
        told["protocols"] = tuple(told["protocols"])
    return m.Capabilities(**told)


def from_capabilities(
    capabilities: m.Capabilities, stopped: bool = False
) -> str:
    """Write what an agent reports: what it can do, and whether it goes."""
    told = dataclasses.asdict(capabilities)
    return json.dumps({**told, _STOPPED: True} if stopped else told)
