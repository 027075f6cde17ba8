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

"""Manila as we need it: a share as its user sees it, access rules, locks.

One session a process; a call is made with the caller's token or with the
service user's. The endpoint is asked for once, and a token lives for
hours: once warm, a call of ours is one request. The source of the wire
formats is the Shared File Systems API reference, v2.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import datetime
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging

from nova_shares import exception
from nova_shares.clients import http
from nova_shares.clients import manila_session as session
from nova_shares.clients.manila_session import SERVICE as SERVICE

LOG = logging.getLogger(__name__)

#: What our access rules carry from the moment that they exist, whatever
#: becomes of their locks.
_MARK = {"made_by": "nova_shares"}
_LONGEST_REASON = 1023
_REFUSALS = (400, 403, 409, 413)


@dataclasses.dataclass(frozen=True)
class Share:
    """A share, as far as attaching it needs."""

    id: str
    project_id: str
    status: str
    proto: str
    in_recycle_bin: bool = False


@dataclasses.dataclass(frozen=True)
class AccessRule:
    """Who may mount a share: one rule of Manila's.

    :ivar state: ``queued_to_apply``, ``applying``, ``active``, ``error``,
        ``queued_to_deny``, ``denying``; newer Manilas have more
    :ivar ours: whether it was made by nova_shares
    """

    id: str
    share_id: str
    access_type: str
    access_to: str
    access_level: str
    state: str
    ours: bool


@dataclasses.dataclass(frozen=True)
class AccessKey:
    """What a client of a cephx access rule needs.

    :ivar access_to: the identity
    :ivar key: a secret, never shown; None: there is none yet
    """

    access_to: str
    key: Optional[str] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Lock:
    """What keeps others from deleting, or from seeing, something.

    :ivar kind: of what is locked: ``access_rule`` or ``share``
    :ivar resource_id: the id of what is locked
    :ivar action: what is kept from others: ``delete`` or ``show``
    """

    id: str
    kind: str
    resource_id: str
    action: str
    reason: str


class Refused(exception.NovaSharesError):
    """Manila does not do it, for the reason that ``message`` says."""


class Shares:
    """Manila's API.

    Every method raises :class:`nova_shares.exception.ServiceUnavailable`
    when Manila does not answer as it should.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._session = session.Session(conf)

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
            if http.text(body["id"]).lower() != share_id.lower():
                raise TypeError("it is of another share")
            return Share(
                id=body["id"],
                project_id=http.text(body["project_id"]),
                status=http.text(body["status"]),
                proto=body["share_proto"].upper(),
                in_recycle_bin=bool(body.get("is_soft_deleted")),
            )

    # As the service user.

    def share_exists(self, share_id: str) -> bool:
        """Tell whether Manila has a share."""
        if self._get(f"/shares/{share_id}", "share") is not None:
            return True
        self.must_see_all()
        return False

    def share_ids(self) -> Iterator[str]:
        """List the shares of all projects."""
        path, offset = "/shares?all_tenants=1&limit=1000", 0
        while True:
            response = self._session.send("GET", f"{path}&offset={offset}")
            with _well_formed():
                page = [
                    http.text(share["id"])
                    for share in session.body(response)["shares"]
                ]
            if not page:
                return
            yield from page
            offset += len(page)

    def must_see_all(self) -> None:
        """Make sure that the service user sees the shares of all projects.

        Of a share of another project Manila says to anybody but an
        administrator that there is none.
        """
        response = self._session.send("GET", "/services")
        if response.status_code == 403:
            LOG.error(
                "A 404 of Manila for a share is not trusted: the user of"
                " [manila] cannot see what administrators see. It needs the"
                " admin role."
            )
            raise session.unavailable("the service user cannot see all shares")
        session.body(response)

    def export_locations(
        self,
        share_id: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
    ) -> list[str]:
        """List the export locations of a share, the preferred ones first.

        :param caller: with whose token; None: the service user's
        :param deadline: when to give up, by time.monotonic()
        :raises nova_shares.exception.ShareNotFound: if there is no share
        """
        path = f"/shares/{share_id}/export_locations"
        found = self._get(path, "export_locations", caller, deadline)
        if found is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            # An administrator is shown the storage's own way in too.
            open_to_hosts = [
                export for export in found if not export.get("is_admin_only")
            ]
            best = sorted(
                open_to_hosts, key=lambda export: not export["preferred"]
            )
            # What is no text is no export location.
            paths = [export["path"] for export in best]
            return [path for path in paths if isinstance(path, str)]

    def rules(self, share_id: str) -> list[AccessRule]:
        """List a share's access rules.

        :raises nova_shares.exception.ShareNotFound: if the share is gone
        """
        path = f"/share-access-rules?share_id={share_id}"
        response = self._session.send("GET", path)
        # Of a share that is gone Manila says that the request is bad.
        if (
            response.status_code == 400 or session.is_gone(response)
        ) and not self.share_exists(share_id):
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            body = session.body(response)["access_list"]
            return [_rule(rule, share_id) for rule in body]

    def rule(self, access_id: str) -> Optional[AccessRule]:
        """Get an access rule; None when it, or its share, is gone."""
        body = self._get(f"/share-access-rules/{access_id}", "access")
        if body is None:
            return None
        with _well_formed():
            return _rule(body, body["share_id"])

    def access_key(self, access_id: str) -> Optional[AccessKey]:
        """Get the key of a cephx access rule; None when the rule is gone."""
        body = self._get(f"/share-access-rules/{access_id}", "access")
        if body is None:
            return None
        with _well_formed():
            return AccessKey(
                http.text(body["access_to"]), body.get("access_key")
            )

    def metadata(self, share_id: str) -> dict[str, Any]:
        """Get the metadata of a share, which its users can write.

        :raises nova_shares.exception.ShareNotFound: if the share is gone
        """
        body = self._get(f"/shares/{share_id}", "share")
        if body is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            return dict(body["metadata"].items())

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
        :raises Refused: for one: there is an equal one, of whatever level
            and state
        """
        wish: dict[str, Any] = {
            "access_type": access_type,
            "access_to": access_to,
            "access_level": access_level,
            "metadata": _MARK,
            "lock_visibility": True,
            "lock_deletion": True,
            "lock_reason": reason[:_LONGEST_REASON],
        }
        answer = self._act(share_id, "allow_access", wish)
        if answer is None:
            raise exception.ShareNotFound(share_id=share_id)
        with _well_formed():
            return _rule(answer["access"], share_id)

    def deny(self, share_id: str, access_id: str) -> bool:
        """Have an access rule taken away, and then its locks.

        :returns: False: there is none, or no share
        :raises Refused: for one: somebody else has locked it too
        """
        wish = {"access_id": access_id, "unrestrict": True}
        return self._act(share_id, "deny_access", wish) is not None

    def locks(
        self,
        resource_id: Optional[str] = None,
        since: Optional[datetime.datetime] = None,
    ) -> list[Lock]:
        """List the locks that the service user has made, newest first.

        :param resource_id: those on one access rule or share; None: all
        :param since: those that were made from this time on
        """
        path = "/resource-locks?all_projects=true"
        path += f"&user_id={self._session.user_id()}"
        if resource_id is not None:
            path += f"&resource_id={resource_id}"
        if since is not None:
            path += f"&created_since={since:%Y-%m-%dT%H:%M:%SZ}"
        found: dict[str, Lock] = {}
        while True:
            response = self._session.send("GET", f"{path}&offset={len(found)}")
            if response.status_code == 404 and not self.makes_locks():
                return []
            with _well_formed():
                page = session.body(response)["resource_locks"]
                locks = [_lock(body) for body in page]
            new = {lock.id: lock for lock in locks if lock.id not in found}
            found.update(new)
            if resource_id is not None or not new:
                return list(found.values())

    def has_lock(self, lock_id: str) -> bool:
        """Tell whether there is a lock."""
        path = f"/resource-locks/{lock_id}"
        return self._get(path, "resource_lock") is not None

    def unlock(self, lock_id: str) -> None:
        """Take a lock of ours away; success when there is none."""
        response = self._session.send("DELETE", f"/resource-locks/{lock_id}")
        if response.status_code not in (200, 202, 204) and not (
            session.is_gone(response)
        ):
            raise Refused(message=_message(response))

    def makes_locks(self) -> bool:
        """Tell whether Manila can lock access rules, as far as is known."""
        return self._session.version >= session.LOCKS

    # How it is asked.

    def _act(
        self, share_id: str, action: str, wish: dict[str, Any]
    ) -> Optional[dict[str, Any]]:
        """Do something to a share; None: there is no such thing.

        An older Manila ignores what it does not know of a wish.
        """
        response = self._session.send(
            "POST", f"/shares/{share_id}/action", json={action: wish}
        )
        if session.is_gone(response):
            return None
        if response.status_code == 202:
            return {}
        if response.status_code in _REFUSALS:
            raise Refused(message=_message(response))
        body: dict[str, Any] = session.body(response)
        return body

    def _get(
        self,
        path: str,
        key: str,
        caller: Optional[context.RequestContext] = None,
        deadline: Optional[float] = None,
    ) -> Any:
        response = self._session.send("GET", path, caller, deadline)
        if session.is_gone(response):
            return None
        with _well_formed():
            found = session.body(response)[key]
            # Only its own 404 says that there is no such thing.
            if found is None:
                raise TypeError(f"{key} is null")
            return found


def _rule(body: dict[str, Any], share_id: str) -> AccessRule:
    return AccessRule(
        id=http.text(body["id"]),
        share_id=http.text(share_id),
        access_type=http.text(body["access_type"]),
        access_to=http.text(body["access_to"]),
        access_level=http.text(body["access_level"]),
        state=http.text(body["state"]),
        ours=_MARK.items() <= body["metadata"].items(),
    )


def _lock(body: dict[str, Any]) -> Lock:
    return Lock(
        id=http.text(body["id"]),
        kind=http.text(body["resource_type"]),
        resource_id=http.text(body["resource_id"]),
        action=http.text(body["resource_action"]),
        reason=http.text(body["lock_reason"] or ""),
    )


def _message(response: Any) -> str:
    """Tell in Manila's words why it refuses."""
    try:
        ((_, fault),) = http.read_json(response.content).items()
        return str(fault["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{response.status_code} {response.text:.200}"


@contextlib.contextmanager
def _well_formed() -> Iterator[None]:
    """Turn a body that lacks what it should have into an error of ours."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as e:
        raise session.unavailable(f"unexpected body: {e!r}") from e
