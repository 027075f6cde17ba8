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

"""Who there is: projects, users, their roles and their tokens."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from typing import Any
from typing import Optional
import uuid

from oslo_context import context

from nova_shares_devcloud import wire

REGION = "RegionOne"
DOMAIN = {"id": "default", "name": "Default"}
#: What each role includes.
_IMPLIED = {"admin": ("manager", "member", "reader"), "member": ("reader",)}
_CATALOG = (
    ("compute", "nova", "/compute/v2.1"),
    ("shared-file-system", "manila", "/share/v2"),
    ("sharev2", "manilav2", "/share/v2"),
    ("image", "glance", "/image"),
    ("identity", "keystone", "/identity/v3"),
)


@dataclasses.dataclass(frozen=True)
class Project:
    """A project."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class Role:
    """A role."""

    id: str
    name: str


@dataclasses.dataclass(frozen=True)
class User:
    """A user, with roles by project id, or by ``system``."""

    id: str
    name: str
    password: str = dataclasses.field(repr=False)
    roles: dict[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Token:
    """A token; without a project it is the system's, or unscoped."""

    id: str = dataclasses.field(repr=False)
    user: User
    project: Optional[Project]
    system: bool
    roles: tuple[str, ...]
    methods: tuple[str, ...]
    issued: datetime.datetime
    expires: datetime.datetime
    #: Of the application credential that it is of; None: it may do all.
    access_rules: Optional[tuple[dict[str, str], ...]] = None

    def context(self) -> context.RequestContext:
        """Make the context of a request with this token."""
        return context.RequestContext(
            user_id=self.user.id,
            project_id=self.project.id if self.project else None,
            roles=list(self.roles),
            is_admin="admin" in self.roles,
            overwrite=False,
        )


class Directory:
    """Projects, users and tokens.

    :param password: everybody's
    :param token_ttl: how long a token lives, in seconds
    """

    def __init__(self, password: str, token_ttl: float) -> None:
        self.lock = threading.RLock()
        self.password = password
        self.token_ttl = token_ttl
        #: Where it is served, without a slash at the end.
        self.url = "http://127.0.0.1"
        #: Where a service is that is served elsewhere, by its type.
        self.elsewhere: dict[str, str] = {}
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        self._tokens: dict[str, Token] = {}
        for name in ("admin", "manager", "member", "reader", "service"):
            self.add_role(name)
        for name in ("demo", "other", "admin", "service"):
            self.create_project(name)
        self.create_user("admin", "admin", "admin", system=True)
        self.create_user("member", "demo", "member")
        self.create_user("reader", "demo", "reader")
        self.create_user("other", "other", "member")
        self.create_user("nova-shares", "service", "admin", "service")
        self.create_user("nova", "service", "admin", "service")

    def create_project(self, name: str) -> Project:
        """Make a project; its id follows from its name."""
        identifier = wire.stable_id("project", name).replace("-", "")
        with self.lock:
            self.projects[name] = Project(identifier, name)
            return self.projects[name]

    def delete_project(self, project: Project) -> None:
        """Remove a project; what is in it stays."""
        with self.lock:
            self.projects.pop(project.name, None)

    def create_user(
        self,
        name: str,
        project: Optional[str] = None,
        *roles: str,
        system: bool = False,
        password: Optional[str] = None,
    ) -> User:
        """Make a user with roles in one project, and in the system."""
        where = {}
        if project is not None:
            where[self.projects[project].id] = _with_implied(roles)
        if system:
            where["system"] = _with_implied(roles)
        identifier = wire.stable_id("user", name).replace("-", "")
        with self.lock:
            self.users[name] = User(
                identifier, name, password or self.password, where
            )
            return self.users[name]

    def delete_user(self, user: User) -> None:
        """Remove a user, and make its tokens bad."""
        with self.lock:
            self.users.pop(user.name, None)
            for token in list(self._tokens.values()):
                if token.user is user:
                    del self._tokens[token.id]

    def add_role(self, name: str) -> Role:
        """Make a role, which no policy knows yet."""
        with self.lock:
            self.roles[name] = Role(wire.stable_id("role", name), name)
            return self.roles[name]

    def delete_role(self, role: Role) -> None:
        """Remove a role, also from those who have it."""
        with self.lock:
            self.roles.pop(role.name, None)
            for user in self.users.values():
                for where, held in user.roles.items():
                    user.roles[where] = tuple(
                        name for name in held if name != role.name
                    )

    def grant(self, user: User, where: str, role: Role) -> None:
        """Give a user one more role.

        :param where: a project's id, or ``system``
        """
        with self.lock:
            held = user.roles.get(where, ())
            user.roles[where] = _with_implied((*held, role.name))

    def assign(self, name: str, project: str, *roles: str) -> None:
        """Give a user other roles: in the tokens that are made from now on."""
        with self.lock:
            self.users[name].roles[self.projects[project].id] = roles

    def issue(
        self,
        user: User,
        project: Optional[Project] = None,
        system: bool = False,
        methods: tuple[str, ...] = ("password",),
        access_rules: Optional[tuple[dict[str, str], ...]] = None,
    ) -> Token:
        """Make a token.

        :param access_rules: as of an application credential: ``service``,
            ``method`` and ``path`` of each
        :raises LookupError: if the user has no role there
        """
        roles: tuple[str, ...] = ()
        if project or system:
            scope = project.id if project else "system"
            roles = user.roles.get(scope, ())
            if not roles:
                raise LookupError(f"{user.name} has no role there")
        made = wire.now()
        token = Token(
            id=uuid.uuid4().hex,
            user=user,
            project=project,
            system=system,
            roles=roles,
            methods=methods,
            issued=made,
            expires=made + datetime.timedelta(seconds=self.token_ttl),
            access_rules=access_rules,
        )
        with self.lock:
            self._tokens[token.id] = token
        return token

    def token_of(self, user: str, project: Optional[str] = None) -> str:
        """Make a token for a test, in the user's first project."""
        found = self.users[user]
        where = next(
            p
            for p in self.projects.values()
            if p.id in found.roles and project in (None, p.name)
        )
        return self.issue(found, where).id

    def find_token(self, identifier: Optional[str]) -> Optional[Token]:
        """Find a token that is good now."""
        token = self._tokens.get(identifier or "")
        return token if token and token.expires > wire.now() else None

    def revoke(self, identifier: str) -> None:
        """Make a token bad."""
        with self.lock:
            self._tokens.pop(identifier, None)

    def revoke_all(self) -> None:
        """Make every token bad, as a Keystone that lost its keys does."""
        with self.lock:
            self._tokens.clear()

    def catalog(self) -> list[dict[str, Any]]:
        """List the services, as a token shows them."""
        return [
            {
                "type": kind,
                "name": name,
                "id": wire.stable_id("service", kind),
                "endpoints": [
                    {
                        "id": wire.stable_id(interface, kind),
                        "interface": interface,
                        "region": REGION,
                        "region_id": REGION,
                        "url": self.elsewhere.get(kind, self.url + path),
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, name, path in _CATALOG
        ]


def _with_implied(roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            role
            for given in roles
            for role in (given, *_IMPLIED.get(given, ()))
        )
    )
