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

"""What the services have in common on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import json
import re
from typing import Any
from typing import Callable
from typing import Optional
import uuid

import microversion_parse
import webob
import webob.dec
import webob.exc

WSGIApplication = Callable[..., Iterable[bytes]]
Handler = Callable[..., webob.Response]
Version = tuple[int, int]

_PART = re.compile(r"{(\w+)}")

_FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


class Refusal(Exception):
    """A request that is answered with a fault."""

    def __init__(
        self, status: int, message: str, version: Optional[str] = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.version = version


def now() -> datetime.datetime:
    """Tell the time, in UTC and without saying so, as the services do."""
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


def stable_id(kind: str, name: str) -> str:
    """Make an id that is the same at every start."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"devcloud:{kind}:{name}"))


def set_fields(lock: Any, thing: Any, fields: dict[str, Any]) -> None:
    """Set fields that exist."""
    known = {field.name for field in dataclasses.fields(thing)}
    if set(fields) - known:
        raise AttributeError(f"no such field: {set(fields) - known}")
    with lock:
        for name, value in fields.items():
            setattr(thing, name, value)


def answer(
    body: Any, status: int = 200, headers: Optional[dict[str, str]] = None
) -> webob.Response:
    """Make a JSON response; ``None`` is an empty one."""
    text = b"" if body is None else json.dumps(body).encode()
    response = webob.Response(
        body=text, status=status, content_type="application/json"
    )
    if status == 204:
        del response.content_type
    for header, value in (headers or {}).items():
        response.headers[header] = value
    return response


def fault(status: int, message: str) -> webob.Response:
    """Make an error in the format of Nova and Manila."""
    name = _FAULT_NAMES.get(status, "computeFault")
    response = answer({name: {"code": status, "message": message}}, status)
    response.charset = "UTF-8"
    return response


def keystone_error(status: int, message: str) -> webob.Response:
    """Make an error in the format of Keystone and keystonemiddleware."""
    title = webob.Response(status=status).status.split(" ", 1)[1]
    error = {"code": status, "message": message, "title": title}
    return answer({"error": error}, status)


class Microversions:
    """How a service is asked for a version, and how it says which it took.

    :param service: its name in ``OpenStack-API-Version``; None if it does
        not know that header
    """

    def __init__(
        self, low: str, high: str, old_header: str, service: Optional[str]
    ) -> None:
        self.low = low
        self.high = high
        self._old_header = old_header
        self._service = service

    def choose(self, headers: Mapping[str, str]) -> Version:
        """Read the request's headers.

        :raises Refusal: 400 for what is no version, 406 for one that is not
            served
        """
        if self._service:
            text = microversion_parse.get_version(
                dict(headers), self._service, [self._old_header]
            )
        else:
            text = headers.get(self._old_header)
        if text is None:
            text = self.low
        elif text == "latest":
            text = self.high
        if not re.fullmatch(r"[1-9]\d*\.([1-9]\d*|0)", text):
            raise Refusal(
                400,
                f"API Version String {text} is of invalid format. Must be "
                "of format MajorNum.MinorNum.",
            )
        version = parse(text)
        if not parse(self.low) <= version <= parse(self.high):
            raise Refusal(
                406,
                f"Version {text} is not supported by the API. Minimum is "
                f"{self.low} and maximum is {self.high}.",
                version=text,
            )
        return version

    def tell(self, response: webob.Response, version: str) -> None:
        """Put the version that was used on a response."""
        response.headers[self._old_header] = version
        names = [self._old_header]
        if self._service:
            modern = "OpenStack-API-Version"
            response.headers[modern] = f"{self._service} {version}"
            names.insert(0, modern)
        response.headers["Vary"] = ", ".join(names)


def parse(version: str) -> Version:
    """Make ``2.97`` comparable."""
    major, minor = version.split(".")
    return int(major), int(minor)


@dataclasses.dataclass(frozen=True)
class Call:
    """A request that has been understood: whose it is, and in which version.

    :ivar context: its caller, an oslo.context RequestContext
    """

    req: webob.Request
    context: Any
    version: Version = (2, 1)

    def body(self, *keys: str) -> Any:
        """Read the JSON body, and what lies in it below ``keys``."""
        try:
            found = json.loads(self.req.body)
            for key in keys:
                found = found[key]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Refusal(400, "Malformed request body") from None
        return found

    def link(self, *path: str) -> str:
        """Make a URL below the service's."""
        return "/".join((self.req.application_url, *path))

    def check(self, rule: str, role: str, project_id: str) -> None:
        """Refuse with 403 who is no admin and lacks a role of a project."""
        ctx = self.context
        if ctx.is_admin:
            return
        if role in ctx.roles and project_id == ctx.project_id:
            return
        raise Refusal(403, f"Policy doesn't allow {rule} to be performed.")


class Api:
    """A service: a table of routes, and handlers that answer or refuse.

    :param table: method, path and handler, most special path first; in a
        path ``{name}`` stands for one part, given to the handler by name
    """

    def __init__(
        self,
        table: Iterable[tuple[str, str, Handler]],
        microversions: Optional[Microversions] = None,
    ) -> None:
        self._microversions = microversions
        self._routes = [
            (method, re.compile(_PART.sub(r"(?P<\1>[^/]+)", path)), handler)
            for method, path, handler in table
        ]

    @webob.dec.wsgify
    def __call__(self, req: webob.Request) -> webob.Response:
        path = req.environ["PATH_INFO"]
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if match and method == req.method:
                return self._answer(req, handler, match.groupdict())
        return webob.exc.HTTPNotFound()

    def _answer(
        self, req: webob.Request, handler: Handler, found: dict[str, Any]
    ) -> webob.Response:
        version: Optional[str] = None
        try:
            call = self.understand(req)
            version = ".".join(map(str, call.version))
            self.check(call, found)
            response = handler(call, **found)
        except Refusal as e:
            version = e.version or version
            response = self.refuse(e)
        if version and self._microversions:
            self._microversions.tell(response, version)
        return response

    def understand(self, req: webob.Request) -> Call:
        """Find out the version and the caller."""
        raise NotImplementedError

    def check(self, call: Call, found: dict[str, Any]) -> None:
        """Refuse, or take away, what is in the path but for no handler."""

    def refuse(self, refusal: Refusal) -> webob.Response:
        """Show a refusal."""
        return fault(refusal.status, refusal.message)
