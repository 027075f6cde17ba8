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

"""What a test tells devcloud to do wrong, and what it is told in return."""

from __future__ import annotations

import collections
import dataclasses
import errno
import re
import threading
from typing import Any
from typing import Callable
from typing import Optional
import uuid

import webob
import webob.dec

from nova_shares_devcloud import directory
from nova_shares_devcloud import wire

_SERVICES = ("keystone", "nova", "manila", "glance")
#: How many requests the log keeps.
_KEPT = 100_000


@dataclasses.dataclass
class Request:
    """A request that came in.

    :ivar path: below the service, with the query
    :ivar user: the name behind its token, if that is good
    :ivar status: what was answered; None before
    """

    service: str
    method: str
    path: str
    body: str = dataclasses.field(repr=False)
    user: Optional[str]
    project: Optional[str]
    global_request_id: Optional[str]
    request_id: Optional[str] = None
    status: Optional[int] = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body}"


#: Called with ``before`` (nothing is done yet) or ``after`` (done, but not
#: answered) and the request.
Hook = Callable[[str, Request], None]


@dataclasses.dataclass
class Fault:
    """A way to go wrong; see :meth:`Switches.fail`."""

    service: str
    match: str
    status: Optional[int]
    count: Optional[int]
    hang: float
    refuse: bool
    html: bool
    after: bool
    cleared: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )

    def clear(self) -> None:
        """Put it right, also for those who hang in it."""
        self.cleared.set()

    def applies_to(self, request: Request) -> bool:
        """Tell whether it is for this request, and count that."""
        if (
            self.cleared.is_set()
            or self.service != request.service
            or self.count == 0
            or not re.search(self.match, str(request))
        ):
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def response(self) -> Optional[webob.Response]:
        """Wait as told, then fail as told; None: go on as ever."""
        if self.hang:
            self.cleared.wait(self.hang)
        if self.refuse:
            raise ConnectionResetError(errno.ECONNRESET, "as a test asks")
        if self.html:
            page = "<html><body><h1>It works!</h1></body></html>"
            return webob.Response(page, status=self.status or 200)
        if self.status is None:
            return None
        make = (
            wire.keystone_error if self.service == "keystone" else wire.fault
        )
        return make(self.status, "As a test asks.")


class Switches:
    """Faults, hooks, and the log of what was asked.

    :param who: who asks
    """

    def __init__(self, who: directory.Directory) -> None:
        self.lock = who.lock
        self._who = who
        #: All that were ever switched on.
        self.faults: list[Fault] = []
        self._hooks: list[tuple[str, Hook]] = []
        self._requests: collections.deque[Request] = collections.deque(
            maxlen=_KEPT
        )

    def fail(
        self,
        service: str,
        match: str = "",
        status: Optional[int] = None,
        count: Optional[int] = None,
        *,
        hang: float = 0,
        refuse: bool = False,
        html: bool = False,
        after: bool = False,
    ) -> Fault:
        """Have a service fail; with no way given, by a 503.

        :param service: ``keystone``, ``nova``, ``manila`` or ``glance``
        :param match: a regular expression, looked for in
            ``METHOD path body``
        :param count: how often; None: until cleared
        :param hang: seconds to wait first; alone, all goes well after it
        :param refuse: close the connection without an answer
        :param html: answer with a page, with ``status`` or 200
        :param after: do what was asked, and fail only then
        """
        if service not in _SERVICES:
            raise ValueError(f"no service {service}")
        if status is None and not (hang or refuse or html):
            status = 503
        fault = Fault(service, match, status, count, hang, refuse, html, after)
        with self.lock:
            self.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Put right all that fails or hangs."""
        for fault in self.faults:
            fault.clear()

    def on_request(self, service: str, hook: Hook) -> Callable[[], None]:
        """Have somebody told of a service's requests, in its thread.

        :returns: call it to end that
        """
        entry = (service, hook)
        self._hooks.append(entry)
        return lambda: self._hooks.remove(entry)

    def requests(self, service: str, match: str = "") -> list[Request]:
        """List a service's requests so far, oldest first."""
        with self.lock:
            return [
                request
                for request in self._requests
                if request.service == service
                and re.search(match, str(request))
            ]

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        with self.lock:
            self._requests.clear()

    def watch(
        self, service: str, app: wire.WSGIApplication
    ) -> wire.WSGIApplication:
        """Wrap a service: log, tell the hooks, fail where told to."""

        @webob.dec.wsgify
        def watched(req: webob.Request) -> webob.Response:
            request = self._note(service, req)
            self._tell("before", request)
            with self.lock:
                fault = next(
                    (f for f in self.faults if f.applies_to(request)), None
                )
            response = fault.response() if fault and not fault.after else None
            if response is None:
                response = req.get_response(app)
            if fault and fault.after:
                response = fault.response() or response
            given = response.headers.setdefault(
                "x-openstack-request-id", f"req-{uuid.uuid4()}"
            )
            if service == "manila":
                # Its own name for it, which its stock clients look for.
                response.headers["x-compute-request-id"] = given
            request.request_id = given
            request.status = response.status_int
            self._tell("after", request)
            return response

        return watched

    def _note(self, service: str, req: webob.Request) -> Request:
        token: Any = self._who.find_token(req.headers.get("X-Auth-Token"))
        # As it was sent: this must not mind what is no UTF-8.
        path = req.environ["PATH_INFO"]
        if req.query_string:
            path += "?" + req.query_string
        request = Request(
            service=service,
            method=req.method,
            path=path,
            body=req.body.decode("latin-1"),
            user=token and token.user.name,
            project=token and token.project and token.project.name,
            global_request_id=req.headers.get("X-OpenStack-Request-ID"),
        )
        with self.lock:
            self._requests.append(request)
        return request

    def _tell(self, phase: str, request: Request) -> None:
        for service, hook in list(self._hooks):
            if service == request.service:
                hook(phase, request)
