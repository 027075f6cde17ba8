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

"""Manila as we need it: a share as its user sees it, and access rules.

One session a process; a call is made with the caller's token or with our
own service user. The source of the wire formats is the Shared File Systems
API reference, v2.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import threading
import time
from typing import Any
from typing import Optional

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
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
_VERSION_HEADER = "X-OpenStack-Manila-API-Version"


@dataclasses.dataclass(frozen=True)
class Share:
    """A share, as far as attaching it needs."""

    id: str
    project_id: str
    status: str
    proto: str


@dataclasses.dataclass(frozen=True)
class AccessRule:
    """Who may mount a share: one rule of Manila's.

    :ivar state: ``queued_to_apply``, ``applying``, ``active``, ``error``,
        ``queued_to_deny`` or ``denying``
    """

    id: str
    access_type: str
    access_to: str
    access_level: str
    state: str


class Shares:
    """Manila's API.

    Every method raises :class:`nova_shares.exception.ServiceUnavailable`
    when Manila does not answer as it should.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._adapter: Any = None
        self._version = LOCKS

    # As the user sees it.

    def find(
        self, caller: context.RequestContext, share_id: str, deadline: float
    ) -> Share:
        """Get a share that ``caller`` can see.

        :param deadline: when to give up, by time.monotonic()
        :raises nova_shares.exception.ShareNotFound: if there is none
        """
        body = self._get(f"/shares/{share_id}", "share", caller, deadline)
        if body is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            return Share(
                id=body["id"],
                project_id=body["project_id"],
                status=body["status"],
                proto=body["share_proto"].upper(),
            )

    def export_location(
        self, caller: context.RequestContext, share_id: str, deadline: float
    ) -> Optional[str]:
        """Get where a share is exported: the preferred place, or the first.

        :param deadline: when to give up, by time.monotonic()
        :raises nova_shares.exception.ShareNotFound: if there is no share
        """
        places = self._get(
            f"/shares/{share_id}/export_locations",
            "export_locations",
            caller,
            deadline,
        )
        if places is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            best = sorted(places, key=lambda place: not place["preferred"])
            return str(best[0]["path"]) if best else None

    # As our own user, for the host.

    def rules(self, share_id: str) -> list[AccessRule]:
        """List a share's access rules.

        :raises nova_shares.exception.ShareNotFound: if the share is gone
        """
        path = f"/share-access-rules?share_id={share_id}"
        response = self._send("GET", path)
        if response.status_code in (400, 404) and (
            self._get(f"/shares/{share_id}", "share") is None
        ):
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            body = self._body(response)["access_list"]
            return [_rule(rule) for rule in body]

    def rule(self, access_id: str) -> Optional[AccessRule]:
        """Get an access rule; None when it is gone."""
        body = self._get(f"/share-access-rules/{access_id}", "access")
        if body is None:
            return None
        with _well_formed():
            return _rule(body)

    def access_key(self, access_id: str) -> Optional[str]:
        """Get the key of a cephx access rule: a secret."""
        body = self._get(f"/share-access-rules/{access_id}", "access")
        return body and body.get("access_key")

    def allow(
        self,
        share_id: str,
        access_type: str,
        access_to: str,
        access_level: str,
        reason: str,
    ) -> AccessRule:
        """Make an access rule, locked against others where Manila can.

        :param reason: why it is locked: shown to who looks at the lock
        :raises nova_shares.exception.ShareNotFound: if the share is gone
        """
        wish: dict[str, Any] = {
            "access_type": access_type,
            "access_to": access_to,
            "access_level": access_level,
        }
        if self._locks():
            wish.update(
                lock_visibility=True, lock_deletion=True, lock_reason=reason
            )
        answer = self._act(share_id, {"allow_access": wish})
        if answer is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            return _rule(answer["access"])

    def deny(self, share_id: str, access_id: str) -> None:
        """Have an access rule taken away; success when there is none."""
        wish: dict[str, Any] = {"access_id": access_id}
        if self._locks():
            wish["unrestrict"] = True
        self._act(share_id, {"deny_access": wish})

    # How it is asked.

    def _locks(self) -> bool:
        return self._version == LOCKS

    def _get(
        self,
        path: str,
        key: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
    ) -> Any:
        response = self._send("GET", path, caller, deadline)
        if response.status_code == 404:
            return None
        with _well_formed():
            return self._body(response)[key]

    def _act(self, share_id: str, action: dict[str, Any]) -> Any:
        response = self._send(
            "POST", f"/shares/{share_id}/action", json=action
        )
        if response.status_code == 404:
            return None
        if response.status_code == 202:
            return {}
        return self._body(response)

    def _body(self, response: Any) -> Any:
        if response.status_code not in (200, 201):
            raise _unavailable(f"{response.status_code} {response.text:.200}")
        try:
            return response.json()
        except ValueError as e:
            raise _unavailable(f"no JSON: {e}") from e

    def _send(
        self,
        method: str,
        path: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
        json: Any = None,
    ) -> Any:
        try:
            response = self._try(method, path, caller, deadline, json)
            if response.status_code == 406 and self._locks():
                LOG.warning(
                    "Manila is older than API version %s: access rules are "
                    "made without locks",
                    LOCKS,
                )
                self._version = OLDEST
                response = self._try(method, path, caller, deadline, json)
        except ks_exceptions.ClientException as e:
            raise _unavailable(f"{type(e).__name__}: {e}") from e
        return response

    def _try(
        self,
        method: str,
        path: str,
        caller: Optional[context.RequestContext],
        deadline: Optional[float],
        json: Any,
    ) -> Any:
        adapter = self._get_adapter()
        options: dict[str, Any] = {}
        if caller is not None:
            options["auth"] = self._auth_of(adapter, caller)
            options["global_request_id"] = caller.global_id
        if deadline is not None:
            options["timeout"] = deadline - time.monotonic()
            options["connect_retries"] = 0
            if options["timeout"] <= 0:
                raise _unavailable("no time left")
        if json is not None:
            options["json"] = json
        return adapter.request(
            path,
            method,
            headers={_VERSION_HEADER: self._version},
            raise_exc=False,
            **options,
        )

    @staticmethod
    def _auth_of(
        adapter: Any, caller: context.RequestContext
    ) -> plugin.BaseAuthPlugin:
        endpoint = adapter.get_endpoint()
        if endpoint is None:
            raise _unavailable("the catalog has no endpoint")
        return token_endpoint.Token(endpoint, caller.auth_token)

    def _get_adapter(self) -> Any:
        with self._lock:
            if self._adapter is None:
                auth = loading.load_auth_from_conf_options(
                    self._conf, "manila"
                )
                if auth is None:
                    raise _unavailable("[manila] auth_type is not set")
                session = loading.load_session_from_conf_options(
                    self._conf, "manila", auth=auth
                )
                self._adapter = loading.load_adapter_from_conf_options(
                    self._conf, "manila", session=session, auth=auth
                )
            return self._adapter


def _rule(body: dict[str, Any]) -> AccessRule:
    return AccessRule(
        id=body["id"],
        access_type=body["access_type"],
        access_to=body["access_to"],
        access_level=body["access_level"],
        state=body["state"],
    )


def _unavailable(detail: str) -> exception.ServiceUnavailable:
    return exception.ServiceUnavailable(service=SERVICE, detail=detail)


@contextlib.contextmanager
def _well_formed() -> Iterator[None]:
    """Turn a body that lacks what it should have into an error of ours."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise _unavailable(f"unexpected body: {e!r}") from e
