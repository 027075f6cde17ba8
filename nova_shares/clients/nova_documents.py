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

"""Nova's version documents, by REST and without a token of ours."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import re
import time

from keystoneauth1 import adapter as ks_adapter
from oslo_config import cfg

from nova_shares import exception
from nova_shares.clients import http
from nova_shares.clients import nova

#: The end of an endpoint, from the version on.
_VERSION = re.compile(r"/v2(\.\d+)?(/.*)?$|/+$")
#: What of the header of a response is about its body and its version. The
#: rest is of the connection, or of the request that we make.
_KEPT = frozenset(
    (
        "content-length",
        "content-type",
        "location",
        "openstack-api-version",
        "vary",
        "www-authenticate",
        "x-openstack-nova-api-version",
    )
)


@dataclasses.dataclass(frozen=True)
class Document:
    """A response of Nova's."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class NovaDocuments:
    """Gets them where ``[nova]``, or the catalog, says that Nova is."""

    def __init__(
        self,
        adapter: ks_adapter.Adapter,
        transport: http.Transport,
        timeout: float,
    ) -> None:
        self._adapter = adapter
        self._transport = transport
        self._timeout = timeout

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> NovaDocuments:
        """Build it from ``[nova]``; connects to nothing.

        :raises oslo_config.cfg.Error: if an option is missing or invalid
        """
        return cls(*nova.rest_adapter(conf))

    def get(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        deadline: float,
    ) -> Document:
        """Have Nova answer a request.

        :param path: below Nova's root
        :param headers: sent as they are
        :param deadline: when to give up at the latest, by time.monotonic()
        :raises nova_shares.exception.ServiceUnavailable: if Nova does not
            answer
        """
        end = min(deadline, time.monotonic() + self._timeout)
        try:
            with self._transport.until(end):
                endpoint = self._adapter.get_endpoint() or ""
                response = self._adapter.session.request(
                    f"{_VERSION.sub('', endpoint)}{path}",
                    method,
                    headers=dict(headers),
                    authenticated=False,
                    redirect=False,
                    raise_exc=False,
                )
        except http.FAILURES as e:
            raise exception.ServiceUnavailable(
                service=nova.SERVICE, detail=f"{type(e).__name__}: {e}"
            ) from e
        return Document(
            status=response.status_code,
            headers=[
                (name, value)
                for name, value in response.raw.headers.items()
                if name.lower() in _KEPT
            ],
            body=response.content,
        )
