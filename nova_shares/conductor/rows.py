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
"""The rows of a host, as its agent reads and writes them."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
import contextlib
from typing import Optional

from oslo_db import exception as db_exc

from nova_shares import exception
from nova_shares import mapping
from nova_shares.db import engine as db_engine
from nova_shares.db import store as db_store
from nova_shares.mapping import Agent
from nova_shares.mapping import Capabilities
from nova_shares.mapping import Database
from nova_shares.mapping import ShareMapping


class Rows:
    """Fills :class:`nova_shares.compute.ports.Rows` with the database.

    Every method may raise :class:`nova_shares.exception.StateUnavailable`.
    """

    def __init__(self, store: db_store.Store) -> None:
        self._store = store

    def get(self, uuid: str) -> Optional[ShareMapping]:
        with translated():
            return self._store.get(uuid)

    def list_for_host(self, host: str) -> list[ShareMapping]:
        with translated():
            return self._store.list_for_host(host)

    def list_for_server(self, instance_uuid: str) -> list[ShareMapping]:
        with translated():
            return self._store.list_for_server(instance_uuid)

    def known(self, uuids: Collection[str]) -> set[str]:
        with translated():
            return self._store.known(uuids)

    def advance(self, m: ShareMapping, status: str) -> None:
        with translated():
            self._store.advance(m, status)

    def fail(
        self,
        m: ShareMapping,
        step: str,
        message: str,
        next_try_after: Optional[float],
    ) -> None:
        with translated():
            self._store.fail(m, step, message, next_try_after)

    def delete(self, m: ShareMapping) -> None:
        with translated():
            self._store.delete(m)

    def sharing(self, m: ShareMapping) -> list[str]:
        if m.share_proto != "NFS":
            return []
        with translated():
            return [
                other.uuid
                for other in self._store.list_for_share(m.host, m.share_id)
                if other.uuid != m.uuid and other.wanted == mapping.ATTACHED
            ]

    def want_detached(self, uuid: str) -> None:
        with translated():
            self._store.want_detached(uuid)

    def database(self) -> Database:
        with translated():
            return self._store.database()

    def agent(self, host: str) -> Optional[Agent]:
        with translated():
            return self._store.agent(host)

    def claim_host(
        self, host: str, boot_id: str, capabilities: Capabilities
    ) -> None:
        with translated():
            self._store.claim_host(host, boot_id, capabilities)

    def heartbeat(
        self,
        host: str,
        boot_id: str,
        capabilities: Capabilities,
        stopped: bool = False,
        at_least: int = 0,
    ) -> bool:
        with translated():
            return self._store.heartbeat(
                host, boot_id, capabilities, stopped, at_least
            )


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise what is wrong with the database as a StateUnavailable."""
    try:
        yield
    except db_exc.DBError as e:
        raise exception.StateUnavailable(
            service="database", detail=db_engine.explain(e)
        ) from e
