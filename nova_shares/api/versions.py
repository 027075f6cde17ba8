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

"""Nova's version documents, with our version in them.

2.97 brought the shares of servers and changed nothing else. So a Nova whose
maximum is 2.96 is shown to have 2.97. Below 2.96 that would not be true, and
above there is nothing to do. Inside Nova's process the documents come from
the application that the filter wraps, in a service of our own by HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
import copy
import io
import json
from typing import Any
from typing import Callable

from microversion_parse import Version
from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
import webob

from nova_shares.api import microversion
from nova_shares.clients import nova
from nova_shares.clients.nova import WSGIApp
from nova_shares.conf import api as api_conf

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
_ENVIRON = "HTTP_OPENSTACK_API_VERSION"


def lower(environ: dict[str, Any]) -> str | None:
    """Have a request ask for the version before ours.

    :returns: the header that it had
    """
    asked: str | None = environ.get(_ENVIRON)
    environ[_ENVIRON] = f"{microversion.SERVICE_TYPE} {BEFORE}"
    return asked


def labelled(start_response: Any) -> Any:
    """Have an answer to a lowered request labelled as asked for."""

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


def name_newest(response: webob.Response) -> None:
    """Have a 406 of Nova's name our version as the maximum."""
    if response.status_int == 406:
        response.body = response.body.replace(
            f"maximum is {BEFORE}.".encode(), f"maximum is {_NEWEST}.".encode()
        )


class NovaVersions:
    """What an application that answers as Nova does says of its versions."""

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


class Documents:
    """Answers requests for version documents.

    :param app: answers them as Nova does
    :param settings: gives our configuration, or raises
    """

    def __init__(
        self, app: WSGIApp, settings: Callable[[], cfg.ConfigOpts]
    ) -> None:
        self._app = app
        self._settings = settings
        self._versions = NovaVersions(app)

    def are_raised(self, environ: dict[str, Any]) -> bool:
        """Tell whether 2.97 is shown where Nova has 2.96."""
        try:
            settings = self._settings().api
            if not settings.advertise or settings.serve == api_conf.NEVER:
                return False
        except Exception as e:
            LOG.error("Cannot negotiate microversion 2.97: %s", e)
            return False
        return self._versions.maximum(environ) == BEFORE

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        if not self.are_raised(environ):
            return self._app(environ, start_response)
        if microversion.is_shares(environ):
            lower(environ)
            start_response = labelled(start_response)
        if environ["REQUEST_METHOD"] == "HEAD":
            # What it would be is as long as Nova's.
            return self._app(environ, start_response)
        response = webob.Request(environ).send(self._app)
        if response.status_int == 200:
            response.body = _raise_version(response.body)
        name_newest(response)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer


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
