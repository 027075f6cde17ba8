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

"""When a request is to be answered, whatever its neighbours do."""

from __future__ import annotations

import time
from typing import Any

#: Seconds that a request may take in all.
SECONDS = 6.0
#: As many in a process of one thread, which serves nobody else meanwhile.
SECONDS_ALONE = 3.0
#: How many of them Keystone may take to say who calls.
AUTHENTICATING = 2.0
#: How many are kept for the database, at the end.
_RECORDING = 2.0
_KEY = "nova_shares.deadline"


def of(environ: dict[str, Any]) -> float:
    """Tell the deadline of a request, by time.monotonic().

    It is set when this is first called for the request.
    """
    alone = not environ.get("wsgi.multithread", True)
    deadline: float = environ.setdefault(
        _KEY, time.monotonic() + (SECONDS_ALONE if alone else SECONDS)
    )
    return deadline


def of_neighbors(environ: dict[str, Any]) -> float:
    """Tell until when a request may wait for Nova and Manila."""
    return of(environ) - _RECORDING
