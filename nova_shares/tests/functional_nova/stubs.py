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


"""What of Neutron and Glance Nova asks for servers without ports."""

import json

from cheroot import wsgi

IMAGE = "11111111-0000-4000-8000-000000000001"
_IMAGE = {
    "id": IMAGE,
    "name": "disk",
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
    "checksum": "0" * 32,
    "owner": "0" * 32,
    "self": f"/v2/images/{IMAGE}",
    "file": f"/v2/images/{IMAGE}/file",
    "schema": "/v2/schemas/image",
}
_SCHEMA = {
    "name": "image",
    "properties": {name: {} for name in _IMAGE},
    "additionalProperties": {"type": "string"},
    "links": [],
}
_NOT_FOUND = 404, {"NeutronError": {"type": "NotFound", "message": "none"}}


class Stubs:
    """Neutron's and Glance's HTTP, both at one port of loopback.

    :param port: 0: one that is free
    :ivar down: Neutron answers nothing but 503
    """

    def __init__(self, port=0):
        self.down = False
        self.requests = []
        self._http = wsgi.Server(("127.0.0.1", port), self._app, numthreads=8)
        self._http.shutdown_timeout = 1
        self._http.prepare()
        self.url = f"http://127.0.0.1:{self._http.bind_addr[1]}"

    def serve(self):
        self._http.serve()

    def stop(self):
        self._http.stop()

    def _app(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path))
        status, content = self._answer(method, path)
        body = json.dumps(content).encode()
        start_response(
            f"{status} Status",
            [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    def _answer(self, method, path):
        if path.startswith("/v2/"):
            known = {_IMAGE["self"]: _IMAGE, _IMAGE["schema"]: _SCHEMA}
            return (200, known[path]) if path in known else _NOT_FOUND
        if self.down:
            return 503, {}
        parts = path.strip("/").removesuffix(".json").split("/")
        if parts[0] != "v2.0":
            version = {"id": "v2.0", "status": "CURRENT", "links": []}
            return 200, {"versions": [version]}
        if len(parts) == 1:
            return 200, {"resources": []}
        if method != "GET" or parts[1] == "quotas" or len(parts) > 2:
            return _NOT_FOUND
        return 200, {parts[1].replace("-", "_"): []}
