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

"""Manila: shares, where they are exported, who may mount them, locks."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any
from typing import Optional
import uuid

import webob

from nova_shares.devcloud import shares
from nova_shares.devcloud import state
from nova_shares.devcloud import wire

_HIDDEN = "******"
_LOCKS = (2, 82)


class ShareApi(wire.Api):
    """Manila's API, version 2."""

    def __init__(self, cloud: state.Cloud) -> None:
        self._cloud = cloud
        header = "X-OpenStack-Manila-API-Version"
        one = "/v2/shares/{id}"
        super().__init__(
            [
                ("GET", "/v2/shares/detail", self._list_details),
                ("GET", "/v2/shares", self._list),
                ("POST", "/v2/shares", self._create),
                ("GET", one, self._show),
                ("DELETE", one, self._delete),
                ("GET", one + "/export_locations", self._exports),
                ("GET", one + "/export_locations/{export}", self._export),
                ("POST", one + "/action", self._act),
                ("GET", "/v2/share-access-rules", self._list_rules),
                ("GET", "/v2/share-access-rules/{id}", self._show_rule),
                ("GET", "/v2/resource-locks", self._list_locks),
                ("POST", "/v2/resource-locks", self._create_lock),
                ("GET", "/v2/resource-locks/{id}", self._show_lock),
                ("DELETE", "/v2/resource-locks/{id}", self._delete_lock),
            ],
            wire.Microversions("2.0", cloud.share_max, header, None),
        )

    def understand(self, req: webob.Request) -> wire.Call:
        assert self._microversions is not None
        token = self._cloud.find_token(req.headers.get("X-Auth-Token"))
        assert token is not None  # make_app has seen to it
        version = self._microversions.choose(req.headers)
        return wire.Call(req, token.context(), version)

    # Shares.

    def _find(self, call: wire.Call, identifier: str) -> shares.Share:
        ctx = call.context
        share = self._cloud.shares.get(identifier)
        if share is None or not (
            ctx.is_admin
            or share.is_public
            or share.project_id == ctx.project_id
        ):
            raise wire.Refusal(404, f"Share {identifier} could not be found.")
        return share

    def _show(self, call: wire.Call, id: str) -> webob.Response:
        view = _share_detail(call, self._find(call, id))
        return wire.answer({"share": view})

    def _list(self, call: wire.Call) -> webob.Response:
        seen = [_share_summary(call, share) for share in self._select(call)]
        return wire.answer({"shares": seen})

    def _list_details(self, call: wire.Call) -> webob.Response:
        seen = [_share_detail(call, share) for share in self._select(call)]
        return wire.answer({"shares": seen})

    def _select(self, call: wire.Call) -> list[shares.Share]:
        ctx, query = call.context, call.req.GET
        everybody = _true(query.get("all_tenants")) and ctx.is_admin
        public = _true(query.get("is_public"))
        with self._cloud.lock:
            found = list(reversed(self._cloud.shares.values()))
        found = [
            share
            for share in found
            if everybody
            or share.project_id == ctx.project_id
            or (public and share.is_public)
        ]
        for key, field in (("name", "name"), ("status", "status")):
            if key in query:
                found = [s for s in found if getattr(s, field) == query[key]]
        start = int(query.get("offset", 0))
        return found[start : start + int(query.get("limit", 1000))]

    def _create(self, call: wire.Call) -> webob.Response:
        ctx = call.context
        call.check("share:create", "member", ctx.project_id)
        wish = call.body("share")
        project = next(
            p.name
            for p in self._cloud.projects.values()
            if p.id == ctx.project_id
        )
        try:
            share = self._cloud.create_share(
                wish.get("name"),
                project,
                wish["share_proto"].upper(),
                size=int(wish["size"]),
                is_public=bool(wish.get("is_public", False)),
                description=wish.get("description"),
                metadata=dict(wish.get("metadata") or {}),
                user_id=ctx.user_id,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise wire.Refusal(400, f"Invalid input received: {e}") from None
        return wire.answer({"share": _share_detail(call, share)})

    def _delete(self, call: wire.Call, id: str) -> webob.Response:
        share = self._find(call, id)
        call.check("share:delete", "member", share.project_id)
        locks = [lock.id for lock in self._cloud.locks_on(share.id, "delete")]
        if locks:
            raise wire.Refusal(
                403, f"Resource lock/s {locks} prevent delete action."
            )
        self._cloud.remove_share(share.id)
        return wire.answer(None, 202)

    def _exports(self, call: wire.Call, id: str) -> webob.Response:
        places = [
            _export_view(call, place)
            for place in self._find(call, id).export_locations
            if call.context.is_admin or not place.is_admin_only
        ]
        return wire.answer({"export_locations": places})

    def _export(self, call: wire.Call, id: str, export: str) -> webob.Response:
        for place in self._find(call, id).export_locations:
            if place.id == export:
                break
        else:
            raise wire.Refusal(404, f"Export location '{export}' not found.")
        if place.is_admin_only and not call.context.is_admin:
            raise wire.Refusal(403, "Access was denied to this resource.")
        return wire.answer({"export_location": _export_view(call, place)})

    # Access rules.

    def _act(self, call: wire.Call, id: str) -> webob.Response:
        body = call.body()
        actions = {"allow_access": self._allow, "deny_access": self._deny}
        if not isinstance(body, dict) or len(body) != 1:
            raise wire.Refusal(400, "Malformed request body")
        (name,) = body
        if name not in actions or call.version < (2, 7):
            raise wire.Refusal(400, f"There is no such action: {name}")
        if not isinstance(body[name], dict):
            raise wire.Refusal(400, "Malformed request body")
        share = self._find(call, id)
        call.check(f"share:{name}", "member", share.project_id)
        return actions[name](call, share, body[name])

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
        with self._cloud.lock:
            self._cloud.allow(rule)
            view = _rule_view(call, rule, hidden=False)
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
        add, ctx = self._cloud.add_lock, call.context
        lock = add(ctx, "access_rule", rule.id, action, reason)
        if action == "delete":
            why = shares.locked_by(lock)
            add(ctx, "share", rule.share_id, "delete", why)

    def _deny(
        self, call: wire.Call, share: shares.Share, wish: dict[str, Any]
    ) -> webob.Response:
        rule = self._cloud.find_rule(str(wish.get("access_id")))
        if rule is None or rule.share_id != share.id:
            raise wire.Refusal(404, "Resource could not be found.")
        locks = self._cloud.locks_on(rule.id, "delete")
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
        self._cloud.deny(rule)
        return wire.answer(None, 202)

    def _hidden(self, call: wire.Call, rule: shares.AccessRule) -> bool:
        ctx = call.context
        return any(
            not (ctx.is_admin or ctx.user_id == lock.user_id)
            for lock in self._cloud.locks_on(rule.id, "show")
        )

    def _list_rules(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 45))
        share_id = call.req.GET.get("share_id")
        if not share_id:
            raise wire.Refusal(
                400, "The field 'share_id' has to be specified."
            )
        try:
            share = self._find(call, share_id)
        except wire.Refusal:
            message = f"Share {share_id} not found."
            raise wire.Refusal(400, message) from None
        with self._cloud.lock:
            seen = [
                _rule_view(call, rule, self._hidden(call, rule))
                for rule in self._cloud.rules(share.id)
            ]
        return wire.answer({"access_list": seen})

    def _show_rule(self, call: wire.Call, id: str) -> webob.Response:
        _since(call, (2, 45))
        rule = self._cloud.find_rule(id)
        try:
            self._find(call, rule.share_id if rule else "")
        except wire.Refusal:
            rule = None
        if rule is None:
            raise wire.Refusal(404, f"Share access rule {id} not found.")
        with self._cloud.lock:
            view = _rule_view(call, rule, self._hidden(call, rule))
        view["share_id"] = rule.share_id
        return wire.answer({"access": view})

    # Locks.

    def _list_locks(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 81))
        ctx, query = call.context, call.req.GET
        everybody = ctx.is_admin and _true(query.get("all_projects"))
        with self._cloud.lock:
            seen = [
                _lock_view(call, lock)
                for lock in reversed(self._cloud.locks.values())
                if everybody or lock.project_id == ctx.project_id
            ]
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
        lock = self._cloud.locks.get(identifier)
        if lock is None or not (
            ctx.is_admin or lock.project_id == ctx.project_id
        ):
            raise wire.Refusal(
                404, f"Resource lock {identifier} could not be found."
            )
        return lock

    def _show_lock(self, call: wire.Call, id: str) -> webob.Response:
        lock = self._lock(call, id)
        return wire.answer({"resource_lock": _lock_view(call, lock)})

    def _create_lock(self, call: wire.Call) -> webob.Response:
        _since(call, (2, 81))
        wish = call.body("resource_lock")
        identifier = str(wish.get("resource_id"))
        kind = wish.get("resource_type", "share")
        action = wish.get("resource_action") or "delete"
        rule = self._cloud.find_rule(identifier)
        share = rule.share_id if kind == "access_rule" and rule else identifier
        try:
            owner = self._find(call, share)
        except wire.Refusal:
            raise wire.Refusal(400, "No such resource found.") from None
        call.check("resource_lock:create", "member", owner.project_id)
        if action == "show" and self._cloud.locks_on(identifier, "show"):
            raise wire.Refusal(
                409, "Resource's visibility is already locked by other user."
            )
        lock = self._cloud.add_lock(
            call.context, kind, identifier, action, wish.get("lock_reason")
        )
        return wire.answer({"resource_lock": _lock_view(call, lock)})

    def _delete_lock(self, call: wire.Call, id: str) -> webob.Response:
        lock = self._lock(call, id)
        if not _may_lift(call, lock):
            raise wire.Refusal(
                403,
                "Resource lock cannot be manipulated by user. Please contact "
                "the administrator.",
            )
        with self._cloud.lock:
            self._cloud.locks.pop(lock.id, None)
        return wire.answer(None, 204)


def make_app(cloud: state.Cloud) -> wire.WSGIApplication:
    """Make Manila: its version documents for all, the rest with a token."""
    api = ShareApi(cloud)

    @webob.dec.wsgify
    def manila(req: webob.Request) -> webob.Response:
        path = req.environ["PATH_INFO"].rstrip("/")
        if path in ("", "/v2"):
            body = {"versions": [_version_view(req, cloud.share_max)]}
            return wire.answer(body, 200 if path else 300)
        if cloud.find_token(req.headers.get("X-Auth-Token")) is None:
            return wire.keystone_error(
                401, "The request you have made requires authentication."
            )
        return req.get_response(api)

    return manila  # type: ignore[no-any-return]


def _version_view(req: webob.Request, highest: str) -> dict[str, Any]:
    kind = "application/vnd.openstack.volume+json;version=1"
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "version": highest,
        "min_version": "2.0",
        "updated": "2015-08-27T11:33:21Z",
        "links": [{"rel": "self", "href": f"{req.application_url}/v2/"}],
        "media-types": [{"base": "application/json", "type": kind}],
    }


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


def _share_summary(call: wire.Call, share: shares.Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "name": share.name,
        "links": _links(call, "shares", share.id),
    }


def _share_detail(call: wire.Call, share: shares.Share) -> dict[str, Any]:
    kind = wire.stable_id("share type", "default")
    view = {
        **_share_summary(call, share),
        "size": share.size,
        "availability_zone": "nova",
        "created_at": _when(share.created),
        "status": share.status,
        "description": share.description,
        "project_id": share.project_id,
        "user_id": share.user_id,
        "snapshot_id": None,
        "share_network_id": None,
        "share_proto": share.proto,
        "metadata": dict(share.metadata),
        "share_type": kind,
        "share_type_name": "default",
        "volume_type": "default",
        "is_public": share.is_public,
        "task_state": None,
        "access_rules_status": "active",
        "has_replicas": False,
        "replication_type": None,
        "progress": "100%",
        "is_soft_deleted": False,
        "scheduled_to_be_deleted_at": None,
        "snapshot_support": False,
        "create_share_from_snapshot_support": False,
        "revert_to_snapshot_support": False,
        "mount_snapshot_support": False,
        "share_group_id": None,
        "source_share_group_snapshot_member_id": None,
    }
    if call.context.is_admin:
        view["host"] = "devcloud@memory#pool"
        view["share_server_id"] = None
    return view


def _export_view(
    call: wire.Call, place: shares.ExportLocation
) -> dict[str, Any]:
    view: dict[str, Any] = {"id": place.id, "path": place.path}
    if call.version >= (2, 14):
        view["preferred"] = place.preferred
    if call.context.is_admin:
        view["share_instance_id"] = wire.stable_id("instance", place.id)
        view["is_admin_only"] = place.is_admin_only
    return view


def _rule_view(
    call: wire.Call, rule: shares.AccessRule, hidden: bool
) -> dict[str, Any]:
    view = {
        "id": rule.id,
        "access_level": rule.access_level,
        "access_to": _HIDDEN if hidden else rule.access_to,
        "access_type": rule.access_type,
        "state": rule.state,
        "access_key": _HIDDEN if hidden else rule.access_key,
        "created_at": _when(rule.created),
        "updated_at": rule.updated and _when(rule.updated),
    }
    if call.version >= (2, 45):
        view["metadata"] = dict(rule.metadata)
    return view


def _lock_view(call: wire.Call, lock: shares.ResourceLock) -> dict[str, Any]:
    return {
        "id": lock.id,
        "user_id": lock.user_id,
        "project_id": lock.project_id,
        "lock_context": lock.lock_context,
        "resource_type": lock.resource_type,
        "resource_id": lock.resource_id,
        "resource_action": lock.resource_action,
        "lock_reason": lock.lock_reason,
        "created_at": _when(lock.created),
        "updated_at": None,
        "links": _links(call, "resource-locks", lock.id),
    }


def _links(call: wire.Call, kind: str, identifier: str) -> list[Any]:
    root = call.req.application_url
    return [
        {"rel": "self", "href": f"{root}/v2/{kind}/{identifier}"},
        {"rel": "bookmark", "href": f"{root}/{kind}/{identifier}"},
    ]


def _true(text: Optional[str]) -> bool:
    return (text or "").lower() in ("1", "true", "yes", "t", "on")


def _when(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="microseconds")
