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

"""Glance: one image that servers may be made of."""

from __future__ import annotations

from typing import Any

import webob

from nova_shares_devcloud import directory
from nova_shares_devcloud import wire


class ImageApi(wire.Api):
    """Glance's API, version 2."""

    def __init__(
        self, who: directory.Directory, images: dict[str, str]
    ) -> None:
        self._who = who
        self._images = images
        super().__init__(
            [
                ("GET", "/", self._versions),
                ("GET", "/v2/images", self._list),
                ("GET", "/v2/images/{id}", self._show),
            ]
        )

    def understand(self, req: webob.Request) -> wire.Call:
        token = self._who.find_token(req.headers.get("X-Auth-Token"))
        if token is not None:
            return wire.Call(req, token.context())
        if req.environ["PATH_INFO"] == "/":
            return wire.Call(req, None)
        raise wire.Refusal(
            401, "The request you have made requires authentication."
        )

    def refuse(self, refusal: wire.Refusal) -> webob.Response:
        if refusal.status == 401:
            return wire.keystone_error(401, refusal.message)
        status = webob.Response(status=refusal.status).status
        page = f"<h1>{status}</h1>{refusal.message}"
        return webob.Response(page, status=refusal.status)

    def _versions(self, call: wire.Call) -> webob.Response:
        links = [{"rel": "self", "href": call.link("v2/")}]
        view = {"id": "v2.16", "status": "CURRENT", "links": links}
        return wire.answer({"versions": [view]}, 300)

    def _list(self, call: wire.Call) -> webob.Response:
        query = call.req.GET
        ids = query.get("id", "").removeprefix("in:").split(",")
        seen = [
            _view(identifier, name)
            for identifier, name in self._images.items()
            if ("id" not in query or identifier in ids)
            and query.get("name", name) == name
        ]
        body = {"images": seen, "schema": "/v2/schemas/images"}
        return wire.answer({**body, "first": "/v2/images"})

    def _show(self, call: wire.Call, id: str) -> webob.Response:
        name = self._images.get(id)
        if name is None:
            raise wire.Refusal(404, f"No image found with ID {id}")
        return wire.answer(_view(id, name))


def _view(identifier: str, name: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "name": name,
        "status": "active",
        "visibility": "public",
        "container_format": "bare",
        "disk_format": "raw",
        "size": 1024,
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "tags": [],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "self": f"/v2/images/{identifier}",
        "file": f"/v2/images/{identifier}/file",
        "schema": "/v2/schemas/image",
    }
