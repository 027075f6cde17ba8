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
import re
from typing import Any
from typing import Callable

from microversion_parse import Version
from oslo_context import context
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

_PROJECT = r"(?:/(?P<project_id>[0-9a-f-]+))?"

#: What Nova reads as JSON.
CONTENT_TYPES = (
    "",
    "text/plain",
    "application/json",
    "application/vnd.openstack.compute+json",
)


def _compile(path: str) -> re.Pattern[str]:
    return re.compile(_PROJECT + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path))


def _by_path() -> list[tuple[re.Pattern[str], dict[str, str]]]:
    actions: dict[str, dict[str, str]] = {}
    for method, path, action in ROUTES:
        actions.setdefault(path, {})[method] = action
    return [(_compile(path), methods) for path, methods in actions.items()]


_BY_PATH = _by_path()


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
    methods, ids = _match(environ.get("PATH_INFO", ""))
    action = methods.get(environ["REQUEST_METHOD"])
    if action is None:
        raise faults.method_not_allowed(methods)
    return action, ids


def _match(path: str) -> tuple[dict[str, str], dict[str, Any]]:
    for pattern, methods in _BY_PATH:
        match = pattern.fullmatch(path)
        if match is not None:
            return methods, match.groupdict()
    raise faults.no_route()
