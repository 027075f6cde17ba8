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
"""HTTP sessions with the other services: bounded in time and in size.

The timeouts of requests are for each read: a peer that sends a byte now and
then holds its caller for ever. Here a request ends by the clock, whatever
its peer does: while it connects, in the headers, in the body, and over all
redirects and all calls to Keystone that it needs on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import http.client
import io
import json
import socket
import threading
import time
from typing import Any
from typing import Callable
from typing import Optional
from urllib import parse as urlparse

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import session as ks_session
from oslo_config import cfg
import requests
import urllib3

#: The most bytes that a response may have, headers included.
MAX_RESPONSE = 8 * 1024 * 1024
#: Seconds for a request where the ``timeout`` of its group is empty.
TIMEOUT = 5.0


#: What a call by keystoneauth1 raises when there is no answer, and what it
#: raises when Keystone's is not of the kind that it must be.
FAILURES = (
    ks_exceptions.ClientException,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
)


class Transport(ks_session.TCPKeepAliveAdapter):  # type: ignore[misc]
    """Sends each request of a session within the time that is left."""

    def __init__(self) -> None:
        self._current = threading.local()
        super().__init__()

    @contextlib.contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """Give all requests of this thread up at a time.

        :param deadline: by time.monotonic(); an earlier one that is in
            force stays
        """
        before = getattr(self._current, "deadline", None)
        self._current.deadline = min(deadline, before or deadline)
        try:
            yield
        finally:
            self._current.deadline = before

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request.

        :raises requests.exceptions.RequestException: of whatever kind when
            there is no whole response in time, or one that is too large or
            leads to another host
        """
        deadline = getattr(self._current, "deadline", None)
        if deadline is not None:
            left = deadline - time.monotonic()
            timeout = left if timeout is None else min(left, timeout)
        if timeout is not None:
            if timeout <= 0:
                raise requests.exceptions.ConnectTimeout("no time is left")
            timeout = urllib3.Timeout(total=timeout)
        # What is small compressed may be of any size afterwards.
        request.headers["Accept-Encoding"] = "identity"
        response = super().send(
            request, stream=stream, timeout=timeout, **kwargs
        )
        _check(request, response)
        return response


def _check(
    request: requests.PreparedRequest, response: requests.Response
) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        raise requests.exceptions.ContentDecodingError(
            "the response is compressed, which the request did not accept"
        )
    if not response.is_redirect:
        return
    # The token in the request is for the host that it was sent to.
    origin = urlparse.urlsplit(request.url or "")
    target = urlparse.urlsplit(
        urlparse.urljoin(request.url or "", response.headers["Location"])
    )
    if target.hostname != origin.hostname or (
        origin.scheme == "https" != target.scheme
    ):
        response.close()
        raise requests.exceptions.InvalidURL(
            "a redirect to another host or to plain HTTP is not followed"
        )


class _Reader(io.RawIOBase):
    """Reads one response from a socket until its time is over."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self._raw = sock.makefile("rb", buffering=0)
        # As urllib3 has just set it: what is left of the request's total.
        timeout = sock.gettimeout()
        self._end = None if timeout is None else time.monotonic() + timeout
        self._left = MAX_RESPONSE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise socket.timeout("timed out")
            self._socket.settimeout(left)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError("the response is too large")
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Source:
    """Stands in for a socket where a response makes its file."""

    def __init__(self, sock: Any) -> None:
        self._socket = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._socket))


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Source(sock), *args, **kwargs)  # type: ignore


def _in_time(connection: Any, connect: Callable[[], Any]) -> Any:
    """Connect to one of the addresses of a name, in all within the timeout.

    urllib3 gives the whole of it to each address, and a resolver has as long
    as it likes.

    :param connect: urllib3's way
    """
    name, limit = connection._dns_host, connection.timeout
    if not isinstance(limit, (int, float)):
        return connect()
    end = time.monotonic() + limit
    addresses = _resolve(connection, name, limit)
    try:
        while True:
            left = end - time.monotonic()
            connection.timeout = max(left, 0.01) / len(addresses)
            connection._dns_host = addresses.pop(0)
            try:
                return connect()
            except urllib3.exceptions.HTTPError:
                if not addresses:
                    raise
    finally:
        connection._dns_host, connection.timeout = name, limit


def _resolve(connection: Any, name: str, limit: float) -> list[str]:
    """List the addresses of a name."""
    found: list[Any] = []

    def look() -> None:
        try:
            found.append(
                socket.getaddrinfo(
                    name, connection.port, type=socket.SOCK_STREAM
                )
            )
        except OSError as e:
            found.append(e)

    # The call cannot be given up. Who waits for it can.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(limit)
    if not found:
        raise urllib3.exceptions.ConnectTimeoutError(
            connection, f"{name} is not resolved in time"
        )
    if isinstance(found[0], OSError):
        raise urllib3.exceptions.NewConnectionError(
            connection, f"cannot resolve {name}: {found[0]}"
        )
    return [address[0] for *_, address in found[0]]


class _HTTPConnection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> Any:
        return _in_time(self, super()._new_conn)


class _HTTPSConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> Any:
        return _in_time(self, super()._new_conn)


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


def bounded(transport: Transport) -> requests.Session:
    """Make the session of requests that sends by a transport."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, transport)
    return session


def make_session(
    conf: cfg.ConfigOpts, group: str, auth: Optional[plugin.BaseAuthPlugin]
) -> tuple[ks_session.Session, Transport]:
    """Make the session of a group of options, and what bounds it.

    :param group: as ``[manila]``, with keystoneauth's options
    """
    transport = Transport()
    session = loading.load_session_from_conf_options(
        conf, group, auth=auth, session=bounded(transport)
    )
    return session, transport


def text(value: Any) -> str:
    """Take a value of a JSON document for text.

    :raises TypeError: if it is none
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def read_json(content: bytes) -> Any:
    """Read a body that another service sent.

    :raises ValueError: if it is no JSON, or such as nobody can store: of
        any depth, or with halves of characters
    """
    try:
        value = json.loads(content)
        if b"\\ud" in content.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as e:
        raise ValueError("the JSON is nested too deeply") from e
    return value
