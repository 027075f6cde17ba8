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

"""Keystone's part that an administrator uses: projects, users and roles."""

from __future__ import annotations

from typing import Any
from typing import Optional

import webob

from nova_shares_devcloud import directory
from nova_shares_devcloud import wire

_ENABLED: dict[str, Any] = {"enabled": True, "description": "", "links": {}}


class Accounts:
    """The part of the API that makes and removes accounts."""

    def __init__(self, who: directory.Directory) -> None:
        self._who = who

    def routes(self) -> list[tuple[str, str, wire.Handler]]:
        """List the routes of this part."""
        projects, users, roles = "/v3/projects", "/v3/users", "/v3/roles"
        grant = "/v3/projects/{project}/users/{user}/roles/{role}"
        system = "/v3/system/users/{user}/roles/{role}"
        return [
            ("POST", projects, self._create_project),
            ("DELETE", projects + "/{id}", self._delete_project),
            ("POST", users, self._create_user),
            ("DELETE", users + "/{id}", self._delete_user),
            ("GET", roles, self._list_roles),
            ("POST", roles, self._create_role),
            ("DELETE", roles + "/{id}", self._delete_role),
            ("PUT", grant, self._grant),
            ("PUT", system, self._grant_system),
        ]

    def _check(self, call: wire.Call, action: str) -> None:
        token = self._who.find_token(call.req.headers.get("X-Auth-Token"))
        if token is None or "admin" not in token.roles:
            raise wire.Refusal(
                403,
                "You are not authorized to perform the requested action: "
                f"identity:{action}.",
            )

    def _create_project(self, call: wire.Call) -> webob.Response:
        self._check(call, "create_project")
        name = _new_name(call, "project", self._who.projects)
        project = self._who.create_project(name)
        return wire.answer({"project": project_view(project)}, 201)

    def _delete_project(self, call: wire.Call, id: str) -> webob.Response:
        self._check(call, "delete_project")
        self._who.delete_project(_get("project", self._who.projects, id))
        return wire.answer(None, 204)

    def _create_user(self, call: wire.Call) -> webob.Response:
        self._check(call, "create_user")
        name = _new_name(call, "user", self._who.users)
        password = call.body("user").get("password")
        user = self._who.create_user(name, password=password)
        return wire.answer({"user": user_view(user)}, 201)

    def _delete_user(self, call: wire.Call, id: str) -> webob.Response:
        self._check(call, "delete_user")
        self._who.delete_user(_get("user", self._who.users, id))
        return wire.answer(None, 204)

    def _list_roles(self, call: wire.Call) -> webob.Response:
        self._check(call, "list_roles")
        seen = [_role_view(role) for role in self._who.roles.values()]
        return listing(call, "roles", seen)

    def _create_role(self, call: wire.Call) -> webob.Response:
        self._check(call, "create_role")
        name = _new_name(call, "role", self._who.roles)
        return wire.answer({"role": _role_view(self._who.add_role(name))}, 201)

    def _delete_role(self, call: wire.Call, id: str) -> webob.Response:
        self._check(call, "delete_role")
        self._who.delete_role(_get("role", self._who.roles, id))
        return wire.answer(None, 204)

    def _grant(
        self, call: wire.Call, project: str, user: str, role: str
    ) -> webob.Response:
        self._check(call, "create_grant")
        self._who.grant(
            _get("user", self._who.users, user),
            _get("project", self._who.projects, project).id,
            _get("role", self._who.roles, role),
        )
        return wire.answer(None, 204)

    def _grant_system(
        self, call: wire.Call, user: str, role: str
    ) -> webob.Response:
        self._check(call, "create_system_grant_for_user")
        self._who.grant(
            _get("user", self._who.users, user),
            "system",
            _get("role", self._who.roles, role),
        )
        return wire.answer(None, 204)


def _new_name(call: wire.Call, kind: str, taken: dict[str, Any]) -> str:
    wish = call.body(kind)
    name = wish.get("name") if isinstance(wish, dict) else None
    if not isinstance(name, str) or not name:
        raise wire.Refusal(400, "'name' is a required property")
    if name in taken:
        raise wire.Refusal(
            409,
            f"Conflict occurred attempting to store {kind} - Duplicate entry "
            f"found with name {name}.",
        )
    return name


def _get(kind: str, things: dict[str, Any], identifier: str) -> Any:
    thing = find(things, identifier)
    if thing is None:
        raise wire.Refusal(404, f"Could not find {kind}: {identifier}.")
    return thing


def find(
    things: dict[str, Any],
    identifier: Optional[str],
    name: Optional[str] = None,
) -> Any:
    """Find a thing by its id or name; None if there is none."""
    if name is not None:
        return things.get(name)
    return next((t for t in list(things.values()) if t.id == identifier), None)


def project_view(project: directory.Project) -> dict[str, Any]:
    """Show a project."""
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": directory.DOMAIN["id"],
        "parent_id": directory.DOMAIN["id"],
        "is_domain": False,
        "tags": [],
        **_ENABLED,
    }


def user_view(user: directory.User) -> dict[str, Any]:
    """Show a user."""
    return {
        "id": user.id,
        "name": user.name,
        "domain_id": directory.DOMAIN["id"],
        "password_expires_at": None,
        "options": {},
        **_ENABLED,
    }


def domain_view() -> dict[str, Any]:
    """Show the only domain."""
    return {**directory.DOMAIN, **_ENABLED}


def _role_view(role: directory.Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "domain_id": None,
        "description": None,
        "options": {},
        "links": {},
    }


def listing(
    call: wire.Call, key: str, views: list[dict[str, Any]]
) -> webob.Response:
    """Answer with those of the name that the query asks for, or with all."""
    name = call.req.GET.get("name")
    found = [view for view in views if name in (None, view["name"])]
    links = {"self": call.req.url, "next": None, "previous": None}
    return wire.answer({key: found, "links": links})
