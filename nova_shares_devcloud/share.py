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

import webob
import webob.dec

from nova_shares_devcloud import share_access
from nova_shares_devcloud import share_views as views
from nova_shares_devcloud import shares
from nova_shares_devcloud import state
from nova_shares_devcloud import wire


class ShareApi(wire.Api):
    """Manila's API, version 2."""

    def __init__(self, cloud: state.Cloud) -> None:
        self._who = cloud.keystone
        self._manila = cloud.manila
        self._access = share_access.Access(cloud.manila)
        header = "X-OpenStack-Manila-API-Version"
        self._negotiation = wire.Microversions(
            "2.0", cloud.share_max, header, None
        )
        one, pools = "/v2/shares/{id}", "/v2/scheduler-stats/pools"
        super().__init__(
            [
                ("GET", "/v2/shares/detail", self._list_details),
                ("GET", "/v2/shares", self._list),
                ("POST", "/v2/shares", self._create),
                ("GET", one, self._show),
                ("DELETE", one, self._delete),
                ("GET", one + "/export_locations", self._exports),
                ("GET", one + "/export_locations/{export}", self._export),
                ("GET", "/v2/types/default", self._default_type),
                ("GET", "/v2/services", self._list_services),
                ("GET", pools, self._list_pools),
                ("GET", pools + "/detail", self._list_pools),
                *self._access.routes(),
            ],
            self._negotiation,
        )

    def understand(self, req: webob.Request) -> wire.Call:
        token = self._who.find_token(req.headers.get("X-Auth-Token"))
        if token is None:
            raise wire.Refusal(
                401, "The request you have made requires authentication."
            )
        version = self._negotiation.choose(req.headers)
        return wire.Call(req, token.context(), version)

    def refuse(self, refusal: wire.Refusal) -> webob.Response:
        if refusal.status == 401:
            return wire.keystone_error(401, refusal.message)
        return super().refuse(refusal)

    def _show(self, call: wire.Call, id: str) -> webob.Response:
        view = views.share_detail(call, self._access.find(call, id))
        return wire.answer({"share": view})

    def _list(self, call: wire.Call) -> webob.Response:
        seen = [
            views.share_summary(call, share) for share in self._select(call)
        ]
        return wire.answer({"shares": seen})

    def _list_details(self, call: wire.Call) -> webob.Response:
        seen = [
            views.share_detail(call, share) for share in self._select(call)
        ]
        return wire.answer({"shares": seen})

    def _select(self, call: wire.Call) -> list[shares.Share]:
        ctx, query = call.context, call.req.GET
        everybody = (
            share_access.true(query.get("all_tenants")) and ctx.is_admin
        )
        public = share_access.true(query.get("is_public"))
        with self._manila.lock:
            found = list(reversed(self._manila.shares.values()))
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
            for p in self._who.projects.values()
            if p.id == ctx.project_id
        )
        try:
            share = self._manila.create_share(
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
        return wire.answer({"share": views.share_detail(call, share)})

    def _delete(self, call: wire.Call, id: str) -> webob.Response:
        share = self._access.find(call, id)
        call.check("share:delete", "member", share.project_id)
        locks = [lock.id for lock in self._manila.locks_on(share.id, "delete")]
        if locks:
            raise wire.Refusal(
                403, f"Resource lock/s {locks} prevent delete action."
            )
        self._manila.remove_share(share.id)
        return wire.answer(None, 202)

    def _exports(self, call: wire.Call, id: str) -> webob.Response:
        locations = [
            views.export_view(call, location)
            for location in self._access.find(call, id).export_locations
            if call.context.is_admin or not location.is_admin_only
        ]
        return wire.answer({"export_locations": locations})

    def _export(self, call: wire.Call, id: str, export: str) -> webob.Response:
        for location in self._access.find(call, id).export_locations:
            if location.id == export:
                break
        else:
            raise wire.Refusal(404, f"Export location '{export}' not found.")
        if location.is_admin_only and not call.context.is_admin:
            raise wire.Refusal(403, "Access was denied to this resource.")
        return wire.answer(
            {"export_location": views.export_view(call, location)}
        )

    def _default_type(self, call: wire.Call) -> webob.Response:
        return wire.answer({"share_type": views.share_type()})

    def _list_services(self, call: wire.Call) -> webob.Response:
        _check_admin(call, "service:index")
        return wire.answer({"services": [views.service()]})

    def _list_pools(self, call: wire.Call) -> webob.Response:
        _check_admin(call, "scheduler_stats:pools:index")
        in_full = call.req.path_info.endswith("/detail")
        return wire.answer({"pools": [views.pool(in_full)]})


def _check_admin(call: wire.Call, rule: str) -> None:
    if not call.context.is_admin:
        raise wire.Refusal(
            403, f"Policy doesn't allow {rule} to be performed."
        )


def make_app(cloud: state.Cloud) -> wire.WSGIApplication:
    """Make Manila: its version documents for all, the rest with a token."""
    api = ShareApi(cloud)

    @webob.dec.wsgify
    def manila(req: webob.Request) -> webob.Response:
        path = req.environ["PATH_INFO"].rstrip("/")
        if path in ("", "/v2"):
            view = views.version(req.application_url, cloud.share_max)
            return wire.answer({"versions": [view]}, 200 if path else 300)
        return req.get_response(api)

    return manila
