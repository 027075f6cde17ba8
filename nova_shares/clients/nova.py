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

"""A server as we need it, asked of Nova in one of two ways.

By REST with the service user of ``[nova]``; or, inside Nova's process, by a
request to the application that the filter wraps, on behalf of an
administrator.
Both ask for microversion 2.47: the first that shows a flavor's extra specs,
and older than 2.69, from which on a server whose cell is down looks like one
that is gone. At 2.47 a 404 means gone, a 5xx unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
import copy
import dataclasses
import io
import time
from typing import Any
from typing import Callable
from typing import Protocol
from urllib import parse as urlparse

from keystoneauth1 import adapter as ks_adapter
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
import webob

from nova_shares import exception
from nova_shares.clients import http

LOG = logging.getLogger(__name__)

SERVICE = "compute"
MICROVERSION = "2.47"
#: The first that has the tags of a server.
_TAGS_MICROVERSION = "2.26"

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclasses.dataclass(frozen=True)
class Server:
    """A server, as far as its shares need it.

    :ivar host: the compute host; None: not scheduled, or offloaded
    """

    id: str
    project_id: str
    host: str | None
    vm_state: str
    task_state: str | None
    locked: bool
    extra_specs: dict[str, str]


#: Looks a server up by its id. Raises
#: :class:`nova_shares.exception.ServerNotFound`, or
#: :class:`nova_shares.exception.ServiceUnavailable` if Nova can't tell.
FindServer = Callable[[str], Server]


class ServerLookup(Protocol):
    """Looks servers up for one request of a user."""

    def find(self, server_id: str, deadline: float | None = None) -> Server:
        """Look a server up, whoever's it is.

        What it gives is for who passes our own policy alone.

        :param deadline: when to give up, by time.monotonic(), as far as the
            request to Nova can be given up
        :raises nova_shares.exception.ServerNotFound: if Nova has none
        :raises nova_shares.exception.ServiceUnavailable: if Nova can't tell
        """

    def is_shown(self, server_id: str) -> bool:
        """Tell whether Nova shows a server to the caller.

        It costs less than to look the server up. False: Nova does not, for
        whatever reason, or there is no way to ask for less.
        """


_HOST = "OS-EXT-SRV-ATTR:host"
_VM_STATE = "OS-EXT-STS:vm_state"
_TASK_STATE = "OS-EXT-STS:task_state"
#: Fields that an operator can hide, even from administrators, and the
#: policy rule of Nova's that does.
_HIDDEN_BY = {
    _HOST: "os_compute_api:os-extended-server-attributes",
    _VM_STATE: "os_compute_api:servers:show",
    _TASK_STATE: "os_compute_api:servers:show",
    "extra_specs": "os_compute_api:servers:show:flavor-extra-specs",
}


def parse(body: Any) -> Server:
    """Read the body of a server at microversion 2.47.

    :raises nova_shares.exception.ServiceUnavailable: if something that we
        need is missing, or is not as it should be
    """
    try:
        server = body["server"]
        specs = server["flavor"]["extra_specs"]
        return Server(
            id=http.text(server["id"]),
            project_id=http.text(server["tenant_id"]),
            host=http.text(server[_HOST] or "") or None,
            vm_state=http.text(server[_VM_STATE]),
            task_state=http.text(server[_TASK_STATE] or "") or None,
            locked=bool(server["locked"]),
            extra_specs={key: http.text(specs[key]) for key in specs},
        )
    except KeyError as e:
        field = e.args[0]
        if field in _HIDDEN_BY:
            LOG.error(
                "Nova does not show %s of a server. Its policy %s must allow"
                " the service user and administrators to see it.",
                field,
                _HIDDEN_BY[field],
            )
        raise _unavailable(f"no {field} in a server") from e
    except (TypeError, ValueError) as e:
        raise _unavailable(f"unexpected server: {e}") from e


class RestServers:
    """Looks servers up by REST, as the service user of ``[nova]``."""

    def __init__(
        self,
        adapter: ks_adapter.Adapter,
        transport: http.Transport,
        timeout: float,
    ) -> None:
        self._adapter = adapter
        self._transport = transport
        self._timeout = timeout

    def find(
        self,
        server_id: str,
        global_request_id: str | None = None,
        deadline: float | None = None,
    ) -> Server:
        """Look a server up.

        :param global_request_id: names what it is for in Nova's log
        :param deadline: when to give up at the latest, by time.monotonic()
        :raises nova_shares.exception.ServerNotFound: if Nova has none
        :raises nova_shares.exception.ServiceUnavailable: if Nova does not
            answer as it should
        """
        path = f"/servers/{urlparse.quote(server_id.lower(), safe='')}"
        end = time.monotonic() + self._timeout
        if deadline is not None:
            end = min(end, deadline)
        with self._transport.until(end):
            response = self._get(path, global_request_id)
            try:
                return _read(server_id, response.status_code, response.content)
            except exception.ServerNotFound:
                self._must_see_all(global_request_id)
                raise

    def _must_see_all(self, global_request_id: str | None) -> None:
        """Make sure that the service user sees the servers of all projects.

        Of a server of another project Nova says to anybody but an
        administrator that there is none.
        """
        path = "/servers?all_tenants=true&limit=1"
        status = self._get(path, global_request_id).status_code
        if status == 403:
            LOG.error(
                "A 404 of Nova for a server is not trusted: the user of"
                " [nova] cannot list the servers of all projects. It needs"
                " the admin role."
            )
            # A role that it is given is in a new token alone.
            self._adapter.invalidate()
        if status != 200:
            raise _unavailable(f"{status} to a list of all servers")

    def _get(self, path: str, global_request_id: str | None) -> Any:
        try:
            return self._adapter.get(
                path,
                microversion=MICROVERSION,
                global_request_id=global_request_id,
                raise_exc=False,
            )
        except http.FAILURES as e:
            raise _unavailable(f"{type(e).__name__}: {e}") from e

    def bound(
        self, environ: dict[str, Any], deadline: float | None = None
    ) -> ServerLookup:
        """Make the lookup for the request of ``environ``.

        :param deadline: when to give up at the latest, by time.monotonic()
        """
        return _RestLookup(
            self,
            environ.get("openstack.global_request_id")
            or environ.get("openstack.request_id"),
            deadline,
        )


@dataclasses.dataclass(frozen=True)
class _RestLookup:
    """Looks servers up by REST; Nova's log names the request."""

    servers: RestServers
    global_request_id: str | None
    deadline: float | None = None

    def find(self, server_id: str, deadline: float | None = None) -> Server:
        return self.servers.find(
            server_id, self.global_request_id, deadline or self.deadline
        )

    def is_shown(self, server_id: str) -> bool:
        # The service user is shown every server.
        return False


def rest_adapter(
    conf: cfg.ConfigOpts,
) -> tuple[ks_adapter.Adapter, http.Transport, float]:
    """Build what sends requests to Nova; connects to nothing.

    :returns: with what bounds each, and the seconds that it may take
    :raises oslo_config.cfg.Error: if an option is missing or invalid
    """
    try:
        auth = loading.load_auth_from_conf_options(conf, "nova")
    except ks_exceptions.ClientException as e:
        raise cfg.ConfigFileValueError(f"[nova]: {e}") from e
    session, transport = http.make_session(conf, "nova", auth)
    adapter = loading.load_adapter_from_conf_options(
        conf, "nova", session=session
    )
    return adapter, transport, conf.nova.timeout or http.TIMEOUT


def rest_servers(conf: cfg.ConfigOpts) -> RestServers:
    """Build the lookup by REST from ``[nova]``; connects to nothing.

    :raises oslo_config.cfg.Error: if an option is missing or invalid
    """
    return RestServers(*rest_adapter(conf))


class InProcessLookup:
    """Looks up the server of one request, in Nova's own process.

    :param app: the application that the filter wraps: Nova's router
    :param environ: of the request
    """

    def __init__(self, app: WSGIApp, environ: dict[str, Any]) -> None:
        self._app = app
        self._environ = environ

    def find(self, server_id: str, deadline: float | None = None) -> Server:
        """Look a server up, on behalf of an administrator."""
        caller = self._environ["nova.context"]
        environ = _below(
            self._environ, server_id, _elevated(caller), MICROVERSION
        )
        status, body = self._send(environ, server_id)
        return _read(server_id, status, body)

    def is_shown(self, server_id: str) -> bool:
        """Tell whether Nova shows a server to the caller.

        A third of the price of the server itself: it asks for the tags,
        which Nova has at hand.
        """
        caller = copy.copy(self._environ["nova.context"])
        environ = _below(
            self._environ, server_id, caller, _TAGS_MICROVERSION, "/tags"
        )
        status, body = self._send(environ, server_id)
        return status == 200 and body.startswith(b'{"tags"')

    def shows(self, server_id: str) -> bool:
        """Tell whether Nova shows a server to the caller, by showing it.

        :raises nova_shares.exception.ServiceUnavailable: if Nova can't tell
        """
        caller = copy.copy(self._environ["nova.context"])
        environ = _below(self._environ, server_id, caller, MICROVERSION)
        status, body = self._send(environ, server_id)
        if status >= 500:
            raise _unavailable(f"{status} {body[:200]!r}")
        return status == 200

    def _send(
        self, environ: dict[str, Any], server_id: str
    ) -> tuple[int, bytes]:
        # Nova leaves its request's context, an administrator's, in the
        # thread: whoever asks oslo.context there must not find it.
        before = context.get_current() or self._environ["nova.context"]
        try:
            response = webob.Request(environ).send(self._app)
        except Exception as e:
            LOG.exception("Nova failed to show server %s", server_id)
            raise _unavailable("an exception in Nova") from e
        finally:
            before.update_store()
        return response.status_int, response.body


#: What the request below has of the one above. Never all: what WebOb and
#: Nova keep in an environment is shared by its shallow copies.
_KEPT = (
    "HTTP_HOST",
    "REMOTE_ADDR",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "openstack.global_request_id",
    "openstack.request_id",
    "wsgi.errors",
    "wsgi.multiprocess",
    "wsgi.multithread",
    "wsgi.run_once",
    "wsgi.url_scheme",
    "wsgi.version",
)


def kept(environ: dict[str, Any]) -> dict[str, Any]:
    """Pick what a request below may have of the one above."""
    return {key: environ[key] for key in _KEPT if key in environ}


def _below(
    environ: dict[str, Any],
    server_id: str,
    caller: Any,
    version: str,
    what: str = "",
) -> dict[str, Any]:
    """Make the environment of a request to the wrapped application."""
    # The project, if any, stays as the caller wrote it.
    before_servers = environ["PATH_INFO"].partition("/servers/")[0]
    return {
        **kept(environ),
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"{before_servers}/servers/{server_id.lower()}{what}",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "0",
        "HTTP_ACCEPT": "application/json",
        "HTTP_OPENSTACK_API_VERSION": f"{SERVICE} {version}",
        "nova.context": caller,
        "wsgi.input": io.BytesIO(),
    }


def _elevated(caller: Any) -> Any:
    """Copy a context, as an administrator's.

    A copy, because Nova writes the server's cell into the one it gets. It
    has no scope but a project's, which alone Nova's policy takes here.
    """
    elevated = copy.copy(caller)
    elevated.is_admin = True
    elevated.roles = [*caller.roles, "admin"]
    elevated.system_scope = None
    return elevated


def _read(server_id: str, status: int, body: bytes) -> Server:
    try:
        content = http.read_json(body)
    except ValueError:
        content = None
    if status == 200:
        server = parse(content)
        if server.id.lower() != server_id.lower():
            raise _unavailable("it is another server")
        return server
    # A 404 that is not in Nova's own words may be somebody else's: only
    # Nova knows that a server is gone.
    if (
        status == 404
        and isinstance(content, dict)
        and ("itemNotFound" in content)
    ):
        raise exception.ServerNotFound(server_id=server_id)
    raise _unavailable(f"{status} {body[:200]!r}")


def _unavailable(detail: str) -> exception.ServiceUnavailable:
    return exception.ServiceUnavailable(service=SERVICE, detail=detail)
