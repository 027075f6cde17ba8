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

"""Nova as its API service is put together, with a place for filters.

From outside in: a map of the versions and of what lies below ``/v2.1``,
then the request id, the limit of size, keystonemiddleware's auth_token,
``nova.context``, and the router, which a filter may wrap as in Nova's
pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
import copy
import json
from typing import Any
from typing import Callable
from typing import Optional

from keystoneauth1 import loading
from keystonemiddleware import auth_token
from keystonemiddleware import opts
from oslo_config import cfg
from oslo_context import context
from oslo_middleware import request_id
from oslo_middleware import sizelimit
import webob
import webob.dec

from nova_shares_devcloud import compute_api
from nova_shares_devcloud import compute_views as views
from nova_shares_devcloud import state
from nova_shares_devcloud import wire

WrapApp = Callable[[wire.WSGIApplication], wire.WSGIApplication]


class NovaContext(context.RequestContext):
    """A caller as Nova's own code knows it, as far as filters look."""

    def __init__(
        self,
        service_catalog: Optional[list[Any]] = None,
        read_deleted: str = "no",
        **fields: Any,
    ) -> None:
        super().__init__(**fields)
        self.service_catalog = service_catalog or []
        self.read_deleted = read_deleted
        self.is_admin = self.is_admin or "admin" in self.roles

    def elevated(self, read_deleted: Optional[str] = None) -> NovaContext:
        """Make a copy that may do what an administrator may."""
        ctx = copy.copy(self)
        ctx.is_admin = True
        ctx.roles = list(self.roles)
        if "admin" not in ctx.roles:
            ctx.roles.append("admin")
        if read_deleted is not None:
            ctx.read_deleted = read_deleted
        return ctx


class _RequestId(request_id.RequestId):
    compat_headers = ["x-compute-request-id"]  # noqa: RUF012


def make_router(cloud: state.Cloud) -> wire.WSGIApplication:
    """Make what a filter is put in front of; it requires ``nova.context``."""
    return compute_api.Router(cloud.nova, cloud.compute_max)


def make_context_filter(app: wire.WSGIApplication) -> wire.WSGIApplication:
    """Make ``nova.context`` of what auth_token has found out."""

    @webob.dec.wsgify
    def filtered(req: webob.Request) -> webob.Response:
        catalog = req.headers.get("X-Service-Catalog")
        ctx = NovaContext.from_environ(
            req.environ, service_catalog=json.loads(catalog or "[]")
        )
        if ctx.user_id is None:
            return webob.Response(status=401)
        req.environ["nova.context"] = ctx
        return req.get_response(app)

    return filtered


def make_versions(cloud: state.Cloud) -> wire.WSGIApplication:
    """Make the version documents, at ``/`` and at ``/v2.1``."""
    negotiation = compute_api.microversions(cloud.compute_max)

    @webob.dec.wsgify
    def versions(req: webob.Request) -> webob.Response:
        path = req.environ["PATH_INFO"].rstrip("/")
        base = req.application_url
        if path == "":
            view = views.version(base, cloud.compute_max)
            return wire.answer({"versions": [view]})
        if path != "/v2.1":
            return wire.answer({"choices": []}, 300)
        try:
            chosen = negotiation.choose(req.headers)
        except wire.Refusal as e:
            response, said = wire.fault(e.status, e.message), e.version
        else:
            detail = views.version_detail(base, cloud.compute_max)
            response = wire.answer({"version": detail})
            said = ".".join(map(str, chosen))
        if said:
            negotiation.tell(response, said)
        return response

    return versions


def authtoken_options(
    cloud: state.Cloud, user: str = "nova"
) -> dict[str, Any]:
    """List auth_token's options, which any service may use with devcloud."""
    url = f"{cloud.url}/identity/v3"
    return {
        "www_authenticate_uri": url,
        "auth_type": "password",
        "auth_url": url,
        "username": user,
        "password": cloud.password,
        "user_domain_id": "default",
        "project_name": "service",
        "project_domain_id": "default",
        "service_token_roles_required": True,
    }


def _configure(options: dict[str, Any]) -> cfg.ConfigOpts:
    """Make a configuration, so that auth_token leaves the global one alone."""
    conf = cfg.ConfigOpts()
    conf([], project="devcloud", default_config_files=[])
    for group, known in opts.list_auth_token_opts():
        conf.register_opts(known, group)
    group = "keystone_authtoken"
    plugin = loading.get_auth_plugin_conf_options(options["auth_type"])
    conf.register_opts(plugin, group)
    for name, value in options.items():
        conf.set_override(name, value, group)
    return conf


def pipeline(
    cloud: state.Cloud,
    wrap_router: WrapApp = lambda app: app,
    wrap_all: WrapApp = lambda app: app,
    authtoken_conf: Optional[dict[str, Any]] = None,
) -> wire.WSGIApplication:
    """Put Nova's API together, once it is known where devcloud listens.

    :param wrap_router: puts a filter in front of the router, innermost
    :param wrap_all: puts a filter around all, the version documents too
    :param authtoken_conf: auth_token's options that differ
    """
    conf = _configure({**authtoken_options(cloud), **(authtoken_conf or {})})
    app = make_context_filter(wrap_router(make_router(cloud)))
    app = auth_token.AuthProtocol(app, {"oslo_config_config": conf})
    app = sizelimit.RequestBodySizeLimiter(app, conf)
    api = _RequestId(app, conf)
    versions = make_versions(cloud)

    def mapped(
        environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/v2.1/") or path == "/v2.1/":
            return versions(environ, start_response)
        environ = dict(environ)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + "/v2.1"
        environ["PATH_INFO"] = path[len("/v2.1") :]
        return api(environ, start_response)

    return wrap_all(mapped)
