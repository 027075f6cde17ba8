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

"""The four calls, as HTTP has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Callable

from oslo_context import context
import webob

from nova_shares import exception
from nova_shares.api import deadline
from nova_shares.api import schemas
from nova_shares.api import views
from nova_shares.clients import nova

if TYPE_CHECKING:
    from nova_shares import attachments


class Controller:
    """Validates, has it done, and shows the outcome.

    :param attachments: gives who does it, once it is needed
    :param lookup: makes, of an environment, what looks up its server
    """

    def __init__(
        self,
        attachments: Callable[[], attachments.Attachments],
        lookup: Callable[[dict[str, Any]], nova.ServerLookup],
    ) -> None:
        self._attachments = attachments
        self._lookup = lookup

    def index(
        self,
        request: webob.Request,
        caller: context.RequestContext,
        server_id: str,
    ) -> webob.Response:
        schemas.check_query(request.query_string)
        mappings = self._attachments().index(
            caller, server_id, self._lookup(request.environ)
        )
        return _response(200, views.index(mappings))

    def create(
        self,
        request: webob.Request,
        caller: context.RequestContext,
        server_id: str,
    ) -> webob.Response:
        until = deadline.of_neighbors(request.environ)
        share_id, tag = schemas.parse_attach(_read(request))
        new, seen = self._attachments().attach(
            caller,
            server_id,
            share_id,
            tag,
            self._lookup(request.environ),
            until,
        )
        return _response(201, views.show(new, seen))

    def show(
        self,
        request: webob.Request,
        caller: context.RequestContext,
        server_id: str,
        share_id: str,
    ) -> webob.Response:
        schemas.check_query(request.query_string)
        attachments = self._attachments()
        found = attachments.show(
            caller, server_id, share_id, self._lookup(request.environ)
        )
        seen = attachments.sees_admin_fields(caller, found.project_id)
        return _response(200, views.show(found, seen))

    def delete(
        self,
        request: webob.Request,
        caller: context.RequestContext,
        server_id: str,
        share_id: str,
    ) -> webob.Response:
        self._attachments().detach(
            caller, server_id, share_id, self._lookup(request.environ)
        )
        return _response(200)


def _read(request: webob.Request) -> bytes:
    try:
        return bytes(request.body)
    except (OSError, ValueError) as e:
        # WebOb: there is less of it than its length says. And a server may
        # find a chunk that is malformed.
        raise exception.Invalid(message="Malformed request body") from e


def _response(
    status: int, content: dict[str, Any] | None = None
) -> webob.Response:
    response = webob.Response(
        status=status,
        body=b"" if content is None else json.dumps(content).encode(),
        content_type="application/json",
    )
    return response
