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

"""Nova's router: servers and flavors, behind whatever makes the context."""

from __future__ import annotations

import copy
import re
from typing import Any
from typing import Optional
import uuid

import webob

from nova_shares_devcloud import compute_views as views
from nova_shares_devcloud import servers
from nova_shares_devcloud import wire

_PROJECT = "/(?P<project_id>[0-9a-f-]+)"
_SERVER = "os_compute_api:servers"


def microversions(highest: str) -> wire.Microversions:
    """Say how Nova negotiates."""
    header = "X-OpenStack-Nova-API-Version"
    return wire.Microversions("2.1", highest, header, "compute")


class Router(wire.Api):
    """What Nova's router is to a filter in front of it.

    It reads ``nova.context`` from the environment, and nothing else of who
    is asking.
    """

    def __init__(self, nova: servers.Servers, highest: str) -> None:
        self._nova = nova
        self._highest = highest
        table: list[tuple[str, str, wire.Handler]] = [
            ("GET", "/", self._version),
            ("GET", "/servers/detail", self._list_details),
            ("GET", "/servers", self._list),
            ("POST", "/servers", self._create),
            ("GET", "/servers/{id}", self._show),
            ("DELETE", "/servers/{id}", self._delete),
            ("POST", "/servers/{id}/action", self._act),
            ("GET", "/servers/{id}/tags", self._tags),
            ("GET", "/flavors/detail", self._list_flavor_details),
            ("GET", "/flavors", self._list_flavors),
            ("GET", "/flavors/{id}", self._show_flavor),
            ("GET", "/flavors/{id}/os-extra_specs", self._extra_specs),
        ]
        prefixed = [(verb, _PROJECT + path, do) for verb, path, do in table]
        self._negotiation = microversions(highest)
        super().__init__(table + prefixed, self._negotiation)

    def understand(self, req: webob.Request) -> wire.Call:
        version = self._negotiation.choose(req.headers)
        return wire.Call(req, req.environ["nova.context"], version)

    def check(self, call: wire.Call, found: dict[str, Any]) -> None:
        asked = found.pop("project_id", None)
        own = call.context.project_id
        if asked is not None and asked != own:
            raise wire.Refusal(
                400,
                f"Malformed request URL: URL's project_id '{asked}' doesn't "
                f"match Context's project_id '{own}'",
            )

    def _version(self, call: wire.Call) -> webob.Response:
        base = call.req.application_url
        detail = views.version_detail(base, self._highest)
        return wire.answer({"version": detail})

    # Servers.

    def _find(self, call: wire.Call, identifier: str) -> servers.Server:
        """Find a server that the caller may know of.

        With read_deleted on its context, a deleted one too.
        """
        ctx = call.context
        server = self._nova.servers.get(identifier.lower())
        if (
            server is None
            or not (ctx.is_admin or server.project_id == ctx.project_id)
            or (server.deleted and ctx.read_deleted == "no")
        ):
            raise wire.Refusal(
                404, f"Instance {identifier} could not be found."
            )
        with self._nova.lock:
            return copy.copy(server)

    def _show(self, call: wire.Call, id: str) -> webob.Response:
        server = self._find(call, id)
        call.check(f"{_SERVER}:show", "reader", server.project_id)
        return wire.answer({"server": views.server_detail(call, server)})

    def _tags(self, call: wire.Call, id: str) -> webob.Response:
        if call.version < (2, 26):
            raise wire.Refusal(404, "The resource could not be found.")
        server = self._find(call, id)
        rule = "os_compute_api:os-server-tags:index"
        call.check(rule, "reader", server.project_id)
        return wire.answer({"tags": list(server.tags)})

    def _list(self, call: wire.Call) -> webob.Response:
        found = self._select(call, "index")
        seen = [views.server_summary(call, server) for server in found]
        return wire.answer({"servers": seen})

    def _list_details(self, call: wire.Call) -> webob.Response:
        found = self._select(call, "detail")
        seen = [views.listed_server(call, server) for server in found]
        return wire.answer({"servers": seen})

    def _select(self, call: wire.Call, rule: str) -> list[servers.Server]:
        ctx, query = call.context, call.req.GET
        call.check(f"{_SERVER}:{rule}", "reader", ctx.project_id)
        everybody = query.get("all_tenants", "0").lower() in ("1", "true", "")
        if everybody and not ctx.is_admin:
            raise wire.Refusal(
                403,
                f"Policy doesn't allow {_SERVER}:{rule}:get_all_tenants to "
                "be performed.",
            )
        with self._nova.lock:
            found = [
                copy.copy(server)
                for server in reversed(self._nova.servers.values())
                if (everybody or server.project_id == ctx.project_id)
                and not server.deleted
                and _matches(server, query, ctx.is_admin)
            ]
        return _page(found, query)

    def _create(self, call: wire.Call) -> webob.Response:
        ctx = call.context
        call.check(f"{_SERVER}:create", "member", ctx.project_id)
        wish = call.body("server")
        try:
            name = str(wish["name"])
            flavor = self._nova.flavors.get(str(wish["flavorRef"]))
            image = str(wish.get("imageRef", ""))
            metadata = dict(wish.get("metadata", {}))
        except (KeyError, TypeError, AttributeError):
            raise wire.Refusal(400, "Malformed request body") from None
        if flavor is None:
            raise wire.Refusal(400, "Invalid flavorRef provided.")
        if image not in self._nova.images:
            raise wire.Refusal(400, "Can not find requested image")
        server = servers.Server(
            id=str(uuid.uuid4()),
            name=name,
            project_id=ctx.project_id,
            user_id=ctx.user_id,
            flavor=flavor,
            image_id=image,
            host=self._nova.host,
            metadata=metadata,
        )
        self._nova.build_server(server)
        view = {
            "id": server.id,
            "links": views.server_summary(call, server)["links"],
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            "adminPass": "devcloud",
        }
        return wire.answer({"server": view}, 202)

    def _delete(self, call: wire.Call, id: str) -> webob.Response:
        return self._do(call, id, "delete")

    def _act(self, call: wire.Call, id: str) -> webob.Response:
        body = call.body()
        if not isinstance(body, dict) or len(body) != 1:
            raise wire.Refusal(400, "Malformed request body")
        (key,) = body
        if key in ("lock", "unlock"):
            server = self._find(call, id)
            rule = f"os_compute_api:os-lock-server:{key}"
            call.check(rule, "member", server.project_id)
            self._nova.set_server(server.id, locked=key == "lock")
            return wire.answer(None, 202)
        if key == "os-resetState":
            return self._reset_state(call, id, body[key])
        if key == "delete" or key not in servers.ACTIONS:
            raise wire.Refusal(400, f"There is no such action: {key}")
        return self._do(call, id, key)

    def _reset_state(
        self, call: wire.Call, id: str, wish: dict[str, Any]
    ) -> webob.Response:
        server = self._find(call, id)
        if not call.context.is_admin:
            raise wire.Refusal(
                403,
                "Policy doesn't allow os_compute_api:os-admin-actions:"
                "reset_state to be performed.",
            )
        state = wish.get("state")
        if state not in ("active", "error"):
            raise wire.Refusal(400, f"Invalid state: {state}")
        self._nova.set_server(server.id, vm_state=state, task_state=None)
        return wire.answer(None, 202)

    def _do(self, call: wire.Call, id: str, key: str) -> webob.Response:
        server = self._find(call, id)
        rule = f"{_SERVER}:{servers.ACTIONS[key].name}"
        call.check(rule, "member", server.project_id)
        action = self._nova.act(server.id, key, call.context.is_admin)
        if key == "rebuild":
            server = self._find(call, id)
            view = views.server_detail(call, server)
            return wire.answer({"server": view}, action.status)
        body = {"adminPass": "devcloud"} if action.status == 200 else None
        return wire.answer(body, action.status)

    # Flavors.

    def _flavor(self, identifier: str) -> servers.Flavor:
        flavor = self._nova.flavors.get(identifier)
        if flavor is None:
            raise wire.Refusal(404, f"Flavor {identifier} could not be found.")
        return flavor

    def _list_flavors(self, call: wire.Call) -> webob.Response:
        found = list(self._nova.flavors.values())
        seen = [views.flavor_summary(call, flavor) for flavor in found]
        return wire.answer({"flavors": seen})

    def _list_flavor_details(self, call: wire.Call) -> webob.Response:
        found = list(self._nova.flavors.values())
        seen = [views.flavor_detail(call, flavor) for flavor in found]
        return wire.answer({"flavors": seen})

    def _show_flavor(self, call: wire.Call, id: str) -> webob.Response:
        view = views.flavor_detail(call, self._flavor(id))
        return wire.answer({"flavor": view})

    def _extra_specs(self, call: wire.Call, id: str) -> webob.Response:
        specs = dict(self._flavor(id).extra_specs)
        return wire.answer({"extra_specs": specs})


def _matches(server: servers.Server, query: Any, by_admin: bool) -> bool:
    """Apply the filters that Nova's clients send; others are ignored."""
    fields: dict[str, Optional[str]] = {
        "status": views.status_of(server),
        "vm_state": server.vm_state,
    }
    if by_admin:
        fields.update(
            uuid=server.id,
            host=server.host,
            project_id=server.project_id,
            tenant_id=server.project_id,
            user_id=server.user_id,
        )
    name = query.get("name")
    try:
        fits = name is None or re.search(name, server.name) is not None
    except re.error:
        raise wire.Refusal(
            400, f"Invalid regular expression: {name}"
        ) from None
    return fits and all(
        query[key].lower() == (value or "").lower()
        for key, value in fields.items()
        if key in query
    )


def _page(found: list[servers.Server], query: Any) -> list[servers.Server]:
    marker = query.get("marker")
    if marker:
        ids = [server.id for server in found]
        if marker not in ids:
            raise wire.Refusal(400, f"marker [{marker}] not found")
        found = found[ids.index(marker) + 1 :]
    limit = query.get("limit", "1000")
    if not limit.isdigit():
        raise wire.Refusal(400, "Invalid input for query parameters limit.")
    return found[: int(limit)]
