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

"""How what went wrong is answered: one table, one format."""

from __future__ import annotations

from collections.abc import Iterable
import json
from typing import Any
from typing import Callable
from typing import TypeVar

from microversion_parse import Version
from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log as logging
import webob
import webob.exc

from nova_shares import exception
from nova_shares.api import microversion
from nova_shares.db import engine as db_engine

LOG = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after which a client may try again, where it is a 503.
RETRY_AFTER = 10

_UNAVAILABLE = (
    "The {service} service is not available at the moment. Try again later."
)
#: An error, its status, and the sentence made of its data.
TABLE: dict[type[Exception], tuple[int, str]] = {
    exception.Invalid: (400, "{message}"),
    exception.UrlProjectMismatch: (
        400,
        "Malformed request URL: URL's project_id '{url_project}' doesn't"
        " match Context's project_id '{project_id}'",
    ),
    exception.NotAllowed: (
        403,
        "Policy doesn't allow {rule} to be performed.",
    ),
    exception.ServerNotFound: (
        404,
        "Instance {server_id} could not be found.",
    ),
    exception.ShareNotFound: (404, "Share {share_id} could not be found."),
    exception.ServerInState: (
        409,
        "Cannot '{action}' instance {server_id} while it is in {attribute}"
        " {state}",
    ),
    exception.ServerLocked: (409, "Instance {server_id} is locked"),
    exception.HostNotAvailable: (
        409,
        "Share attachment is not available on the host of this server.",
    ),
    exception.NotSupported: (
        409,
        "Feature not supported because either compute or instance are not"
        " configured correctly.",
    ),
    exception.ShareNotAvailable: (
        409,
        "Share {share_id} is in '{status}' instead of 'available' status.",
    ),
    exception.ShareInRecycleBin: (
        409,
        "Share {share_id} is in the recycle bin.",
    ),
    exception.ExportLocationInvalid: (
        409,
        "Share {share_id} export location cannot be mounted.",
    ),
    exception.ExportLocationMissing: (
        409,
        "Share {share_id} export location is missing.",
    ),
    exception.ProtocolNotSupported: (
        409,
        "Share protocol {protocol} is not supported.",
    ),
    exception.MappingExists: (
        409,
        "Share '{share_id}' or tag '{tag}' already associated to this server.",
    ),
    exception.ServiceUnavailable: (503, _UNAVAILABLE),
    cfg.ConfigFileValueError: (
        503,
        _UNAVAILABLE.format(service="server shares"),
    ),
    db_exc.DBError: (503, _UNAVAILABLE.format(service="server shares")),
}
_UNEXPECTED = (
    500,
    "The server has either erred or is incapable of performing the requested"
    " operation.",
)
#: The name of a fault's object in the body, by its status.
_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    503: "serviceUnavailable",
}


def no_route() -> webob.exc.HTTPNotFound:
    """Make the error of a path, or a version, that has nothing."""
    return webob.exc.HTTPNotFound("The resource could not be found.")


def method_not_allowed(
    methods: Iterable[str],
) -> webob.exc.HTTPMethodNotAllowed:
    """Make the error of a path that has ``methods`` only."""
    error = webob.exc.HTTPMethodNotAllowed(
        "The method is not allowed for this resource."
    )
    error.allow = sorted(methods)
    return error


def or_unavailable(make: Callable[[], T]) -> Callable[[], T]:
    """Have what can't be made raise a ServiceUnavailable; the log says why."""

    def wrapped() -> T:
        try:
            return make()
        except exception.ServiceUnavailable:
            raise
        except Exception as e:
            LOG.exception("Cannot start the API of server shares")
            raise exception.ServiceUnavailable(
                service="server shares", detail="it cannot start"
            ) from e

    return wrapped


def answer(
    error: Exception, environ: dict[str, Any], maximum: Version
) -> webob.Response:
    """Make the answer to a request that ended in ``error``; logs it too."""
    status, message = _describe(error)
    if status == 500:
        LOG.error("Unexpected error", exc_info=error)
    elif status > 500:
        LOG.warning("Answered %s: %s", status, _explain(error))
    else:
        LOG.debug("Answered %s: %s", status, message)
    response = fault(status, message)
    response.headers.update(microversion.headers(environ, maximum).items())
    if isinstance(error, webob.exc.HTTPMethodNotAllowed):
        response.allow = error.allow
    return response


def fault(status: int, message: str) -> webob.Response:
    """Make an answer of Nova's fault format."""
    content: dict[str, Any] = {"code": status, "message": message}
    retry_after = _retry_after(status)
    if status in (413, 429):
        content["retryAfter"] = retry_after
    response = webob.Response(
        status=status,
        body=json.dumps(
            {_NAMES.get(status, "computeFault"): content}
        ).encode(),
    )
    response.headers["Content-Type"] = "application/json; charset=UTF-8"
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def _describe(error: Exception) -> tuple[int, str]:
    if isinstance(error, webob.exc.WSGIHTTPException):
        return error.code, error.detail or error.explanation
    for kind in type(error).__mro__:
        if kind in TABLE:
            status, sentence = TABLE[kind]
            data = getattr(error, "data", {})
            return status, sentence.format(**data)
    return _UNEXPECTED


def _explain(error: Exception) -> str:
    """Say what went wrong, for the log."""
    if isinstance(error, db_exc.DBError):
        return f"database error: {db_engine.explain(error)}"
    return f"{type(error).__name__}: {error}"


def _retry_after(status: int) -> str | None:
    if status == 413:
        # Waiting does not make a body smaller.
        return "0"
    return str(RETRY_AFTER) if status in (429, 503) else None


class Wrapper:
    """Gives what the middleware below makes of an error our format.

    An exception becomes a fault, and so does an answer in HTML or plain
    text, as oslo.middleware and keystonemiddleware make them.
    """

    def __init__(self, app: Any, maximum: Version) -> None:
        self._app = app
        self._maximum = maximum

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        try:
            response = webob.Request(environ).send(self._app)
        except Exception as e:  # whatever it is, its client gets an answer
            response = answer(e, environ, self._maximum)
        if response.status_int >= 400 and (
            response.content_type != "application/json"
        ):
            response = self._translate(response, environ)
        return response(environ, start_response)

    def _translate(
        self, response: webob.Response, environ: dict[str, Any]
    ) -> webob.Response:
        status = response.status_int
        error: Exception = webob.exc.status_map.get(
            status, webob.exc.HTTPInternalServerError
        )()
        if status == 503:
            error = exception.ServiceUnavailable(service="identity")
        return answer(error, environ, self._maximum)
