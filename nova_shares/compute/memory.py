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

"""What a host remembers of its database across restarts of the agent.

It is below ``state_path``: the name of the host, the id of the database, and
how many heartbeats there were. A database that has another id, or fewer
heartbeats, is not the one that knows what is on this host.
"""

from __future__ import annotations

import contextlib
import os
from typing import Optional

from oslo_log import log as logging

from nova_shares import exception
from nova_shares.mapping import Agent
from nova_shares.mapping import Database

LOG = logging.getLogger(__name__)


class Restored(exception.NovaSharesError):
    """The database is older than the host remembers: from a backup."""


class HostChanged(exception.NovaSharesError):
    """The directory of ``file`` was that of the host ``known``."""


class Memory:
    """The files of one host; an operator who means a change deletes one.

    :ivar heartbeats: how many the database has at least
    :ivar is_new: no agent of this host had worked with the directory before
    """

    def __init__(self, state_path: str, host: str) -> None:
        self._directory = state_path
        self._host = host
        counters = self._read("heartbeats").split()
        # An empty or a torn file tells nothing.
        known = [int(word) for word in counters if word.isdigit()][:2]
        self.is_new = len(known) != 2
        self._restores, self.heartbeats = (0, 0) if self.is_new else known

    def check_host(self) -> None:
        """Make sure that the directory is that of this host.

        :raises HostChanged: if it is another's
        """
        known = self._read("host")
        if not known:
            self._forget()
            self._write("host", self._host)
        elif known != self._host:
            raise HostChanged(
                found=self._host, known=known, file=self._path("host")
            )

    def check(self, database: Database, agent: Optional[Agent]) -> None:
        """Hold what the database says against what was known before.

        :param agent: the host's row
        :raises nova_shares.exception.ForeignDatabase: it is another one
        :raises Restored: it has gone back in time
        """
        self.check_id(database)
        heartbeats = 0 if agent is None else agent.heartbeats
        if database.restores < self._restores or (
            database.restores == self._restores
            and heartbeats < self.heartbeats
        ):
            raise Restored(
                found=heartbeats, known=self.heartbeats, host=self._host
            )
        self._restores = database.restores
        self._note(heartbeats)

    def check_id(self, database: Database) -> None:
        """Hold the id of the database against the one of before.

        :raises nova_shares.exception.ForeignDatabase: it is another one
        """
        known = self._read("database-id")
        if not known:
            self._forget()
            self._write("database-id", database.uuid)
        elif known != database.uuid:
            raise exception.ForeignDatabase(
                found=database.uuid,
                known=known,
                file=self._path("database-id"),
            )

    def _forget(self) -> None:
        """Forget what was counted with another name, or in another one."""
        self.is_new = True
        self._restores, self.heartbeats = 0, 0

    def count(self) -> None:
        """Remember that the database has one heartbeat more."""
        self._note(self.heartbeats + 1)

    def _note(self, heartbeats: int) -> None:
        self.heartbeats = heartbeats
        try:
            self._write("heartbeats", f"{self._restores} {heartbeats}")
        except OSError as e:
            # A lower one than is true is no danger.
            LOG.warning("Cannot write %s: %s", self._path("heartbeats"), e)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)

    def _read(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            with open(self._path(name)) as f:
                return f.read().strip()
        return ""

    def _write(self, name: str, text: str) -> None:
        # Whole or not at all, whenever the disk is full or power fails.
        path = self._path(name)
        with open(f"{path}.new", "w") as f:
            f.write(text + "\n")
            f.flush()
            os.fsync(f.fileno())
        os.replace(f"{path}.new", path)
