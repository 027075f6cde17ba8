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

"""How Manila is asked: with whose token, for how long, in which version."""

from __future__ import annotations

import threading
import time
from typing import Any
from typing import Optional

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import service_token
from keystoneauth1 import token_endpoint
from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging

from nova_shares import exception

LOG = logging.getLogger(__name__)

SERVICE = "shared file system"
#: The first with locks on access rules.
LOCKS = "2.82"
#: The oldest that we can do with: access rules have their own collection.
OLDEST = "2.45"
#: Seconds for which Manila is taken for an older one.
_BELIEVED = 600.0
_VERSION_HEADER = "X-OpenStack-Manila-API-Version"


class Asking:
    """One session a process; nothing is made before it is needed."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._older_until = 0.0
        self._conf = conf
        self._lock = threading.Lock()
        self._catalog = threading.Lock()
        self._adapter: Any = None

    @property
    def version(self) -> str:
        """Tell which microversion is asked for.

        Manila may be upgraded, or one of several of it: that it is older
        is not believed for ever.
        """
        return OLDEST if time.monotonic() < self._older_until else LOCKS

    def send(
        self,
        method: str,
        path: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
        json: Any = None,
    ) -> Any:
        """Send a request and return the response, whatever its status.

        :param caller: with whose token; None: as our own user
        :param deadline: when to give up, by time.monotonic(); None: after
            ``[manila] timeout``
        :raises nova_shares.exception.ServiceUnavailable: without a response
        """
        try:
            tried = self.version
            what = (method, path, caller, deadline, json)
            response = self._try(tried, *what)
            if response.status_code == 406 and tried != OLDEST:
                self._step_down()
                response = self._try(OLDEST, *what)
            if caller is None and response.status_code == 403:
                # A role that we are given is in a new token alone.
                self._get_adapter().invalidate()
        except ks_exceptions.ClientException as e:
            raise unavailable(f"{type(e).__name__}: {e}") from e
        return response

    def user_id(self) -> str:
        """Tell who we are to Manila.

        :raises nova_shares.exception.ServiceUnavailable: if Keystone fails
        """
        try:
            return str(self._get_adapter().get_user_id())
        except ks_exceptions.ClientException as e:
            raise unavailable(f"{type(e).__name__}: {e}") from e

    def _step_down(self) -> None:
        """Ask in the oldest version, for a time."""
        with self._lock:
            if self.version == OLDEST:
                return
            self._older_until = time.monotonic() + _BELIEVED
        LOG.warning(
            "Manila is older than API version %s: access rules are made "
            "without locks, their users can see and delete them",
            LOCKS,
        )

    def _try(
        self,
        version: str,
        method: str,
        path: str,
        caller: Optional[context.RequestContext],
        deadline: Optional[float],
        json: Any,
    ) -> Any:
        adapter = self._get_adapter()
        options: dict[str, Any] = {}
        # For the logs: which request it is for.
        on_behalf = caller or context.get_current()
        if on_behalf is not None:
            options["global_request_id"] = on_behalf.global_id
        if caller is not None:
            options["auth"] = self._auth_of(adapter, caller, deadline)
        if deadline is not None:
            options["timeout"] = _left(deadline)
            options["connect_retries"] = options["status_code_retries"] = 0
            if not options["timeout"]:
                raise unavailable("no time left")
        if json is not None:
            options["json"] = json
        return adapter.request(
            path,
            method,
            headers={_VERSION_HEADER: version},
            raise_exc=False,
            # At DEBUG keystoneauth would log the keys of access rules.
            log=False,
            **options,
        )

    def _auth_of(
        self,
        adapter: Any,
        caller: context.RequestContext,
        deadline: Optional[float],
    ) -> plugin.BaseAuthPlugin:
        # keystoneauth lets one at a time ask Keystone, and all others wait.
        if not self._catalog.acquire(timeout=_left(deadline)):
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
            # Some catalogs put the project in: Manila wants the token's.
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
                auth = loading.load_auth_from_conf_options(
                    self._conf, "manila"
                )
                if auth is None:
                    raise unavailable("[manila] auth_type is not set")
                session = loading.load_session_from_conf_options(
                    self._conf, "manila", auth=auth
                )
                self._adapter = loading.load_adapter_from_conf_options(
                    self._conf, "manila", session=session, auth=auth
                )
            return self._adapter


def _left(deadline: Optional[float]) -> float:
    """Tell how many seconds are left; -1: as many as one likes."""
    return -1 if deadline is None else max(0, deadline - time.monotonic())


def is_gone(response: Any) -> bool:
    """Tell whether Manila says that it does not have something.

    A 404 that is not in its own words may be somebody else's.
    """
    if response.status_code != 404:
        return False
    try:
        said = response.json()
    except ValueError:
        return False
    return isinstance(said, dict) and "itemNotFound" in said


def body(response: Any) -> Any:
    """Read the body of an answer that should be good.

    :raises nova_shares.exception.ServiceUnavailable: if it is not
    """
    if response.status_code not in (200, 201):
        raise unavailable(f"{response.status_code} {response.text:.200}")
    try:
        return response.json()
    except ValueError as e:
        raise unavailable(f"no JSON: {e}") from e


def unavailable(detail: str) -> exception.ServiceUnavailable:
    """Make the error of a Manila that does not answer as it should."""
    return exception.ServiceUnavailable(service=SERVICE, detail=detail)
