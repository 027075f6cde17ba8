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
"""Why we lock an access rule, as whoever looks at the lock in Manila reads it.

It names who asked and for what, and the database that knows the mapping:
whoever cleans up with another database must not take it for a left-over.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Optional

from nova_shares.mapping import ShareMapping

_FORMAT = (
    "nova_shares {database}: mapping {m.uuid} of server {m.instance_uuid} "
    "on {m.host}, request {m.request_id} of user {m.user_id} in project "
    "{m.project_id}"
)
#: What Manila itself writes.
_SHARE_LOCK = "Locked by access lock: "
_PATTERN = re.compile(
    r"nova_shares (?P<database>\S+): mapping (?P<mapping>\S+) "
    r"of server (?P<server>\S+) on (?P<host>\S+), "
)


@dataclasses.dataclass(frozen=True)
class Reason:
    """What a lock of ours says.

    :ivar database: the id of the database that has the mapping
    :ivar mapping: the uuid of the mapping that it was made for
    """

    database: str
    mapping: str
    server: str
    host: str


def write(m: ShareMapping, database: str) -> str:
    """Say for which mapping of which database an access rule is locked."""
    return _FORMAT.format(m=m, database=database)


def behind(text: str) -> Optional[str]:
    """Read for which lock on an access rule Manila has locked its share.

    :returns: the id of that lock; None: it was locked for something else
    """
    if not text.startswith(_SHARE_LOCK):
        return None
    return text[len(_SHARE_LOCK) :]


def read(text: str) -> Optional[Reason]:
    """Read what :func:`write` has written; None: it is something else."""
    found = _PATTERN.match(text)
    return Reason(**found.groupdict()) if found else None
