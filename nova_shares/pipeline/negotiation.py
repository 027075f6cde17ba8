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


"""The negotiation of versions, where Nova's newest is the one before ours.

2.97 brought the shares of servers and changed nothing else. So a Nova whose
maximum is 2.96 answers a request at 2.97 by its 2.96, and is shown to have
2.97. Below 2.96 that would not be true, and above there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterable
import json
from typing import Any
from typing import Callable

from microversion_parse import Version
from oslo_config import cfg
from oslo_log import log as logging
import webob

from nova_shares.api import microversion
from nova_shares.conf import api as api_conf
from nova_shares.pipeline import environ as pipeline_environ
from nova_shares.pipeline import serving

LOG = logging.getLogger(__name__)

#: The version whose requests can be answered as 2.97.
BEFORE = Version(2, 96)
_NEWEST = str(microversion.SHARES)
_LABELS = {
    microversion.HEADER.lower(): (
        f"{microversion.SERVICE_TYPE} {BEFORE}",
        f"{microversion.SERVICE_TYPE} {_NEWEST}",
    ),
    microversion.LEGACY_HEADER.lower(): (str(BEFORE), _NEWEST),
}


class Negotiation:
    """Has Nova answer at 2.97, as 2.96, and says so in its documents.

    :param settings: gives our configuration, or raises
    """

    def __init__(
        self,
        app: pipeline_environ.WSGIApp,
        settings: Callable[[], cfg.ConfigOpts],
    ) -> None:
        self._app = app
        self._settings = settings
        self._versions = serving.NovaVersions(app)

    def __call__(
        self,
        environ: dict[str, Any],
        start_response: Any,
        document: bool = False,
    ) -> Iterable[bytes]:
        """Answer a request.

        :param document: its path is that of a version document
        """
        above = microversion.is_above(environ, BEFORE)
        if not (above or document) or not self._advertises(environ):
            return self._app(environ, start_response)
        if above and microversion.is_shares(environ):
            name = "HTTP_OPENSTACK_API_VERSION"
            environ[pipeline_environ.ASKED] = environ.get(name)
            environ[name] = f"{microversion.SERVICE_TYPE} {BEFORE}"
            if not document:
                return self._app(environ, _labelled(start_response))
        elif not document:
            return self._too_high(environ, start_response)
        return self._document(environ, start_response)

    def _advertises(self, environ: dict[str, Any]) -> bool:
        try:
            settings = self._settings().api
            if not settings.advertise or settings.serve == api_conf.NEVER:
                return False
        except Exception as e:
            LOG.error("Cannot negotiate microversion 2.97: %s", e)
            return False
        return self._versions.maximum(environ) == BEFORE

    def _document(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            # What it would be is as long as Nova's.
            return self._app(environ, _labelled(start_response))
        response = webob.Request(environ).send(self._app)
        if response.status_int == 200:
            response.body = _raise_version(response.body)
        elif response.status_int == 406:
            response.body = _name_newest(response.body)
        return response(environ, _labelled(start_response))

    def _too_high(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        response = webob.Request(environ).send(self._app)
        if response.status_int == 406:
            response.body = _name_newest(response.body)
        return response(environ, start_response)


def _labelled(start_response: Any) -> Any:
    """Have an answer labelled as asked for."""

    def start(
        status: str, headers: list[tuple[str, str]], *exc_info: Any
    ) -> Any:
        return start_response(
            status,
            [(name, _label(name, value)) for name, value in headers],
            *exc_info,
        )

    return start


def _label(name: str, value: str) -> str:
    lowered, raised = _LABELS.get(name.lower(), ("", ""))
    return raised if value == lowered else value


def _raise_version(body: bytes) -> bytes:
    """Put our version into a document, if it has Nova's."""
    try:
        content = json.loads(body)
        shown = content.get("versions") or [content["version"]]
        for version in shown:
            if version["id"] == "v2.1" and version["version"] == str(BEFORE):
                version["version"] = _NEWEST
    except (ValueError, KeyError, TypeError, AttributeError):
        return body
    return json.dumps(content).encode()


def _name_newest(body: bytes) -> bytes:
    return body.replace(
        f"maximum is {BEFORE}.".encode(), f"maximum is {_NEWEST}.".encode()
    )
