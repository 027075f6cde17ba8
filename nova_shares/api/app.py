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

"""The API: route, gate, controller, faults.

A request's way::

    App ──▶ who calls ──▶ microversion ──▶ route ──▶ the URL's project
        ──▶ server_shares.Controller ──▶ attachments
        ◀── an answer, or an exception that faults makes an answer of
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Callable
from typing import Optional

from microversion_parse import Version
from oslo_context import context
import routes
import webob
import webob.exc

from nova_shares import exception
from nova_shares.api import faults
from nova_shares.api import microversion
from nova_shares.api import server_shares

#: The whole API, from microversion 2.97 on: method, path, what the
#: controller calls it. A project's id may stand before each path.
ROUTES = (
    ("GET", "/servers/{server_id}/shares", "index"),
    ("POST", "/servers/{server_id}/shares", "create"),
    ("GET", "/servers/{server_id}/shares/{share_id}", "show"),
    ("DELETE", "/servers/{server_id}/shares/{share_id}", "delete"),
)

#: A token of a project's id, as Nova's own routes have it.
_PROJECT = "/{project_id:[0-9a-f-]+}"

#: What Nova reads as JSON.
CONTENT_TYPES = (
    "",
    "text/plain",
    "application/json",
    "application/vnd.openstack.compute+json",
)


def _make_mapper() -> routes.Mapper:
    # Not registered: that would be for the whole of Nova's process.
    mapper = routes.Mapper(register=False)
    mapper.minimization = False
    for method, path, action in ROUTES:
        for prefix in ("", _PROJECT):
            mapper.connect(
                None,
                prefix + path,
                action=action,
                conditions={"method": [method]},
            )
    mapper.create_regs()
    return mapper


_MAPPER = _make_mapper()
_METHODS = sorted({method for method, _, _ in ROUTES})


class App:
    """Answers the four calls, and refuses everything else.

    :param authenticate: tells who calls, or raises
    :param maximum: the highest microversion of the deployment
    """

    def __init__(
        self,
        controller: server_shares.Controller,
        authenticate: Callable[[dict[str, Any]], context.RequestContext],
        maximum: Version,
    ) -> None:
        self._controller = controller
        self._authenticate = authenticate
        self._maximum = maximum

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        try:
            response = self._answer(environ)
            response.headers.update(
                microversion.headers(environ, self._maximum).items()
            )
        except Exception as e:  # whatever it is, its client gets an answer
            response = faults.answer(e, environ, self._maximum)
        return response(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> webob.Response:
        caller = self._authenticate(environ)
        version = microversion.parse(environ, self._maximum)
        if version < microversion.SHARES:
            raise faults.no_route()
        action, ids = _route(environ)
        request = webob.Request(environ)
        if request.content_type not in CONTENT_TYPES:
            raise webob.exc.HTTPUnsupportedMediaType(
                "Unsupported Content-Type"
            )
        project_id = ids.pop("project_id")
        if project_id is not None and project_id != caller.project_id:
            raise exception.UrlProjectMismatch(
                url_project=project_id, project_id=caller.project_id
            )
        call = getattr(self._controller, action)
        response: webob.Response = call(request, caller, **ids)
        return response


def _route(environ: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    # As WSGI hands it on: bytes as latin-1, which is how Nova shows an id.
    path = environ.get("PATH_INFO", "")
    found = _match(path, environ["REQUEST_METHOD"])
    if found is None:
        allowed = [method for method in _METHODS if _match(path, method)]
        if allowed:
            raise faults.method_not_allowed(allowed)
        raise faults.no_route()
    ids = {"project_id": None, **found}
    return ids.pop("action"), ids


def _match(path: str, method: str) -> Optional[dict[str, Any]]:
    # Routes would take a slash or a newline at the end for nothing.
    if path.endswith(("/", "\n")):
        return None
    found: Optional[dict[str, Any]] = _MAPPER.match(
        path, {"REQUEST_METHOD": method}
    )
    return found
