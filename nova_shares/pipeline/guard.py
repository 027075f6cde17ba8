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


"""What must not happen to a server while shares are attached to it.

Nova knows nothing of our mappings. An action that would take a server away
from its host, or its memory from it, is refused as Nova refuses it for
shares of its own; a server that is deleted has its shares detached. When
our database can't tell, Nova's answer stands.
"""

from __future__ import annotations

from collections.abc import Iterable
import json
from typing import Any
from typing import Callable

from oslo_log import log as logging
from oslo_utils import uuidutils
import webob

from nova_shares.api import app as api_app
from nova_shares.api import faults
from nova_shares.api import microversion
from nova_shares.attachments import Attachments
from nova_shares.clients import nova
from nova_shares.mapping import ShownMapping
from nova_shares.pipeline import environ as pipeline_environ
from nova_shares.pipeline import serving as api_serving
from nova_shares.policies import server_shares as rules

LOG = logging.getLogger(__name__)

REFUSED = frozenset(
    (
        "resize",
        "migrate",
        "os-migrateLive",
        "evacuate",
        "rebuild",
        "shelve",
        "shelveOffload",
        "suspend",
    )
)
_FORCE_DELETE = "forceDelete"


class Guard:
    """Stands before the actions on servers, and their deletion.

    :param attachments: gives who knows the mappings, or raises
    :param lookup: makes, of an environment, what looks up its server
    """

    def __init__(
        self,
        app: nova.WSGIApp,
        serving: api_serving.Serving,
        attachments: Callable[[], Attachments],
        lookup: Callable[[dict[str, Any]], nova.InProcessLookup],
    ) -> None:
        self._app = app
        self._serving = serving
        self._attachments = attachments
        self._lookup = lookup

    def __call__(
        self,
        environ: dict[str, Any],
        start_response: Any,
        server_id: str,
        project_id: str | None,
        deletes: bool,
    ) -> Iterable[bytes]:
        """Answer a request, or have Nova answer it.

        :param deletes: it is a deletion; else it is an action
        """
        refusal = None
        if not deletes:
            try:
                mappings = self._mappings(environ, server_id, project_id)
                action = _read_action(environ) if mappings else None
                if action in REFUSED and self._may_know(
                    environ, server_id, mappings[0].project_id
                ):
                    refusal = _refusal(environ)
                deletes = action == _FORCE_DELETE
            except Exception as e:
                LOG.warning(
                    "Cannot tell whether server %s has shares; its action is"
                    " passed to Nova unchecked: %s: %s",
                    server_id,
                    type(e).__name__,
                    e,
                )
        if refusal is not None:
            answer: Iterable[bytes] = refusal(environ, start_response)
            return answer
        if not deletes:
            return self._app(environ, start_response)
        return self._delete(environ, start_response, server_id)

    def _mappings(
        self,
        environ: dict[str, Any],
        server_id: str,
        project_id: str | None = None,
    ) -> list[ShownMapping]:
        """List the mappings that a request puts at risk.

        :param project_id: of the URL; Nova refuses another than the caller's
        """
        caller = environ.get("nova.context")
        if (
            caller is None
            or project_id not in (None, caller.project_id)
            or not uuidutils.is_uuid_like(server_id)
            or self._serving.maximum(environ) is None
        ):
            return []
        store = self._attachments().store
        return store.list_shown(server_id.lower())

    def _may_know(
        self, environ: dict[str, Any], server_id: str, project_id: str
    ) -> bool:
        """Tell whether a caller may learn that a server has shares.

        Our rule for the list is an operator's to narrow: whoever Nova shows
        the server to is told why the action is refused all the same. Of
        everybody else Nova says itself that there is no such server.
        """
        caller = environ["nova.context"]
        allows = self._attachments().policy.allows
        lookup = self._lookup(environ)
        return allows(caller, rules.INDEX, project_id) or lookup.shows(
            server_id
        )

    def _delete(
        self, environ: dict[str, Any], start_response: Any, server_id: str
    ) -> Iterable[bytes]:
        statuses = []

        def start(status: str, headers: Any, *exc_info: Any) -> Any:
            statuses.append(status)
            return start_response(status, headers, *exc_info)

        answer = self._app(environ, start)
        if statuses and statuses[-1].startswith("2"):
            try:
                if self._mappings(environ, server_id):
                    self._attachments().detach_all(
                        environ["nova.context"],
                        server_id,
                        self._lookup(environ),
                    )
            except Exception as e:
                LOG.warning(
                    "Cannot record that the shares of server %s, which is"
                    " deleted, are to be detached; the agent does it at a"
                    " later resync: %s: %s",
                    server_id,
                    type(e).__name__,
                    e,
                )
        return answer


def _read_action(environ: dict[str, Any]) -> str | None:
    """Tell the action that Nova would read; it reads the same bytes later."""
    request = webob.Request(environ)
    if request.content_type not in api_app.CONTENT_TYPES:
        return None
    try:
        content = json.loads(bytes(request.body).decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or len(content) != 1:
        return None
    return str(next(iter(content)))


def _refusal(environ: dict[str, Any]) -> webob.Response:
    response = faults.fault(
        409, "Feature not supported with instances that have shares."
    )
    if pipeline_environ.LEGACY not in environ:
        versions = microversion.headers(environ, microversion.SHARES)
        response.headers.update(versions.items())
    return response
