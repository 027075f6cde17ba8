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

"""The cloud itself, in memory.

It is made in layers, a module each: who there is (``directory``), what Nova
has (``servers``), what Manila has (``shares``), and what a test tells it
(``switches``). All are behind one lock.
"""

from __future__ import annotations

from nova_shares_devcloud import switches


class Cloud(switches.Switches):
    """Everything that the services show. For development and tests only.

    Projects: demo, other, admin, service. Users: admin (of the system too),
    member and reader (of demo), other (of other), nova-shares and nova.

    :param password: everybody's
    :param token_ttl: how long a token lives, in seconds
    :param host: where servers are, unless said otherwise
    :param compute_max: the highest compute microversion
    :param share_max: the highest microversion of shared file systems
    """

    def __init__(
        self,
        password: str = "devcloud",  # noqa: S107
        token_ttl: float = 3600,
        host: str = "devcloud",
        compute_max: str = "2.97",
        share_max: str = "2.82",
    ) -> None:
        super().__init__(password, token_ttl, host)
        self.compute_max = compute_max
        self.share_max = share_max
