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


"""The store: queries in, frozen dataclasses out.

Each operation is one statement that commits by itself. A change of a
mapping compares and swaps: it names what the caller has seen, and changes
one row or raises :class:`nova_shares.exception.Conflict`. Which status may
follow which is said in :mod:`nova_shares.mapping` alone.

If the database fails, every operation raises an
:class:`oslo_db.exception.DBError`, after some two seconds at the latest.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
import dataclasses
import time
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_db import exception as db_exc
import sqlalchemy as sa

from nova_shares import exception
from nova_shares import mapping as m
from nova_shares.db import breaker as db_breaker
from nova_shares.db import engine as db_engine
from nova_shares.db import models
from nova_shares.db import rows

_MAPPINGS = models.share_mappings
_AGENTS = models.share_agents
_DATABASE = models.database_identity
#: How many mappings one statement reads at most.
_PAGE = 1000
_NO_FAULT = {
    "fault_step": None,
    "fault_message": None,
    "fault_at": None,
    "attempts": 0,
    "next_try": None,
}


def _of_server(fields: list[Any]) -> db_engine.Prepared:
    return db_engine.Prepared(
        sa.select(*fields)
        .where(_MAPPINGS.c.instance_uuid == sa.bindparam("server"))
        .order_by(_MAPPINGS.c.id)
    )


# What users ask for.
_SUMMARIES = _of_server(rows.SUMMARY)
_SHOWN = _of_server(rows.SHOWN)


class Store:
    """The share mappings and the agents, as the database has them."""

    def __init__(self, engine: sa.engine.Engine) -> None:
        self._engine = engine

    @classmethod
    def from_conf(
        cls,
        conf: cfg.ConfigOpts,
        breaker: Optional[db_breaker.Breaker] = None,
    ) -> Store:
        """Make a store that connects at its first use.

        :param breaker: of the API, whose requests must not wait for a
            database that is away; an agent or a command rather tries
        :raises oslo_config.cfg.Error: when ``[database] connection`` is
            missing or invalid
        """
        return cls(db_engine.create(conf, breaker))

    def ping(self) -> None:
        """Return when the database answers, raise DBError if it doesn't."""
        self._execute(sa.select(sa.literal(1)))

    def database(self) -> m.Database:
        """Tell which database it is."""
        found = self._execute(
            sa.select(_DATABASE.c.uuid, _DATABASE.c.restores)
        ).rows
        if not found:
            raise exception.ForeignDatabase(found="no identity")
        return m.Database(str(found[0].uuid), found[0].restores)

    def database_id(self) -> str:
        """Name the database, as the first ``db sync`` did."""
        return self.database().uuid

    # What the API calls.

    def list_summaries(self, instance_uuid: str) -> list[m.MappingSummary]:
        """List what a list shows of a server's mappings, oldest first."""
        answer = self._execute(_SUMMARIES, {"server": instance_uuid})
        return [m.MappingSummary._make(row) for row in answer.rows]

    def list_shown(self, instance_uuid: str) -> list[m.ShownMapping]:
        """List what users see of a server's mappings, oldest first."""
        answer = self._execute(_SHOWN, {"server": instance_uuid})
        return [m.ShownMapping._make(row) for row in answer.rows]

    def any_mapping(self) -> bool:
        """Tell whether there is any mapping at all."""
        statement = sa.select(_MAPPINGS.c.id).limit(1)
        return bool(self._execute(statement).rows)

    def get(self, uuid: str) -> Optional[m.ShareMapping]:
        """Read one mapping; None: there is none of this uuid."""
        found = self._mappings(_MAPPINGS.c.uuid == uuid)
        return found[0] if found else None

    def insert(self, mapping: m.ShareMapping) -> m.ShareMapping:
        """Record a new mapping, ``attaching``; the result has its id.

        :raises MappingExists: the server has the share or the tag already
        """
        statement = _MAPPINGS.insert().values(**rows.from_mapping(mapping))
        try:
            id_ = self._execute(statement).key
        except db_exc.DBDuplicateEntry:
            # An earlier try may have come through without our learning it.
            found = self.get(mapping.uuid)
            if found is None:
                raise exception.MappingExists(
                    share_id=mapping.share_id, tag=mapping.tag
                ) from None
            id_ = found.id
        return dataclasses.replace(mapping, id=id_, status=m.ATTACHING)

    def want_detached(
        self,
        uuid: str,
        user_id: Optional[str] = None,
        request_id: Optional[str] = None,
    ) -> Optional[m.ShareMapping]:
        """Record that the mapping is to go; None: it is gone already.

        An agent may have undone it before it is read again.

        :param user_id, request_id: who asks for it, and in which request;
            None: nobody does, and who asked last stays recorded
        """
        found = self._want_detached(
            _MAPPINGS.c.uuid == uuid, user_id, request_id
        )
        return found[0] if found else None

    def want_all_detached(
        self, instance_uuid: str, user_id: Optional[str], request_id: str
    ) -> list[m.ShareMapping]:
        """Record that all mappings of a server are to go; gives them."""
        of_server = _MAPPINGS.c.instance_uuid == instance_uuid
        return self._want_detached(of_server, user_id, request_id)

    def _want_detached(
        self, which: Any, user_id: Optional[str], request_id: Optional[str]
    ) -> list[m.ShareMapping]:
        asked = {"user_id": user_id, "request_id": request_id}
        statement = (
            _MAPPINGS.update()
            .where(
                which,
                _MAPPINGS.c.status.in_(m.sources(m.DETACHING, "api")),
            )
            .values(
                wanted=m.DETACHED,
                generation=_MAPPINGS.c.generation + 1,
                status=m.DETACHING,
                updated_at=models.utcnow(),
                **_NO_FAULT,
                **(asked if request_id is not None else {}),
            )
        )
        if not self._execute(statement).changed:
            return []
        # Of a replicated database, the next look may be at a node that does
        # not have it yet.
        for pause in (0.05, 0.1, 0.2, 0.4, 0):
            found = self._mappings(which)
            if found and all(each.wanted == m.DETACHED for each in found):
                break
            time.sleep(pause)
        return found

    # What the agent calls.

    def list_for_server(self, instance_uuid: str) -> list[m.ShareMapping]:
        """List the mappings of a server, oldest first."""
        return self._mappings(_MAPPINGS.c.instance_uuid == instance_uuid)

    def list_for_host(self, host: str) -> list[m.ShareMapping]:
        """List the mappings of the servers of a host, oldest first."""
        return self._mappings(_MAPPINGS.c.host == host)

    def list_for_share(
        self, host: str, share_id: str, access_id: Optional[str] = None
    ) -> list[m.ShareMapping]:
        """List the mappings of a share on a host, oldest first.

        :param access_id: of an access rule: those that have it too, on
            whatever host, such as one that was renamed
        """
        where = _MAPPINGS.c.host == host
        if access_id is not None:
            where = where | (_MAPPINGS.c.access_id == access_id)
        return self._mappings(_MAPPINGS.c.share_id == share_id, where)

    def advance(
        self,
        mapping: m.ShareMapping,
        status: str,
        access_id: Optional[str] = None,
    ) -> m.ShareMapping:
        """Record that an attach got on, and forget its fault.

        :param status: ``inactive`` or ``active``
        :param access_id: of the access rule; None: as it was
        :raises Conflict: the mapping has changed since, or is not wanted
        """
        new: dict[str, Any] = {"status": status}
        if access_id is not None:
            new["access_id"] = access_id
        self._swap(
            mapping,
            _MAPPINGS.c.status.in_(m.sources(status, "agent")),
            _MAPPINGS.c.wanted == m.ATTACHED,
            **new,
            **_NO_FAULT,
        )
        return dataclasses.replace(mapping, fault=None, **new)

    def record_access(
        self, mapping: m.ShareMapping, access_id: Optional[str]
    ) -> m.ShareMapping:
        """Record Manila's id of the access rule; None: there is none.

        :raises Conflict: what is wanted has changed since
        """
        self._swap(mapping, access_id=access_id)
        return dataclasses.replace(mapping, access_id=access_id)

    def relocate(
        self, mapping: m.ShareMapping, export_location: str
    ) -> m.ShareMapping:
        """Record that a share is exported from another place.

        :raises Conflict: what is wanted has changed since
        """
        self._swap(mapping, export_location=export_location)
        return dataclasses.replace(mapping, export_location=export_location)

    def fail(
        self,
        mapping: m.ShareMapping,
        step: str,
        message: str,
        next_try_after: Optional[float],
    ) -> m.ShareMapping:
        """Record that a step failed.

        :param message: why; as much of it is kept as there is room for
        :param next_try_after: seconds; None: it is not tried again
        :raises Conflict: the mapping has changed since
        """
        next_try = (
            None if next_try_after is None else models.now_and(next_try_after)
        )
        self._swap(
            mapping,
            _MAPPINGS.c.status.in_(m.sources(m.ERROR, "agent")),
            status=m.ERROR,
            fault_step=step,
            fault_message=rows.storable(message),
            fault_at=models.utcnow(),
            attempts=_MAPPINGS.c.attempts + 1,
            next_try=next_try,
        )
        found = self.get(mapping.uuid)
        if found is None or found.generation != mapping.generation:
            raise exception.Conflict(uuid=mapping.uuid)
        return found

    def delete(self, mapping: m.ShareMapping) -> None:
        """Forget a mapping of which nothing is left.

        :raises Conflict: the mapping has changed since, or is still wanted
        """
        statement = _MAPPINGS.delete().where(
            _MAPPINGS.c.uuid == mapping.uuid,
            _MAPPINGS.c.generation == mapping.generation,
            _MAPPINGS.c.wanted == m.DETACHED,
            _MAPPINGS.c.status.in_(m.sources(None, "agent")),
        )
        if not self._changed(statement) and self.get(mapping.uuid):
            raise exception.Conflict(uuid=mapping.uuid)

    def claim_host(
        self, host: str, boot_id: str, capabilities: m.Capabilities
    ) -> None:
        """Make a start of the agent the owner of the host's row."""
        values = {
            "boot_id": boot_id,
            "last_heartbeat": models.utcnow(),
            "capabilities": rows.from_capabilities(capabilities),
        }
        take = _AGENTS.update().where(_AGENTS.c.host == host).values(**values)
        if self._changed(take):
            return
        try:
            self._execute(_AGENTS.insert().values(host=host, **values))
        except db_exc.DBDuplicateEntry:
            self._execute(take)

    def heartbeat(
        self,
        host: str,
        boot_id: str,
        capabilities: m.Capabilities,
        stopped: bool = False,
        at_least: int = 0,
    ) -> bool:
        """Record that the agent is up.

        :param stopped: it is about to stop
        :param at_least: how many heartbeats there were before
        :returns: False: the host is another start's, or there were fewer
        """
        statement = (
            _AGENTS.update()
            .where(
                _AGENTS.c.host == host,
                _AGENTS.c.boot_id == boot_id,
                _AGENTS.c.heartbeats >= at_least,
            )
            .values(
                heartbeats=_AGENTS.c.heartbeats + 1,
                last_heartbeat=models.utcnow(),
                capabilities=rows.from_capabilities(capabilities, stopped),
            )
        )
        return self._changed(statement)

    def agent(self, host: str) -> Optional[m.Agent]:
        """Read the agent of a host; None: it never had one."""
        found = self._agents(_AGENTS.c.host == host)
        return found[0] if found else None

    def agents(self) -> list[m.Agent]:
        """List the agents by host."""
        return self._agents()

    # What the operator calls.

    def confirm_restore(self) -> None:
        """Record that the database was restored on purpose.

        The same backup may be restored more than once: what is recorded
        never repeats.
        """
        now = int(time.time())
        restores = sa.case(
            (_DATABASE.c.restores < now, now), else_=_DATABASE.c.restores + 1
        )
        self._execute(_DATABASE.update().values(restores=restores))

    def list_all(self, **asked: Optional[str]) -> list[m.ShareMapping]:
        """List the mappings that are as asked; see :meth:`each`."""
        return list(self.each(**asked))  # type: ignore[arg-type]

    def each(
        self,
        host: Optional[str] = None,
        status: Optional[str] = None,
        project_id: Optional[str] = None,
        instance_uuid: Optional[str] = None,
        after: Optional[int] = None,
        limit: Optional[int] = None,
    ) -> Iterator[m.ShareMapping]:
        """Give the mappings that are as asked, oldest first.

        They are read a page at a time: no statement takes longer, however
        many there are.

        :param after: the id of the mapping before the first one; None: there
            is none
        :param limit: how many at most; None: all
        """
        asked = {
            _MAPPINGS.c.host: host,
            _MAPPINGS.c.status: status,
            _MAPPINGS.c.project_id: project_id,
            _MAPPINGS.c.instance_uuid: instance_uuid,
        }
        conditions = [c == v for c, v in asked.items() if v is not None]
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            page = self._mappings(
                _MAPPINGS.c.id > (after or 0), *conditions, limit=size
            )
            yield from page
            if len(page) < size:
                return
            after = page[-1].id
            left = None if left is None else left - size

    def known(self, uuids: Collection[str]) -> set[str]:
        """Tell which of these are mappings."""
        if not uuids:
            return set()
        statement = sa.select(_MAPPINGS.c.uuid).where(
            _MAPPINGS.c.uuid.in_(sorted(uuids))
        )
        return {str(row.uuid) for row in self._execute(statement).rows}

    def has_access(self, access_id: str) -> bool:
        """Tell whether an access rule is recorded with any mapping."""
        condition = _MAPPINGS.c.access_id == access_id
        return bool(self._mappings(condition, limit=1))

    def retry(self, uuid: str) -> Optional[m.ShareMapping]:
        """Have a failed mapping tried again now; None: none has failed."""
        statement = (
            _MAPPINGS.update()
            .where(_MAPPINGS.c.uuid == uuid, _MAPPINGS.c.status == m.ERROR)
            .values(next_try=models.utcnow(), updated_at=models.utcnow())
        )
        return self.get(uuid) if self._changed(statement) else None

    def reset(self, uuid: str) -> Optional[m.ShareMapping]:
        """Let a failed mapping start over; None: none has failed."""
        status = sa.case(
            (_MAPPINGS.c.wanted == m.ATTACHED, m.ATTACHING), else_=m.DETACHING
        )
        statement = (
            _MAPPINGS.update()
            .where(
                _MAPPINGS.c.uuid == uuid,
                _MAPPINGS.c.status.in_(
                    m.sources(m.ATTACHING, "operator")
                    & m.sources(m.DETACHING, "operator")
                ),
            )
            .values(status=status, updated_at=models.utcnow(), **_NO_FAULT)
        )
        return self.get(uuid) if self._changed(statement) else None

    # How a statement is run.

    def _mappings(
        self, *conditions: Any, limit: Optional[int] = None
    ) -> list[m.ShareMapping]:
        statement = (
            sa.select(*rows.COLUMNS)
            .where(*conditions)
            .order_by(_MAPPINGS.c.id)
            .limit(limit)
        )
        return [rows.to_mapping(row) for row in self._execute(statement).rows]

    def _agents(self, *conditions: Any) -> list[m.Agent]:
        statement = (
            sa.select(_AGENTS, models.utcnow().label("now"))
            .where(*conditions)
            .order_by(_AGENTS.c.host)
        )
        return [rows.to_agent(row) for row in self._execute(statement).rows]

    def _swap(
        self, mapping: m.ShareMapping, *conditions: Any, **values: Any
    ) -> None:
        """Change a mapping that is as the caller has seen it."""
        statement = (
            _MAPPINGS.update()
            .where(
                _MAPPINGS.c.uuid == mapping.uuid,
                _MAPPINGS.c.generation == mapping.generation,
                *conditions,
            )
            .values(updated_at=models.utcnow(), **values)
        )
        if not self._changed(statement):
            raise exception.Conflict(uuid=mapping.uuid)

    def _changed(self, statement: Any) -> bool:
        """Run a statement and tell whether there was a row for it."""
        return self._execute(statement).changed == 1

    def _execute(
        self, statement: Any, values: Optional[dict[str, Any]] = None
    ) -> db_engine.Answer:
        return db_engine.execute(self._engine, statement, values)
