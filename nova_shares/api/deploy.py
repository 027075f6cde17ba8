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

"""Where the service is assembled.

Tests, the WSGI module and an operator's paste file all come through here.
What runs in Nova's process is assembled in nova_shares.pipeline.deploy.
"""

from __future__ import annotations

from collections.abc import Iterable
import re
import time
from typing import Any
from typing import Callable

from keystoneauth1 import loading
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_log import log as logging
from oslo_middleware import cors
from oslo_middleware import healthcheck
from oslo_middleware import http_proxy_to_wsgi
from oslo_middleware import request_id
from oslo_middleware import sizelimit
import webob.exc

from nova_shares import attachments as shares
from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.api import app as api_app
from nova_shares.api import auth
from nova_shares.api import deadline
from nova_shares.api import documents
from nova_shares.api import faults
from nova_shares.api import health
from nova_shares.api import microversion
from nova_shares.api import server_shares
from nova_shares.clients import http
from nova_shares.clients import nova
from nova_shares.clients.nova import WSGIApp
from nova_shares.lazy import Lazy

LOG = logging.getLogger(__name__)

#: The highest microversion of a service of our own.
MAXIMUM = microversion.SHARES


def app_factory(
    global_conf: dict[str, str], config_file: str | None = None
) -> WSGIApp:
    """Make the service (``paste.app_factory``).

    :param config_file: our file; default: as found under /etc/nova-shares
    :raises oslo_config.cfg.Error: when it can't be found or parsed
    """
    return make_service(nova_shares_conf.load_file(config_file))


def make_service(conf: cfg.ConfigOpts) -> WSGIApp:
    """Make the service.

    :raises oslo_config.cfg.Error: when ``[keystone_authtoken]`` is missing
    """
    servers = nova.rest_servers(conf)
    attachments = Lazy(
        faults.or_unavailable(lambda: shares.Attachments.from_conf(conf))
    )
    controller = server_shares.Controller(
        attachments,
        lambda environ: servers.bound(environ, deadline.of_neighbors(environ)),
    )
    api: WSGIApp = api_app.App(controller, auth.from_keystone, MAXIMUM)

    # A request's way is from the last line of this function to the first.
    # Who the client is, and whether its page may read an answer, comes
    # first; then each request gets an id, so that every answer carries one.
    # By their paths, two things are outside of authentication: the health
    # of the service, and the documents that tell its versions. The faults
    # of the middleware below are put into our format; a body's size is
    # looked at before Keystone is asked who calls.
    api = _authenticated(api, conf)
    api = sizelimit.RequestBodySizeLimiter(api, conf)
    api = faults.Wrapper(api, MAXIMUM)
    root, below = documents.make(conf)
    api = _ByPath(
        _Either(documents.is_root, root, _nothing),
        ("/healthcheck/deep", health.Deep(lambda: attachments().store.ping())),
        ("/healthcheck", healthcheck.Healthcheck(None, conf)),
        ("/v2.1", _Either(documents.is_below, below, api)),
    )
    api = _RequestId(api, conf)
    api = _cors(api, conf)
    return http_proxy_to_wsgi.HTTPProxyToWSGI(api, conf)  # type: ignore


def _authenticated(app: WSGIApp, conf: cfg.ConfigOpts) -> WSGIApp:
    """Let those pass whose token Keystone knows.

    :raises oslo_config.cfg.Error: when ``[keystone_authtoken]`` is missing:
        keystonemiddleware would start, and answer each request with 500
    """
    for name, options in auth_token.list_opts():
        conf.register_opts(options, group=name)
    group = "keystone_authtoken"
    # Application credentials name the services that they may use.
    conf.set_default("service_type", "compute", group=group)
    section = conf[group].auth_section or group
    loading.register_auth_conf_options(conf, section)
    if not conf[section].auth_type:
        raise cfg.RequiredOptError("auth_type", cfg.OptGroup(section))
    return _AuthToken(app, {"oslo_config_config": conf})


class _AuthToken(auth_token.AuthProtocol):  # type: ignore[misc]
    """Asks Keystone who calls, and gives it up by the clock."""

    def _create_session(self, **kwargs: Any) -> Any:
        self._transport = http.Transport()
        session = http.bounded(self._transport)
        return super()._create_session(session=session, **kwargs)

    def process_request(self, request: Any) -> Any:
        limit = time.monotonic() + deadline.AUTHENTICATING
        with self._transport.until(min(limit, deadline.of(request.environ))):
            try:
                return super().process_request(request)
            except webob.exc.HTTPException:
                raise
            except Exception as e:
                # There is no answer, or not what one should have.
                raise exception.ServiceUnavailable(
                    service="identity", detail=f"{type(e).__name__}: {e}"
                ) from e


def _cors(app: WSGIApp, conf: cfg.ConfigOpts) -> WSGIApp:
    """Let the pages of allowed origins send and read our headers."""
    versions_headers = [microversion.HEADER, microversion.LEGACY_HEADER]
    ids = ["X-OpenStack-Request-ID"]
    conf.register_opts(cors.CORS_OPTS, group="cors")
    conf.set_default(
        "allow_headers",
        ["X-Auth-Token", *ids, *versions_headers],
        group="cors",
    )
    conf.set_default(
        "expose_headers",
        [*ids, "X-Compute-Request-ID", *versions_headers],
        group="cors",
    )
    conf.set_default("allow_methods", ["GET", "POST", "DELETE"], group="cors")
    return cors.CORS(app, conf)  # type: ignore


class _RequestId(request_id.RequestId):
    """Gives each request an id, in the two headers that Nova uses."""

    compat_headers = ["x-compute-request-id"]  # noqa: RUF012


class _ByPath:
    """Hands a request to the application whose prefix its path has.

    :param last: who gets the rest
    """

    def __init__(self, last: Any, *apps: tuple[str, Any]) -> None:
        self._last = last
        self._apps = apps

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        path = re.sub("//+", "/", environ.get("PATH_INFO", ""))
        prefix, app = self._find(path)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
        environ["PATH_INFO"] = path[len(prefix) :]
        answer: Iterable[bytes] = app(environ, start_response)
        return answer

    def _find(self, path: str) -> tuple[str, Any]:
        for prefix, app in self._apps:
            if path == prefix or path.startswith(prefix + "/"):
                return prefix, app
        return "", self._last


class _Either:
    """Hands the requests for some paths to one application, others to another.

    :param matches: tells whether a path is one of the first's
    """

    def __init__(
        self, matches: Callable[[str], bool], app: WSGIApp, other: WSGIApp
    ) -> None:
        self._matches = matches
        self._app = app
        self._other = other

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        matches = self._matches(environ["PATH_INFO"])
        app = self._app if matches else self._other
        return app(environ, start_response)


def _nothing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    response = faults.answer(faults.no_route(), environ, MAXIMUM)
    answer: Iterable[bytes] = response(environ, start_response)
    return answer
