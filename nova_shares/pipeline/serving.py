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


"""Who serves the shares of servers: Nova or we.

Nova has the calls from 2.97 on. Its maximum is learnt from its own version
document, when it is first needed.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from typing import Callable

from microversion_parse import Version
from oslo_config import cfg
from oslo_log import log as logging

from nova_shares import exception
from nova_shares.api import microversion
from nova_shares.api import versions as api_versions
from nova_shares.clients import nova
from nova_shares.conf import api as api_conf

LOG = logging.getLogger(__name__)

#: Seconds for which it stands whether there are mappings of ours.
_ROWS_STAND = 10.0


class Serving:
    """Decides whether we serve.

    :param settings: gives our configuration, or raises
    :param any_mapping: tells whether there is any mapping in our table
    """

    def __init__(
        self,
        settings: Callable[[], cfg.ConfigOpts],
        versions: api_versions.NovaVersions,
        any_mapping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._versions = versions
        self._any_mapping = any_mapping
        self._lock = threading.Lock()
        self._warned = False
        self._rows: tuple[float, bool] | None = None

    def maximum(
        self, environ: dict[str, Any], fresh: bool = False
    ) -> Version | None:
        """Tell the highest microversion of the two of us.

        :param fresh: whether there are mappings is asked of the database
        :returns: None: Nova serves, or we are not to
        :raises nova_shares.exception.ServiceUnavailable: when that can't be
            told
        """
        serve = self._settings().api.serve
        if serve == api_conf.NEVER:
            return None
        found = self._versions.maximum(environ)
        if found is None:
            raise exception.ServiceUnavailable(
                service=nova.SERVICE, detail="no version document"
            )
        if found < microversion.SHARES:
            return microversion.SHARES
        if serve == api_conf.ALWAYS or self._has_rows(found, fresh):
            return found
        return None

    def _has_rows(self, found: Version, fresh: bool) -> bool:
        with self._lock:
            rows = None if fresh else self._rows
        if rows is None or time.monotonic() - rows[0] > _ROWS_STAND:
            rows = time.monotonic(), self._any_mapping()
            with self._lock:
                self._rows = rows
                warn = rows[1] and not self._warned
                self._warned = self._warned or warn
            if warn:
                LOG.warning(
                    "Nova provides server shares (its maximum microversion is"
                    " %s), but shares are attached with nova_shares."
                    " nova_shares keeps serving the calls until all of them"
                    " are detached. To change that, set [api] serve.",
                    found,
                )
        return rows[1]
