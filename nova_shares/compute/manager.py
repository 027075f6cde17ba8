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

"""Drives one mapping to where it should be.

Attaching: access rule, mount, device. Detaching: device, unmount, access
rule, and the row last, each proven before the next. Every step can be done
again: it looks, then acts, and 'already so' is success. Nothing here
sleeps: a look that finds that it must wait says for how long.
"""

from __future__ import annotations

import dataclasses
from typing import Optional

from oslo_log import log as logging

from nova_shares import context
from nova_shares import exception
from nova_shares import mapping
from nova_shares.compute import ports
from nova_shares.compute import rereads
from nova_shares.compute import work
from nova_shares.mapping import ShareMapping
from nova_shares.progress import Progress
from nova_shares.virt import driver as virt_driver

LOG = logging.getLogger(__name__)

#: The step of a mapping whose server is on another host: only resync, which
#: asks Nova, reconciles it again.
MOVED = "server"
#: What the tasks of a server begin with that take it to another host.
_MOVES = ("resize", "migrating")
#: Seconds until a database that fails is tried again.
_DATABASE_RETRY = 5.0
#: Seconds at most until a service that was away is asked again.
_UNAVAILABLE_RETRY = 8.0
#: What a server's key in the queue begins with; a mapping's is its uuid.
_SERVER = "server:"
#: And that of a mapping whose access rule alone is looked at.
_VERIFY = "verify:"
#: The key of what no mapping needs any more.
_CLEAN_UP = "clean-up:"


class Manager:
    """Reconciles the mappings of one host.

    :param file_server_limit: how many mappings of one file server are mounted
        or unmounted at the same time
    :param retry_interval: seconds until a failed step is tried again,
        doubled with each failure up to ``retry_interval_max``
    :param unplug_timeout: seconds that a guest has to give a device back
    """

    def __init__(
        self,
        host: str,
        rows: ports.Rows,
        driver: virt_driver.Driver,
        access: ports.Access,
        servers: ports.Servers,
        work_queue: work.WorkQueue,
        file_server_limit: int = 2,
        retry_interval: float = 5,
        retry_interval_max: float = 300,
        unplug_timeout: float = 30,
    ) -> None:
        self._host = host
        self._rows = rows
        self._driver = driver
        self._access = access
        self._servers = servers
        self._retry_interval = retry_interval
        self._retry_interval_max = retry_interval_max
        self._unplug_timeout = unplug_timeout
        self._progress: dict[str, Progress] = {}
        self._rereads = rereads.Rereads()
        self._file_servers = work.Slots(file_server_limit)
        # Who finds a rule missing and makes it must be alone with it.
        self._shares = work.Slots(1)
        self._to_verify: set[str] = set()
        self._work = work_queue

    def reconcile(
        self, uuid: str, generation: int = 0, verify: bool = False
    ) -> None:
        """Have a mapping reconciled.

        :param generation: the mapping has come to at least this one
        :param verify: its access rule too, even if all seems well
        """
        self._rereads.expect(uuid, generation)
        self._add(_VERIFY + uuid if verify else uuid)

    def server_changed(self, instance_uuid: str) -> None:
        """Have a server's mappings reconciled: its guest has changed."""
        self._add(_SERVER + instance_uuid, work.EVENT)

    def clean_up(self) -> None:
        """Have what no mapping needs any more removed from Manila."""
        self._add(_CLEAN_UP)

    def handle(self, key: str, queue: str) -> Optional[float]:
        """Reconcile what the queue hands out: a mapping or a server."""
        try:
            if key.startswith(_SERVER):
                self._reconcile_server(key[len(_SERVER) :])
            elif key == _CLEAN_UP:
                self._clean_up()
            elif key.startswith(_VERIFY):
                self._verify(key[len(_VERIFY) :])
            else:
                return self._reconcile(key, queue)
        except exception.StateUnavailable as e:
            LOG.warning("%s: database error, retrying: %s", key, e)
            return _DATABASE_RETRY
        return None

    def _reconcile_server(self, instance_uuid: str) -> None:
        for m in self._rows.list_for_server(instance_uuid):
            if m.host == self._host:
                self._add(m.uuid, work.EVENT)

    def _clean_up(self) -> None:
        # It is for nobody: not for whom this thread has worked last.
        context.act_for(None, None, None)
        try:
            self._access.clean_up()
        except exception.StateUnavailable:
            raise
        except (exception.ServiceUnavailable, exception.StepFailed) as e:
            LOG.warning("Cannot look for stale locks in Manila: %s", e)

    def _verify(self, uuid: str) -> None:
        """Check that Manila still grants access; reconcile if it does not.

        It is apart from the rest: a guest that starts meanwhile must not
        wait for a slow Manila.
        """
        m = self._rows.get(uuid)
        if m is None or m.host != self._host:
            return
        context.act_for(m.request_id, m.user_id, m.project_id)
        try:
            if m.status == mapping.ERROR:
                # Resync knows whether it is retried.
                return
            if _is_settled(m):
                if self._access.is_granted(m, self._driver.mounted()):
                    return
                self._to_verify.add(uuid)
        except exception.ServiceUnavailable as e:
            LOG.warning("Cannot verify mapping %s: %s", uuid, e)
            return
        self._add(uuid)

    def _reconcile(self, uuid: str, queue: str) -> Optional[float]:
        """Take a mapping as far as it gets without waiting.

        Whatever happens, the mapping is left in a state that heals; nothing
        is raised.

        :param queue: :data:`nova_shares.compute.work.EVENT`: without waiting
            for Manila
        :returns: seconds until the next look; None: it is done
        """
        try:
            m = self._rows.get(uuid)
            again = self._rereads.after(uuid, m)
            if m is None or again is not None:
                self._progress.pop(uuid, None)
                return again
            if m.host != self._host:
                return None
            # Logs, Manila's too, name the request that it is for.
            context.act_for(m.request_id, m.user_id, m.project_id)
            again = self._step(m, queue)
            self._rereads.settled(uuid)
            return again
        except exception.Conflict:
            LOG.debug("Mapping %s changed meanwhile", uuid)
            return self._rereads.conflict(uuid)
        except exception.StateUnavailable as e:
            LOG.warning("Mapping %s: database error, retrying: %s", uuid, e)
            return _DATABASE_RETRY

    def _step(self, m: ShareMapping, queue: str) -> Optional[float]:
        progress = self._progress.get(m.uuid)
        if progress is None or progress.generation != m.generation:
            progress = Progress(m.generation)
            self._progress[m.uuid] = progress
        if m.uuid in self._to_verify:
            self._to_verify.discard(m.uuid)
            progress.verify = True
        try:
            if queue == work.EVENT and (
                _needs_manila(m, progress) or self._needs_key(m)
            ):
                self._add(m.uuid)
                return None
            if m.wanted == mapping.ATTACHED:
                again = self._attach(m, progress)
            else:
                again = self._detach(m, progress)
        except (exception.Conflict, exception.StateUnavailable):
            raise
        except work.Busy:
            return progress.busy_wait()
        except Exception as e:
            self._progress.pop(m.uuid, None)
            if progress.verify and isinstance(e, exception.ServiceUnavailable):
                # That nobody can tell is no fault of what works.
                LOG.warning("Cannot verify mapping %s: %s", m.uuid, e)
                return None
            return self._fail(m, progress.step, e)
        if again is None:
            self._progress.pop(m.uuid, None)
        return again

    def _attach(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        if _needs_manila(m, progress):
            progress.step = "access"
            self._check_host(m, progress)
            with self._shares.take(m.share_id):
                again = self._access.grant(m, progress, self._driver.mounted())
            if progress.must_release:
                return self._release(m, progress)
            if again is not None:
                return again
            m = dataclasses.replace(m, access_id=progress.made)
            progress.verify = False
        if self._driver.is_running(m.instance_uuid):
            self._mount(m, progress)
            progress.step = "plug"
            self._driver.plug(m)
            return self._settle(m, mapping.ACTIVE)
        if self._driver.is_saved(m):
            # A start from the saved image fails without the mount.
            self._mount(m, progress)
        else:
            self._unmount(m, progress)
        return self._settle(m, mapping.INACTIVE)

    def _release(self, m: ShareMapping, progress: Progress) -> float:
        """Undo what is mounted with a rule that another one takes over from.

        :returns: seconds until the next look
        """
        wait = self._take_away(m, progress)
        if wait is not None:
            return wait
        LOG.warning(
            "Mapping %s: rule %s and what was mounted with it are gone, rule"
            " %s takes over",
            m.uuid,
            m.access_id,
            progress.made,
        )
        progress.released = m.access_id
        return 0.0

    def _check_host(self, m: ShareMapping, progress: Progress) -> None:
        """Make sure that a server is on this host before access is granted.

        It may have moved since the API looked: no check of the API before
        its insert could prevent that.

        :raises nova_shares.exception.StepFailed: it is elsewhere
        """
        if progress.located:
            return
        try:
            server = self._servers.find(m.instance_uuid)
        except exception.ServerNotFound:
            raise exception.StepFailed("Nova has no such server.") from None
        host = server.host
        if host is None:
            raise exception.StepFailed("The server is on no host.")
        if host != self._host:
            progress.step = MOVED
            raise exception.StepFailed(
                f"The server is on host {host} now.", retry=False
            )
        # Nova names the new host only when its disks are there.
        if server.vm_state == "resized" or (
            server.task_state or ""
        ).startswith(_MOVES):
            raise exception.StepFailed("Nova is moving the server.")
        progress.located = True

    def _needs_key(self, m: ShareMapping) -> bool:
        """Tell whether a mount comes next for which Manila has the key."""
        return (
            m.wanted == mapping.ATTACHED
            and m.share_proto != "NFS"
            and bool(
                self._driver.is_running(m.instance_uuid)
                or self._driver.is_saved(m)
            )
            and not self._driver.is_mounted(m)
        )

    def _mount(self, m: ShareMapping, progress: Progress) -> None:
        if not self._driver.is_mounted(m):
            progress.step = "mount"
            if m.fault and m.fault.step == "mount":
                m = self._access.relocated(m)
            identity = self._access.identity(m)
            with self._file_servers.take(_file_server(m)):
                self._driver.mount(m, identity)

    def _unmount(self, m: ShareMapping, progress: Progress) -> None:
        progress.step = "unmount"
        with self._file_servers.take(_file_server(m)):
            self._driver.unmount(m)

    def _settle(self, m: ShareMapping, status: str) -> Optional[float]:
        if m.status != status:
            self._rows.advance(m, status)
            _log_status(m, status)
        return None

    def _take_away(
        self, m: ShareMapping, progress: Progress
    ) -> Optional[float]:
        """Undo device and mount; returns seconds until the next look."""
        progress.step = "unplug"
        if self._driver.is_plugged(m):
            self._driver.unplug(m)
            if self._driver.is_plugged(m):
                return progress.next_wait(
                    self._unplug_timeout,
                    "The guest has not given the device back",
                )
        self._unmount(m, progress)
        if self._driver.is_mounted(m):
            raise exception.StepFailed("The share is still mounted.")
        return None

    def _detach(self, m: ShareMapping, progress: Progress) -> Optional[float]:
        again = self._take_away(m, progress)
        if again is not None:
            return again
        progress.step = "access"
        self._check_explained(m)
        with self._shares.take(m.share_id):
            again = self._access.revoke(m, progress, self._driver.mounted())
        if again is not None:
            return again
        self._rows.delete(m)
        _log_status(m, "gone")
        # Whoever began to need the rule while it was taken away.
        if progress.denied:
            for uuid in self._rows.sharing(m):
                self.reconcile(uuid, verify=True)
        return None

    def _check_explained(self, m: ShareMapping) -> None:
        """Make sure that no mount of no mapping needs the access rule.

        A guest may use it: the database may be older than the guest.

        :raises nova_shares.exception.StepFailed: if one does
        """
        if m.share_proto != "NFS":
            return
        others = self._driver.mounts_of_export(m) - {m.uuid}
        unknown = others - self._rows.known(others) if others else None
        if unknown:
            raise exception.StepFailed(
                f"The share is mounted for {min(unknown)}, which is no "
                "mapping. The access rule stays until that mount is removed."
            )

    def _fail(
        self, m: ShareMapping, step: str, error: Exception
    ) -> Optional[float]:
        message, retry = _explain(error)
        attempts = m.fault.attempts if m.fault else 0
        delay = min(
            self._retry_interval * 2.0 ** min(attempts, 30),
            self._retry_interval_max,
        )
        if isinstance(error, exception.ServiceUnavailable):
            # It may be back at any time, and is asked by few at a time.
            delay = min(delay, _UNAVAILABLE_RETRY)
        self._rows.fail(m, step, message, delay if retry else None)
        LOG.warning(
            "Mapping %s of server %s: step %s failed (%s), %s "
            "(request %s, user %s, project %s)",
            m.uuid,
            m.instance_uuid,
            step,
            message,
            f"tried again in {delay:g} s" if retry else "not tried again",
            m.request_id,
            m.user_id,
            m.project_id,
        )
        return delay if retry else None

    def _add(self, uuid: str, queue: str = work.WORK) -> None:
        self._work.add(uuid, queue=queue)


def _file_server(m: ShareMapping) -> str:
    return m.export_location.partition(":/")[0]


def _needs_manila(m: ShareMapping, progress: Progress) -> bool:
    """Tell whether the next steps have to ask Manila."""
    return progress.verify or not _is_settled(m)


def _is_settled(m: ShareMapping) -> bool:
    return m.status in (mapping.INACTIVE, mapping.ACTIVE)


def _explain(error: Exception) -> tuple[str, bool]:
    """Say what went wrong, and whether trying again can help."""
    if isinstance(error, exception.StepFailed):
        return error.message, error.retry
    if isinstance(error, exception.ServiceUnavailable):
        data = error.data
        return f"The {data['service']} service: {data.get('detail')}", True
    LOG.error("A step failed unexpectedly", exc_info=error)
    return f"{type(error).__name__}: {error}", True


def _log_status(m: ShareMapping, status: str) -> None:
    LOG.info(
        "Mapping %s: share %s of server %s is %s, was %s "
        "(request %s, user %s, project %s)",
        m.uuid,
        m.share_id,
        m.instance_uuid,
        status,
        m.status,
        m.request_id,
        m.user_id,
        m.project_id,
    )
