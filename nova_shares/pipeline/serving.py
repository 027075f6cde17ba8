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

import copy
import io
import json
import threading
import time
from typing import Any
from typing import Callable

from microversion_parse import Version
from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
import webob

from nova_shares import exception
from nova_shares.api import microversion
from nova_shares.clients import nova
from nova_shares.conf import api as api_conf

LOG = logging.getLogger(__name__)

#: Seconds for which it stands whether there are mappings of ours.
_ROWS_STAND = 10.0


class NovaVersions:
    """What the application that a filter wraps says of its versions."""

    def __init__(self, app: nova.WSGIApp) -> None:
        self._app = app
        self._maximum: Version | None = None

    def maximum(self, environ: dict[str, Any]) -> Version | None:
        """Tell Nova's highest microversion.

        :param environ: of the request that needs to know
        :returns: None: Nova does not say, and is asked again the next time
        """
        if self._maximum is None:
            self._maximum = self._ask(environ)
        return self._maximum

    def _ask(self, environ: dict[str, Any]) -> Version | None:
        before = context.get_current()
        try:
            response = webob.Request(_root(environ)).send(self._app)
            if response.status_int != 200:
                LOG.warning(
                    "Nova answers %s to a request for its version document",
                    response.status,
                )
                return None
            return _read(response.body)
        except Exception:
            LOG.exception("Nova failed to show its version document")
            return None
        finally:
            if before is not None:
                before.update_store()


def _root(environ: dict[str, Any]) -> dict[str, Any]:
    """Make the environment of a request for the version document."""
    below = {
        **nova.kept(environ),
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "0",
        "HTTP_ACCEPT": "application/json",
        "wsgi.input": io.BytesIO(),
    }
    if "nova.context" in environ:
        below["nova.context"] = copy.copy(environ["nova.context"])
    return below


def _read(body: bytes) -> Version | None:
    content = json.loads(body)
    for found in content.get("versions") or [content["version"]]:
        if found["id"] == "v2.1" and found["version"]:
            return microversion.number(found["version"])
    return None


class Serving:
    """Decides whether we serve.

    :param settings: gives our configuration, or raises
    :param any_mapping: tells whether there is any mapping in our table
    """

    def __init__(
        self,
        settings: Callable[[], cfg.ConfigOpts],
        versions: NovaVersions,
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
