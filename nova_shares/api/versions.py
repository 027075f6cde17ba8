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

"""The version documents of a service of our own, in Nova's shape."""

from __future__ import annotations

from collections.abc import Iterable
import json
from typing import Any

from microversion_parse import Version
import webob
import webob.exc

from nova_shares.api import faults
from nova_shares.api import microversion

_ID = "v2.1"
#: When Nova's v2.1 last changed beside its microversions.
_UPDATED = "2013-07-23T11:33:21Z"
_MEDIA_TYPES = [
    {
        "base": "application/json",
        "type": "application/vnd.openstack.compute+json;version=2.1",
    }
]


class Versions:
    """Tells, without a token, which versions there are.

    :param mounted: where it is below the service's root: empty for the list
        of versions, or the path of the one version whose document it is
    """

    def __init__(self, maximum: Version, mounted: str = "") -> None:
        self._maximum = maximum
        self._mounted = mounted

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        request = webob.Request(environ)
        try:
            response = self._answer(request)
        except webob.exc.HTTPException as e:
            response = faults.answer(e, environ, self._maximum)
        return response(environ, start_response)

    def _answer(self, request: webob.Request) -> webob.Response:
        if request.environ["PATH_INFO"] not in ("", "/"):
            raise faults.no_route()
        if request.method not in ("GET", "HEAD"):
            raise faults.method_not_allowed(("GET", "HEAD"))
        content: dict[str, Any]
        if self._mounted:
            version = self._version(request)
            version["media-types"] = _MEDIA_TYPES
            content = {"version": version}
        else:
            content = {"versions": [self._version(request)]}
        response = webob.Response(
            body=json.dumps(content).encode(),
            content_type="application/json",
        )
        return response

    def _version(self, request: webob.Request) -> dict[str, Any]:
        root = request.application_url
        root = root[: len(root) - len(self._mounted)]
        return {
            "id": _ID,
            "status": "CURRENT",
            "version": str(self._maximum),
            "min_version": str(microversion.MINIMUM),
            "updated": _UPDATED,
            "links": [{"rel": "self", "href": f"{root}/{_ID}/"}],
        }
