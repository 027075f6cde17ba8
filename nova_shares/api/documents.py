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

"""The version documents of a service of our own: Nova's, by HTTP."""

from __future__ import annotations

from collections.abc import Iterable
import re
import time
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
import webob

from nova_shares import bulkhead
from nova_shares import exception
from nova_shares.api import deadline
from nova_shares.api import faults
from nova_shares.api import microversion
from nova_shares.api import versions
from nova_shares.clients import nova
from nova_shares.clients import nova_documents

LOG = logging.getLogger(__name__)

#: The documents below ``/v2.1``. Nova requires a token for all but the first.
_BELOW = re.compile(r"/?|/[0-9a-f-]+/|/(?:[0-9a-f-]+/)?versions/v2\.1")
#: What Nova needs of a request to answer it as if it were sent to Nova.
_SENT = (
    "Accept",
    "Forwarded",
    "Host",
    microversion.HEADER,
    microversion.LEGACY_HEADER,
    "X-Auth-Token",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
)
#: Names us in a request that we hand on.
_PSEUDONYM = "nova-shares"


class Proxy:
    """Has Nova answer a request for a version document.

    :param mounted: where it is below the service's root: empty, or the path
        of the one version whose documents it has
    """

    def __init__(
        self,
        client: nova_documents.NovaDocuments,
        places: bulkhead.Bulkhead,
        mounted: str,
    ) -> None:
        self._client = client
        self._places = places
        self._mounted = mounted

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        try:
            response = self._answer(webob.Request(environ))
        except Exception as e:  # whatever it is, its client gets an answer
            response = faults.answer(e, environ, microversion.SHARES)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _answer(self, request: webob.Request) -> webob.Response:
        if request.method not in ("GET", "HEAD"):
            raise faults.method_not_allowed(("GET", "HEAD"))
        headers = _headers(request)
        end = deadline.of_neighbors(request.environ)
        with self._places.call(None) as seconds:
            found = self._client.get(
                request.method,
                self._mounted + request.environ["PATH_INFO"],
                headers,
                min(end, time.monotonic() + seconds),
            )
        return webob.Response(
            status=found.status,
            headerlist=found.headers,
            # As a body, none would be of the length 0, to HEAD too.
            app_iter=[found.body],
        )


def _headers(request: webob.Request) -> dict[str, str]:
    via = request.headers.get("Via", "")
    if _PSEUDONYM in via:
        LOG.error(
            "The requests of nova_shares for Nova's version documents are"
            " sent to nova_shares. Have the load balancer send those whose"
            " header Via contains %s to Nova, or set [nova]"
            " endpoint_override to the URL of Nova itself.",
            _PSEUDONYM,
        )
        raise exception.ServiceUnavailable(
            service=nova.SERVICE, detail="its endpoint leads back here"
        )
    return {
        **{
            name: request.headers[name]
            for name in _SENT
            if name in request.headers
        },
        "Via": f"{via}, 1.1 {_PSEUDONYM}".lstrip(", "),
    }


def make(
    conf: cfg.ConfigOpts,
) -> tuple[versions.Documents, versions.Documents]:
    """Make what answers at the root of the service, and at ``/v2.1``.

    :raises oslo_config.cfg.Error: if an option of ``[nova]`` is missing or
        invalid
    """
    client = nova_documents.NovaDocuments.from_conf(conf)
    places = bulkhead.Bulkhead(nova.SERVICE, conf.api.max_concurrent_requests)

    def documents(mounted: str) -> versions.Documents:
        proxy = Proxy(client, places, mounted)
        return versions.Documents(proxy, lambda: conf)

    return documents(""), documents("/v2.1")


def is_root(path: str) -> bool:
    """Tell whether a path is that of the list of versions."""
    return path in ("", "/")


def is_below(path: str) -> bool:
    """Tell whether Nova has a version document at a path below ``/v2.1``."""
    return _BELOW.fullmatch(path) is not None
