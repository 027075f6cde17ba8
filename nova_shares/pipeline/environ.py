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
"""What the filters and those behind them tell each other in an environment.

And what all of them are: WSGI applications.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Callable

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: What the outer filter has replaced in a header, for the inner one to undo.
ASKED = "nova_shares.asked"
#: In the environment of a request to the old v2 API, by Nova's paste file.
LEGACY = "openstack.legacy_v2"
