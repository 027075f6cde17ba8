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
"""The session with Manila: whose token, which version, until when."""

from __future__ import annotations

import re
import threading
import time
from typing import Any
from typing import Optional

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import service_token
from keystoneauth1 import token_endpoint
from microversion_parse import Version
from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging

from nova_shares import exception
from nova_shares.clients import http

LOG = logging.getLogger(__name__)

SERVICE = "shared file system"
#: The first with locks on access rules.
LOCKS = Version(2, 82)
#: The oldest that will do: access rules have their own collection.
MINIMUM = Version(2, 45)
#: Seconds for which Manila is taken for an older one.
_BELIEVED = 600.0
_VERSION_HEADER = "X-OpenStack-Manila-API-Version"
_MAXIMUM = re.compile(r"maximum is (\d+)\.(\d+)")


class Session:
    """One session a process; nothing is made before it is needed."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._older = MINIMUM
        self._older_until = 0.0
        self._conf = conf
        self._lock = threading.Lock()
        self._catalog = threading.Lock()
        self._adapter: Any = None
        self._transport: Any = None

    @property
    def version(self) -> Version:
        """Tell which microversion is asked for.

        Manila may be upgraded, or one of several of it: that it is older
        is not believed for ever.
        """
        return self._older if time.monotonic() < self._older_until else LOCKS

    def send(
        self,
        method: str,
        path: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
        json: Any = None,
    ) -> Any:
        """Send a request and return the response, whatever its status.

        :param caller: with whose token; None: the service user's
        :param deadline: when to give up, by time.monotonic(); None: after
            ``[manila] timeout``
        :raises nova_shares.exception.ServiceUnavailable: without a response
        """
        adapter = self._get_adapter()
        end = deadline or self._end()
        try:
            with self._transport.until(end):
                tried = self.version
                what = (adapter, method, path, caller, end, json)
                response = self._try(tried, *what)
                if response.status_code == 406 and tried != MINIMUM:
                    older = self._step_down(tried, response)
                    response = self._try(older, *what)
                if caller is None and response.status_code == 403:
                    # A role that the user is given is in a new token alone.
                    adapter.invalidate()
        except http.FAILURES as e:
            raise unavailable(f"{type(e).__name__}: {e}") from e
        return response

    def user_id(self) -> str:
        """Tell the id of the service user.

        :raises nova_shares.exception.ServiceUnavailable: if Keystone fails
        """
        adapter = self._get_adapter()
        try:
            with self._transport.until(self._end()):
                return str(adapter.get_user_id())
        except http.FAILURES as e:
            raise unavailable(f"{type(e).__name__}: {e}") from e

    def _end(self) -> float:
        return time.monotonic() + (self._conf.manila.timeout or http.TIMEOUT)

    def _step_down(self, tried: Version, response: Any) -> Version:
        """Ask, for a time, for the highest version that Manila knows."""
        told = _MAXIMUM.search(response.text)
        maximum = Version(*map(int, told.groups())) if told else MINIMUM
        # One that refuses what it claims to know gets the minimum.
        older = MINIMUM if maximum >= tried else max(maximum, MINIMUM)
        with self._lock:
            is_news = self.version == tried
            self._older = older
            self._older_until = time.monotonic() + _BELIEVED
        if is_news:
            LOG.warning(
                "Manila does not support API version %s, which locks access"
                " rules; using %s. The users of a share can see and delete"
                " the access rules of its attachments.",
                LOCKS,
                older,
            )
        return older

    def _try(
        self,
        version: Version,
        adapter: Any,
        method: str,
        path: str,
        caller: Optional[context.RequestContext],
        end: float,
        json: Any,
    ) -> Any:
        options: dict[str, Any] = {}
        # For the logs: which request it is for.
        on_behalf = caller or context.get_current()
        if on_behalf is not None:
            options["global_request_id"] = on_behalf.global_id
        if caller is not None:
            options["auth"] = self._auth_of(adapter, caller, end)
            options["connect_retries"] = options["status_code_retries"] = 0
        if json is not None:
            options["json"] = json
        return adapter.request(
            path,
            method,
            headers={_VERSION_HEADER: str(version)},
            raise_exc=False,
            # At DEBUG keystoneauth would log the keys of access rules.
            log=False,
            **options,
        )

    def _auth_of(
        self,
        adapter: Any,
        caller: context.RequestContext,
        end: float,
    ) -> plugin.BaseAuthPlugin:
        # keystoneauth lets one at a time ask Keystone, and all others wait.
        left = max(0, end - time.monotonic())
        if not self._catalog.acquire(timeout=left):
            raise unavailable("Keystone does not answer in time")
        try:
            endpoint = adapter.get_endpoint()
            ours = adapter.get_project_id()
        finally:
            self._catalog.release()
        if endpoint is None:
            raise unavailable("the catalog has no endpoint")
        theirs = caller.project_id
        if ours and theirs and endpoint.rstrip("/").endswith(f"/{ours}"):
            # Some catalogs put the project in: Manila requires the token's.
            endpoint = endpoint.rstrip("/")[: -len(ours)] + theirs
        auth = token_endpoint.Token(endpoint, caller.auth_token)
        if not self._conf.manila.send_service_user_token:
            return auth
        return service_token.ServiceTokenAuthWrapper(
            user_auth=auth, service_auth=adapter.auth
        )

    def _get_adapter(self) -> Any:
        with self._lock:
            if self._adapter is None:
                try:
                    auth = loading.load_auth_from_conf_options(
                        self._conf, "manila"
                    )
                except ks_exceptions.ClientException as e:
                    raise unavailable(f"[manila]: {e}") from e
                if auth is None:
                    raise unavailable("[manila] auth_type is not set")
                session, self._transport = http.make_session(
                    self._conf, "manila", auth
                )
                self._adapter = loading.load_adapter_from_conf_options(
                    self._conf, "manila", session=session, auth=auth
                )
            return self._adapter


def is_gone(response: Any) -> bool:
    """Tell whether Manila says that it does not have something.

    A 404 that is not in its own words may be somebody else's.
    """
    if response.status_code != 404:
        return False
    try:
        said = http.read_json(response.content)
    except ValueError:
        return False
    return isinstance(said, dict) and "itemNotFound" in said


def body(response: Any) -> Any:
    """Read the body of a response that should be good.

    :raises nova_shares.exception.ServiceUnavailable: if it is not
    """
    if response.status_code not in (200, 201):
        raise unavailable(f"{response.status_code} {response.text:.200}")
    try:
        return http.read_json(response.content)
    except ValueError as e:
        raise unavailable(f"invalid JSON: {e}") from e


def unavailable(detail: str) -> exception.ServiceUnavailable:
    """Make the error of a Manila that does not answer as it should."""
    return exception.ServiceUnavailable(service=SERVICE, detail=detail)
