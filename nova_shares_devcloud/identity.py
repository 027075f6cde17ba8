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

"""Keystone: tokens by password or by token, their validation, look-ups."""

from __future__ import annotations

import datetime
from typing import Any
from typing import Optional

from oslo_context import context
import webob

from nova_shares_devcloud import accounts
from nova_shares_devcloud import directory
from nova_shares_devcloud import wire

_UNAUTHORIZED = "The request you have made requires authentication."


class Identity(wire.Api):
    """Keystone's API, version 3."""

    def __init__(self, who: directory.Directory) -> None:
        self._who = who
        tokens = "/v3/auth/tokens"
        super().__init__(
            [
                ("GET", "/", self._versions),
                ("GET", "/v3", self._version),
                ("GET", "/v3/", self._version),
                ("POST", tokens, self._issue),
                ("GET", tokens, self._validate),
                ("HEAD", tokens, self._validate),
                ("DELETE", tokens, self._revoke),
                ("GET", "/v3/auth/catalog", self._catalog),
                ("GET", "/v3/auth/projects", self._list_projects),
                ("GET", "/v3/projects", self._list_projects),
                ("GET", "/v3/projects/{id}", self._show_project),
                ("GET", "/v3/users", self._list_users),
                ("GET", "/v3/users/{id}", self._show_user),
                ("GET", "/v3/domains", self._list_domains),
                ("GET", "/v3/domains/{id}", self._show_domain),
                *accounts.Accounts(who).routes(),
            ]
        )

    def understand(self, req: webob.Request) -> wire.Call:
        return wire.Call(req, context.RequestContext(overwrite=False))

    def refuse(self, refusal: wire.Refusal) -> webob.Response:
        return wire.keystone_error(refusal.status, refusal.message)

    def _view(self, call: wire.Call) -> dict[str, Any]:
        media = "application/vnd.openstack.identity-v3+json"
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": call.link("v3/")}],
            "media-types": [{"base": "application/json", "type": media}],
        }

    def _versions(self, call: wire.Call) -> webob.Response:
        body = {"versions": {"values": [self._view(call)]}}
        return wire.answer(body, 300)

    def _version(self, call: wire.Call) -> webob.Response:
        return wire.answer({"version": self._view(call)})

    def _caller(self, call: wire.Call) -> directory.Token:
        token = self._who.find_token(call.req.headers.get("X-Auth-Token"))
        if token is None:
            raise wire.Refusal(401, _UNAUTHORIZED)
        return token

    def _subject(self, call: wire.Call) -> directory.Token:
        self._caller(call)
        subject = call.req.headers.get("X-Subject-Token")
        token = self._who.find_token(subject)
        if token is None:
            raise wire.Refusal(404, "Could not find token.")
        return token

    def _issue(self, call: wire.Call) -> webob.Response:
        identity = call.body("auth", "identity")
        scope = call.body("auth").get("scope")
        try:
            if "password" in identity["methods"]:
                user = self._by_password(identity["password"]["user"])
            else:
                user = self._by_token(identity["token"]["id"])
            token = self._scoped(user, scope, tuple(identity["methods"]))
        except (KeyError, TypeError, AttributeError):
            raise wire.Refusal(400, "Malformed request body") from None
        except LookupError:
            raise wire.Refusal(401, _UNAUTHORIZED) from None
        headers = {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"}
        return wire.answer(self._token_view(call, token), 201, headers)

    def _by_password(self, given: dict[str, Any]) -> directory.User:
        domain = given.get("domain", directory.DOMAIN)
        user: Optional[directory.User] = accounts.find(
            self._who.users, given.get("id"), given.get("name")
        )
        if (
            user is None
            or user.password != given["password"]
            or ("name" in given and not _is_default(domain))
        ):
            raise wire.Refusal(401, _UNAUTHORIZED)
        return user

    def _by_token(self, identifier: str) -> directory.User:
        token = self._who.find_token(identifier)
        if token is None:
            raise wire.Refusal(401, _UNAUTHORIZED)
        return token.user

    def _scoped(
        self, user: directory.User, scope: Any, methods: tuple[str, ...]
    ) -> directory.Token:
        if scope in (None, "unscoped", {"unscoped": {}}):
            return self._who.issue(user, methods=methods)
        if "system" in scope:
            return self._who.issue(user, system=True, methods=methods)
        named = scope["project"]
        project = accounts.find(
            self._who.projects, named.get("id"), named.get("name")
        )
        domain = named.get("domain", directory.DOMAIN)
        if project is None or not _is_default(domain):
            raise wire.Refusal(401, _UNAUTHORIZED)
        return self._who.issue(user, project, methods=methods)

    def _validate(self, call: wire.Call) -> webob.Response:
        token = self._subject(call)
        if token.access_rules is not None and (
            "OpenStack-Identity-Access-Rules" not in call.req.headers
        ):
            # For who would not look at them.
            raise wire.Refusal(404, "Could not find token.")
        headers = {"X-Subject-Token": token.id, "Vary": "X-Auth-Token"}
        return wire.answer(self._token_view(call, token), 200, headers)

    def _revoke(self, call: wire.Call) -> webob.Response:
        self._who.revoke(self._subject(call).id)
        return wire.answer(None, 204)

    def _token_view(
        self, call: wire.Call, token: directory.Token
    ) -> dict[str, Any]:
        view: dict[str, Any] = {
            "methods": list(token.methods),
            "user": {
                "id": token.user.id,
                "name": token.user.name,
                "domain": directory.DOMAIN,
                "password_expires_at": None,
            },
            "audit_ids": [token.id[:22]],
            "issued_at": _when(token.issued),
            "expires_at": _when(token.expires),
        }
        if token.roles:
            view["roles"] = [
                {"id": wire.stable_id("role", name), "name": name}
                for name in token.roles
            ]
            if "nocatalog" not in call.req.GET:
                view["catalog"] = self._who.catalog()
        if token.project:
            view["is_domain"] = False
            view["project"] = {
                "id": token.project.id,
                "name": token.project.name,
                "domain": directory.DOMAIN,
            }
        if token.system:
            view["system"] = {"all": True}
        if token.access_rules is not None:
            view["application_credential"] = {
                "id": wire.stable_id("application_credential", token.id),
                "name": "restricted",
                "restricted": True,
                "access_rules": [
                    {"id": wire.stable_id("access_rule", str(rule)), **rule}
                    for rule in token.access_rules
                ],
            }
        return {"token": view}

    def _catalog(self, call: wire.Call) -> webob.Response:
        self._caller(call)
        return wire.answer({"catalog": self._who.catalog(), "links": {}})

    def _list_projects(self, call: wire.Call) -> webob.Response:
        caller = self._caller(call)
        seen = [
            accounts.project_view(project)
            for project in self._who.projects.values()
            if "admin" in caller.roles or project.id in caller.user.roles
        ]
        return accounts.listing(call, "projects", seen)

    def _show_project(self, call: wire.Call, id: str) -> webob.Response:
        self._caller(call)
        project = accounts.find(self._who.projects, id)
        if project is None:
            raise wire.Refusal(404, f"Could not find project: {id}.")
        return wire.answer({"project": accounts.project_view(project)})

    def _list_users(self, call: wire.Call) -> webob.Response:
        if "admin" not in self._caller(call).roles:
            raise wire.Refusal(
                403,
                "You are not authorized to perform the requested action: "
                "identity:list_users.",
            )
        seen = [accounts.user_view(user) for user in self._who.users.values()]
        return accounts.listing(call, "users", seen)

    def _show_user(self, call: wire.Call, id: str) -> webob.Response:
        caller = self._caller(call)
        user = accounts.find(self._who.users, id)
        if user is None or (
            user is not caller.user and "admin" not in caller.roles
        ):
            raise wire.Refusal(404, f"Could not find user: {id}.")
        return wire.answer({"user": accounts.user_view(user)})

    def _list_domains(self, call: wire.Call) -> webob.Response:
        self._caller(call)
        return accounts.listing(call, "domains", [accounts.domain_view()])

    def _show_domain(self, call: wire.Call, id: str) -> webob.Response:
        self._caller(call)
        if id != directory.DOMAIN["id"]:
            raise wire.Refusal(404, f"Could not find domain: {id}.")
        return wire.answer({"domain": accounts.domain_view()})


def _is_default(domain: dict[str, str]) -> bool:
    return "default" in (domain.get("id"), domain.get("name", "").lower())


def _when(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
