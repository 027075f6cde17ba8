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

"""The agent of a compute host: one process of plain threads.

=============  =========================================================
thread         does
=============  =========================================================
rpc            receives messages from the broker
work-N         reconciles mappings, may wait for Manila
event-N        reconciles mappings whose guest has just started or stopped
domains        the driver's: hears of guests that start and stop
heartbeat      tells the database that we live, and what we can do
resync         finds what is out of sync
=============  =========================================================
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any
from typing import Callable
from typing import Optional

import fasteners
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_shares import exception
from nova_shares import mapping
from nova_shares import rpc
from nova_shares.compute import manager as compute_manager
from nova_shares.compute import memory
from nova_shares.compute import ports
from nova_shares.compute import resync as compute_resync
from nova_shares.compute import work
from nova_shares.virt import driver as virt_driver

LOG = logging.getLogger(__name__)

#: Seconds between two tries of something that the agent can't do without.
_RETRY = 2.0
#: Seconds between two looks whether it is to stop.
_LOOK = 0.2
#: How often a database is asked before it counts as restored.
_TRIES = 3


class AlreadyRunning(exception.NovaSharesError):
    """Another agent holds the ``lock`` of this host."""


class HostTaken(exception.NovaSharesError):
    """The agent of ``host`` runs elsewhere, and so do the host's guests."""


class Agent:
    """Serves the mappings of one host until it is told to stop.

    :param rows, access, servers: the ports, see
        :mod:`nova_shares.compute.ports`
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        driver: virt_driver.Driver,
        rows: ports.Rows,
        access: ports.Access,
        servers: ports.Servers,
    ) -> None:
        self._conf = conf
        self._host = conf.host
        self._rows = rows
        self._driver = driver
        self._boot_id = uuidutils.generate_uuid()
        self._told_to_stop = False
        self._stopping = threading.Event()
        self._resync_now = threading.Event()
        self._memory = memory.Memory(conf.state_path, conf.host)
        self._reporting = threading.Lock()
        self._lock: Optional[Any] = None
        self._threads: list[threading.Thread] = []
        self._server: Optional[Any] = None
        #: Why it stopped by itself; None: it was told to.
        self.failure: Optional[str] = None
        options = conf.compute
        self.queue = work.WorkQueue(
            {work.WORK: options.workers, work.EVENT: options.event_workers}
        )
        self.manager = compute_manager.Manager(
            self._host,
            rows,
            driver,
            access,
            servers,
            self.queue,
            # A dead file server leaves threads to the others.
            file_server_limit=max(
                1, min(options.workers, options.event_workers) // 2
            ),
            retry_interval=options.retry_interval,
            retry_interval_max=options.retry_interval_max,
        )
        self.resync = compute_resync.Resync(
            self._host,
            rows,
            driver,
            self.manager,
            servers,
            server_check_interval=options.server_check_interval,
            server_gone_interval=options.server_gone_interval,
        )

    def start(self) -> None:
        """Take the host over and start the threads.

        :raises AlreadyRunning: if this machine has an agent of the host
        :raises nova_shares.exception.ForeignDatabase: if the database is
            not the one that the host belonged to before
        :raises memory.Restored: if it has gone back in time
        :raises memory.HostChanged: if the host had another name before
        :raises HostTaken: if the host's guests are on another machine, whose
            agent runs
        """
        self._take_lock()
        self._memory.check_host()
        self._until_it_works(self._take_host)
        if self._told_to_stop:
            return
        self._driver.listen(self.manager.server_changed)
        self.queue.start(self.manager.handle)
        self._spawn("rpc", self._serve)
        self._spawn("heartbeat", self._beat)
        self._spawn("resync", self._resync)
        LOG.info("Agent of %s is up, boot id %s", self._host, self._boot_id)

    def stop(self) -> None:
        """Begin to stop; safe in a signal handler.

        No event is set here: the thread that the handler interrupts may
        hold its lock, and would wait for itself.
        """
        self._told_to_stop = True

    def wait(self) -> Optional[str]:
        """Wait until it is to stop, and stop in an orderly way.

        :returns: why it stopped by itself; None: it was told to
        """
        while not self._told_to_stop:
            time.sleep(_LOOK)
        self._stopping.set()
        self._resync_now.set()
        has_ended = self.queue.stop()
        self._report_stop()
        if self._server is not None:
            # Blocks while it dials a broker that is away.
            stopper = threading.Thread(
                target=_stop, args=(self._server,), daemon=True
            )
            stopper.start()
            stopper.join(2)
        if has_ended:
            # What is still at work ends with the process. Without a driver
            # it would record a failure that is none.
            self._driver.close()
        for thread in self._threads:
            thread.join(2)
        if self._lock is not None:
            self._lock.release()
        LOG.info("Agent of %s has stopped", self._host)
        return self.failure

    def _report_stop(self) -> None:
        """Have the host count as one without an agent from now on."""
        if self.failure is not None or not self._threads:
            return
        try:
            capabilities = self._driver.capabilities()
            # A heartbeat under way would take the report back.
            with self._reporting:
                self._rows.heartbeat(
                    self._host, self._boot_id, capabilities, True
                )
        except Exception as e:
            LOG.warning("Cannot report that the agent stops: %s", e)

    def _take_lock(self) -> None:
        path = os.path.join(self._conf.state_path, f"agent-{self._host}.lock")
        os.makedirs(self._conf.state_path, exist_ok=True)
        lock = fasteners.InterProcessLock(path)
        if not lock.acquire(blocking=False):
            raise AlreadyRunning(lock=path)
        self._lock = lock

    def _take_host(self) -> None:
        try:
            capabilities = self._driver.capabilities()
            # Who was the host's agent before is it again. Who gives way must
            # not remember that it was: it is started again.
            if self._memory.is_new and self._is_elsewhere():
                raise HostTaken(host=self._host)
        except exception.StepFailed as e:
            raise exception.ServiceUnavailable(
                service="hypervisor", detail=e.message
            ) from e
        self._check_database()
        self._rows.claim_host(self._host, self._boot_id, capabilities)

    def _check_database(self) -> Optional[mapping.Agent]:
        """Make sure that the database is the one of before, and no older.

        :returns: the host's row
        :raises nova_shares.exception.ForeignDatabase: it is another one
        :raises memory.Restored: it has gone back in time
        """
        for left in reversed(range(_TRIES)):
            agent = self._rows.agent(self._host)
            try:
                self._memory.check(self._rows.database(), agent)
                break
            except memory.Restored:
                # A replica may be behind for a moment.
                if not left or self._stopping.wait(_RETRY):
                    raise
        return agent

    def _is_elsewhere(self) -> bool:
        """Tell whether an agent runs where the guests of the host are."""
        agent = self._rows.agent(self._host)
        if agent is None or agent.is_down(self._conf.api.agent_down_time):
            return False
        servers = {
            m.instance_uuid for m in self._rows.list_for_host(self._host)
        }
        return servers.isdisjoint(self._driver.domains())

    def _serve(self) -> None:
        def start() -> None:
            try:
                self._server = rpc.get_server(
                    self._conf, self._host, self.manager.reconcile
                )
                self._server.start()
            except Exception as e:
                raise exception.ServiceUnavailable(
                    service="message broker", detail=str(e)
                ) from e
            LOG.info("Listening for RPC to %s", self._host)
            # What was cast before there was a queue is lost.
            self._resync_now.set()

        self._until_it_works(start)

    def _beat(self) -> None:
        missed = False
        while not self._stopping.wait(self._conf.compute.heartbeat_interval):
            try:
                if not self._report():
                    return
            except Exception as e:
                LOG.warning("Heartbeat failed: %s", e)
                missed = True
                continue
            if missed:
                # Messages may have been lost too.
                missed = False
                self._resync_now.set()

    def _report(self) -> bool:
        """Send a heartbeat; False: the agent stops, since it may not."""
        capabilities = self._driver.capabilities()
        with self._reporting:
            for left in reversed(range(_TRIES)):
                if self._told_to_stop:
                    break
                if self._rows.heartbeat(
                    self._host,
                    self._boot_id,
                    capabilities,
                    at_least=self._memory.heartbeats,
                ):
                    self._memory.count()
                    return True
                try:
                    agent = self._check_database()
                except (exception.ForeignDatabase, memory.Restored) as e:
                    self._give_up(explain(e))
                    return False
                # A replica may be behind for a moment.
                if left:
                    self._stopping.wait(_RETRY)
                elif agent is not None and agent.boot_id == self._boot_id:
                    raise exception.ServiceUnavailable(
                        service="database", detail="the heartbeat is not taken"
                    )
                else:
                    self._give_up("A newer agent has taken the host over.")
        return False

    def _resync(self) -> None:
        first = True
        while not self._stopping.is_set():
            try:
                self._memory.check_id(self._rows.database())
                # Nothing is done by rows of a database that was restored.
                if not self._report():
                    return
                self.resync.run(all_errors=first)
                first = False
            except exception.ForeignDatabase as e:
                self._give_up(explain(e))
                return
            except exception.ServiceUnavailable as e:
                LOG.warning("Resync failed: %s", exception.explain(e))
            except exception.StepFailed as e:
                LOG.warning("Resync failed: %s", e.message)
            except Exception:
                LOG.exception("Resync failed")
            interval = self._conf.compute.resync_interval
            if interval:
                # So that the agents of a cloud don't all come at once.
                interval *= random.uniform(0.75, 1.25)  # noqa: S311
            elif first:
                interval = _RETRY
            self._resync_now.wait(interval or None)
            self._resync_now.clear()

    def _give_up(self, why: str) -> None:
        LOG.error("Agent of %s stops. %s", self._host, why)
        self.failure = why
        self.stop()

    def _until_it_works(self, action: Callable[[], None]) -> None:
        """Do what needs a neighbour; says once which one is away, and why."""
        said = None
        while not self._told_to_stop:
            try:
                action()
                return
            except exception.ServiceUnavailable as e:
                why = exception.explain(e)
            if why != said:
                LOG.warning("Retrying: %s", why)
                said = why
            self._stopping.wait(_RETRY)

    def _spawn(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)


def explain(error: exception.NovaSharesError) -> str:
    """Say why an agent does not serve its host, and what to do."""
    data = error.data
    if isinstance(error, AlreadyRunning):
        return (
            "Another agent of this host runs on this machine and holds "
            f"{data['lock']}."
        )
    if isinstance(error, exception.ForeignDatabase):
        known = data.get("known", "one that db sync has made")
        return (
            f"The database ID is {data['found']}, but {known} is expected. "
            "Nothing is changed. If the new database is intended, delete "
            f"{data.get('file', 'database-id')}."
        )
    if isinstance(error, memory.Restored):
        return (
            f"The database has {data['found']} heartbeats of {data['host']}, "
            f"but had {data['known']}: it was restored from a backup. Nothing "
            "is changed. If the restore is intended, run nova-shares-manage "
            "db confirm-restore."
        )
    if isinstance(error, memory.HostChanged):
        return (
            f"[DEFAULT] host is {data['found']}, but was {data['known']}. "
            "Nothing is changed. If the new name is intended, delete "
            f"{data['file']}."
        )
    if isinstance(error, HostTaken):
        return (
            f"The agent of {data['host']} is up on another machine, and this "
            "machine has no guest of the host. Check [DEFAULT] host."
        )
    return f"{type(error).__name__}: {error}"


def _stop(server: Any) -> None:
    """Stop an RPC server, and close its connections."""
    server.stop()
    # Without it a thread of oslo.messaging's wakes 1000 times a second.
    server.wait()
