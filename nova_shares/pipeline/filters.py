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


"""The two filters of Nova's pipeline, as each request of Nova's meets them.

::

    nova_shares_versions   around all of the API: which versions there are
    nova_shares            around Nova's router: our calls, and the guard

Nova is loaded with these: they import the standard library alone, and read
nothing, before a request needs it. What is broken in nova_shares is logged,
and Nova works on.
"""

from __future__ import annotations

from collections.abc import Iterable
import logging
import re
from typing import Any
from typing import Callable

from nova_shares.lazy import Lazy
from nova_shares.pipeline.environ import ASKED
from nova_shares.pipeline.environ import LEGACY
from nova_shares.pipeline.environ import WSGIApp

LOG = logging.getLogger(__name__)

_PROJECT = r"(?:/(?P<project_id>[0-9a-f-]+))?"
#: Every path below which nobody but us has anything. Nova's router takes a
#: newline at the end of a path for nothing, here and below.
_SHARES = re.compile(
    _PROJECT + r"/servers/[^/]+/shares(?:[./\n].*)?", re.DOTALL
)
_GUARDED = re.compile(
    _PROJECT + r"/servers/(?P<server_id>[^/]+?)(?P<action>/action)?\n?"
)
_VERSION_DOCUMENT = re.compile(
    r"/?|/v2\.1(?:/(?:[0-9a-f-]+/)?)?|/v2\.1/(?:[0-9a-f-]+/)?versions/v2\.1"
)
#: Seconds for which it stands that our code can't be loaded.
_RETRY_AFTER = 10
_UNAVAILABLE = (
    b'{"serviceUnavailable": {"code": 503, "message": "The server shares'
    b' service is not available at the moment. Try again later."}}'
)


def filter_factory(
    global_conf: dict[str, str], config_file: str | None = None
) -> Callable[[WSGIApp], Filter]:
    """Make the filter around Nova's router (``paste.filter_factory``).

    :param config_file: our own file, never nova.conf; default: as found
        under /etc/nova-shares
    """

    return lambda app: Filter(
        app, lambda: _deploy().embedded_from_file(app, config_file)
    )


def versions_filter_factory(
    global_conf: dict[str, str], config_file: str | None = None
) -> Callable[[WSGIApp], VersionsFilter]:
    """Make the filter around Nova's API (``paste.filter_factory``).

    :param config_file: as the other filter has it
    """

    return lambda app: VersionsFilter(
        app, lambda: _deploy().negotiation_from_file(app, config_file)
    )


def _deploy() -> Any:
    """Get the module that assembles what the filters hand requests to.

    It is imported when the first request needs it, so that whatever is wrong
    with it, or with a library of it, Nova starts and works.
    """
    from nova_shares.pipeline import deploy

    return deploy


class Filter:
    """Answers what is ours; everything else is Nova's.

    A request of Nova's passes at the cost of looking for a word in its path:
    the environment is handed on as it came, its body unread.

    :param load: makes the :class:`nova_shares.pipeline.embedded.Embedded`,
        once, when the first request needs it
    """

    def __init__(self, app: WSGIApp, load: Callable[[], Any]) -> None:
        self._app = app
        self._load = Lazy(load, _RETRY_AFTER)

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if "/servers/" in path:
            # The old v2 API has no microversions, and so no shares.
            if is_ours(path) and LEGACY not in environ:
                return self._shares(environ, start_response)
            server = guarded(environ)
            if server is not None:
                return self._guard(environ, start_response, server)
        return self._app(environ, start_response)

    def _shares(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        try:
            embedded = self._load()
        except Exception:
            LOG.exception("Cannot load the API of server shares")
            headers = [
                ("Content-Type", "application/json; charset=UTF-8"),
                ("Content-Length", str(len(_UNAVAILABLE))),
                ("Retry-After", "10"),
            ]
            start_response("503 Service Unavailable", headers)
            return [_UNAVAILABLE]
        if ASKED in environ:
            _restore(environ)
        answer: Iterable[bytes] = embedded.shares(environ, start_response)
        return answer

    def _guard(
        self,
        environ: dict[str, Any],
        start_response: Any,
        server: dict[str, Any],
    ) -> Iterable[bytes]:
        try:
            guard = self._load().guard()
        except Exception:
            LOG.exception(
                "Cannot load the guard of servers with shares; the request is"
                " passed to Nova unchecked"
            )
            return self._app(environ, start_response)
        answer: Iterable[bytes] = guard(environ, start_response, **server)
        return answer


class VersionsFilter:
    """Advertises and negotiates microversion 2.97 where Nova ends at 2.96.

    A request that asks for no version and not for a version document passes
    at the cost of three look-ups in its environment.

    :param load: makes the
        :class:`nova_shares.pipeline.negotiation.Negotiation`, once, when the
        first request needs it
    """

    def __init__(self, app: WSGIApp, load: Callable[[], Any]) -> None:
        self._app = app
        self._load = Lazy(load, _RETRY_AFTER)

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        document = (
            len(path) < 80 and _VERSION_DOCUMENT.fullmatch(path) is not None
        )
        if (
            document
            or "HTTP_OPENSTACK_API_VERSION" in environ
            or "HTTP_X_OPENSTACK_NOVA_API_VERSION" in environ
        ):
            try:
                negotiation = self._load()
            except Exception:
                LOG.exception(
                    "Cannot load the negotiation of microversions; the request"
                    " is passed to Nova as it is"
                )
            else:
                answer: Iterable[bytes] = negotiation(
                    environ, start_response, document
                )
                return answer
        return self._app(environ, start_response)


def is_ours(path: str) -> bool:
    """Tell whether a path is one of the shares of a server.

    Whatever its method, and also where nothing is to be found there.
    """
    return "/shares" in path and _SHARES.fullmatch(path) is not None


def guarded(environ: dict[str, Any]) -> dict[str, Any] | None:
    """Tell which server a request may take away from its shares.

    :returns: its ``server_id``, the URL's ``project_id``, and whether it
        ``deletes`` the server; None: none
    """
    method = _method(environ)
    if method not in ("DELETE", "POST"):
        return None
    match = _GUARDED.fullmatch(environ["PATH_INFO"])
    if match is None or (match["action"] is None) != (method == "DELETE"):
        return None
    return {
        "server_id": match["server_id"],
        "project_id": match["project_id"],
        "deletes": method == "DELETE",
    }


def _method(environ: dict[str, Any]) -> str:
    """Tell the method by which Nova's router finds who answers.

    The one that the query names, if it names one; read as the router reads
    it. Of a form it would take one too, but Nova takes no forms.
    """
    query = environ.get("QUERY_STRING", "")
    method = None
    if "_method" in query:
        # Nova's router reads the query with it. It is Nova's own, and hardly
        # any request comes here.
        import webob

        try:
            request = webob.Request({"QUERY_STRING": query})
            method = request.GET.get("_method")
        except UnicodeDecodeError:
            # The router then goes by the request's own method, too.
            pass
    return method.upper() if method else environ.get("REQUEST_METHOD", "")


def _restore(environ: dict[str, Any]) -> None:
    asked = environ.pop(ASKED)
    if asked is None:
        del environ["HTTP_OPENSTACK_API_VERSION"]
    else:
        environ["HTTP_OPENSTACK_API_VERSION"] = asked
