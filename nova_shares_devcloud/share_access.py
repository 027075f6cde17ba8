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

"""Manila's access rules and resource locks."""

from __future__ import annotations

import ipaddress
from typing import Any
from typing import Optional
import uuid

import webob

from nova_shares_devcloud import share_views as views
from nova_shares_devcloud import shares
from nova_shares_devcloud import wire

_LOCKS = (2, 82)
_BY_ADMIN = ("force_delete", "reset_status")


class Access:
    """The part of the API that is about who may mount and see a share."""

    def __init__(self, manila: shares.Shares) -> None:
        self._manila = manila

    def routes(self) -> list[tuple[str, str, wire.Handler]]:
        """List the routes of this part."""
        rules, locks = "/v2/share-access-rules", "/v2/resource-locks"
        return [
            ("POST", "/v2/shares/{id}/action", self._act),
            ("GET", rules, self._list_rules),
            ("GET", rules + "/{id}", self._show_rule),
            ("GET", locks, self._list_locks),
            ("POST", locks, self._create_lock),
            ("GET", locks + "/{id}", self._show_lock),
            ("DELETE", locks + "/{id}", self._delete_lock),
        ]

    def find(self, call: wire.Call, identifier: str) -> shares.Share:
        """Find a share that the caller may see."""
        ctx = call.context
        share = self._manila.shares.get(identifier)
        if share is None or not (
            ctx.is_admin
            or share.is_public
            or share.project_id == ctx.project_id
        ):
            raise wire.Refusal(404, f"Share {identifier} could not be found.")
        return share

    # Access rules.

    def _act(self, call: wire.Call, id: str) -> webob.Response:
        body = call.body()
        actions = {
            "allow_access": self._allow,
            "deny_access": self._deny,
            "force_delete": self._force_delete,
            "reset_status": self._reset_status,
            "restore": self._restore,
            "soft_delete": self._soft_delete,
        }
        if not isinstance(body, dict) or len(body) != 1:
            raise wire.Refusal(400, "Malformed request body")
        (name,) = body
        if name not in actions or call.version < (2, 7):
            raise wire.Refusal(400, f"There is no such action: {name}")
        wish = {} if body[name] is None else body[name]
        if not isinstance(wish, dict):
            raise wire.Refusal(400, "Malformed request body")
        share = self.find(call, id)
        role = "admin" if name in _BY_ADMIN else "member"
        call.check(f"share:{name}", role, share.project_id)
        return actions[name](call, share, wish)

    def _force_delete(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        self._manila.remove_share(share.id)
        return wire.answer(None, 202)

    def _reset_status(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        self._manila.set_share(share.id, status=str(wish.get("status")))
        return wire.answer(None, 202)

    def _soft_delete(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        self._manila.set_share(share.id, in_recycle_bin=True)
        return wire.answer(None, 202)

    def _restore(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        self._manila.set_share(share.id, in_recycle_bin=False)
        return wire.answer(None, 202)

    def _allow(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        lockable = call.version >= _LOCKS
        locked = [
            action
            for key, action in (
                ("lock_deletion", "delete"),
                ("lock_visibility", "show"),
            )
            if lockable and wish.get(key)
        ]
        reason = wish.get("lock_reason")
        if lockable and reason and not locked:
            raise wire.Refusal(
                400,
                "Lock reason can only be specified when locking the "
                "visibility or the deletion of an access rule.",
            )
        if share.status != "available":
            raise wire.Refusal(
                400,
                "New access rules cannot be applied while the share is in "
                f"status '{share.status}'.",
            )
        rule = _rule_of(share, wish)
        with self._manila.lock:
            self._manila.allow(rule)
            view = views.rule_view(call, rule, hidden=False)
            for action in locked:
                self._lock_rule(call, rule, action, reason)
        return wire.answer({"access": {**view, "share_id": share.id}})

    def _lock_rule(
        self,
        call: wire.Call,
        rule: shares.AccessRule,
        action: str,
        reason: Optional[str],
    ) -> None:
        add, ctx = self._manila.add_lock, call.context
        lock = add(ctx, "access_rule", rule.id, action, reason)
        if action == "delete":
            why = shares.locked_by(lock)
            add(ctx, "share", rule.share_id, "delete", why)

    def _deny(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        rule = self._manila.find_rule(str(wish.get("access_id")))
        if rule is None or rule.share_id != share.id:
            raise wire.Refusal(404, "Resource could not be found.")
        locks = self._manila.locks_on(rule.id, "delete")
        if locks and not wish.get("unrestrict"):
            raise wire.Refusal(
                403,
                f"Cannot deny access for share '{share.id}' since it has "
                "been locked. Please remove the locks and retry the "
                "operation",
            )
        if not all(_may_lift(call, lock) for lock in locks):
            raise wire.Refusal(
                403,
                "Unable to drop access rule restrictions that are not "
                "placed by you.",
            )
        self._manila.deny(rule)
        return wire.answer(None, 202)

    def _hidden(self, call: wire.Call, rule: shares.AccessRule) -> bool:
        ctx = call.context
        return any(
            not (ctx.is_admin or ctx.user_id == lock.user_id)
            for lock in self._manila.locks_on(rule.id, "show")
        )

    def _list_rules(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 45))
        share_id = call.req.GET.get("share_id")
        if not share_id:
            raise wire.Refusal(
                400, "The field 'share_id' has to be specified."
            )
        try:
            share = self.find(call, share_id)
        except wire.Refusal:
            message = f"Share {share_id} not found."
            raise wire.Refusal(400, message) from None
        with self._manila.lock:
            seen = [
                views.rule_view(call, rule, self._hidden(call, rule))
                for rule in self._manila.rules(share.id)
            ]
        return wire.answer({"access_list": seen})

    def _show_rule(self, call: wire.Call, id: str) -> webob.Response:
        _since(call, (2, 45))
        rule = self._manila.find_rule(id)
        try:
            self.find(call, rule.share_id if rule else "")
        except wire.Refusal:
            rule = None
        if rule is None:
            raise wire.Refusal(404, f"Share access rule {id} not found.")
        with self._manila.lock:
            view = views.rule_view(call, rule, self._hidden(call, rule))
        view["share_id"] = rule.share_id
        return wire.answer({"access": view})

    # Locks.

    def _list_locks(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 81))
        ctx, query = call.context, call.req.GET
        asked = query.get("all_projects") or query.get("all_tenants")
        everybody = ctx.is_admin and true(asked)
        with self._manila.lock:
            seen = [
                views.lock_view(call, lock)
                for lock in reversed(self._manila.locks.values())
                if everybody or lock.project_id == ctx.project_id
            ]
        since = query.get("created_since")
        if since is not None:
            seen = [view for view in seen if view["created_at"] >= since[:19]]
        filters = set(query) & (
            set(shares.ResourceLock.__dataclass_fields__) - {"created"}
        )
        seen = [
            view
            for view in seen
            if all(view[key] == query[key] for key in filters)
        ]
        return wire.answer({"resource_locks": seen})

    def _lock(self, call: wire.Call, identifier: str) -> shares.ResourceLock:
        _since(call, (2, 81))
        ctx = call.context
        lock = self._manila.locks.get(identifier)
        if lock is None or not (
            ctx.is_admin or lock.project_id == ctx.project_id
        ):
            raise wire.Refusal(
                404, f"Resource lock {identifier} could not be found."
            )
        return lock

    def _show_lock(self, call: wire.Call, id: str) -> webob.Response:
        lock = self._lock(call, id)
        return wire.answer({"resource_lock": views.lock_view(call, lock)})

    def _create_lock(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 81))
        wish = call.body("resource_lock")
        identifier = str(wish.get("resource_id"))
        kind = wish.get("resource_type", "share")
        action = wish.get("resource_action") or "delete"
        rule = self._manila.find_rule(identifier)
        share = rule.share_id if kind == "access_rule" and rule else identifier
        try:
            owner = self.find(call, share)
        except wire.Refusal:
            raise wire.Refusal(400, "No such resource found.") from None
        call.check("resource_lock:create", "member", owner.project_id)
        if action == "show" and self._manila.locks_on(identifier, "show"):
            raise wire.Refusal(
                409, "Resource's visibility is already locked by other user."
            )
        lock = self._manila.add_lock(
            call.context, kind, identifier, action, wish.get("lock_reason")
        )
        return wire.answer({"resource_lock": views.lock_view(call, lock)})

    def _delete_lock(self, call: wire.Call, id: str) -> webob.Response:
        lock = self._lock(call, id)
        if not _may_lift(call, lock):
            raise wire.Refusal(
                403,
                "Resource lock cannot be manipulated by user. Please contact "
                "the administrator.",
            )
        with self._manila.lock:
            self._manila.locks.pop(lock.id, None)
        return wire.answer(None, 204)


def _since(call: wire.Call, version: wire.Version) -> None:
    if call.version < version:
        raise wire.Refusal(
            404,
            f"API version '{call.version[0]}.{call.version[1]}' is not "
            "supported on this method.",
        )


def _may_lift(call: wire.Call, lock: shares.ResourceLock) -> bool:
    """Tell whether a caller may take a lock away."""
    ctx = call.context
    if ctx.is_admin:
        return True
    mine = shares.lock_context(ctx)
    strong_enough = lock.lock_context == "user" or (
        lock.lock_context == mine == "service"
    )
    return strong_enough and lock.project_id == ctx.project_id


def _rule_of(share: shares.Share, wish: dict[str, Any]) -> shares.AccessRule:
    """Make a rule as it was wished for."""
    kind, who = wish.get("access_type"), wish.get("access_to")
    level = wish.get("access_level") or "rw"
    if not isinstance(who, str) or not who:
        raise wire.Refusal(400, "Malformed request body")
    if kind == "ip":
        try:
            ipaddress.ip_network(who)
        except ValueError:
            message = "Invalid IP or subnet specified."
            raise wire.Refusal(400, message) from None
    elif kind not in ("user", "cert", "cephx"):
        raise wire.Refusal(
            400,
            "Only 'ip', 'user', 'cert' or 'cephx' access types are supported.",
        )
    if level not in ("rw", "ro"):
        raise wire.Refusal(
            400, f"Invalid or unsupported share access level: {level}."
        )
    return shares.AccessRule(
        id=str(uuid.uuid4()),
        share_id=share.id,
        access_type=kind,
        access_to=who,
        access_level=level,
        metadata=dict(wish.get("metadata") or {}),
    )


def true(text: Optional[str]) -> bool:
    """Read a boolean as it stands in a query."""
    return (text or "").lower() in ("1", "true", "yes", "t", "on")
