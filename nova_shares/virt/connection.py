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

"""A connection to libvirt that reconnects by itself.

One thread runs the event loop of libvirt. Another, ``domains``, opens the
connection, and opens it again when it is lost: no other thread waits for a
libvirtd that accepts a connection and does not answer.
"""

from __future__ import annotations

import contextlib
from functools import partial
import os
import socket
import stat
import struct
import threading
from typing import Any
from typing import Callable
from typing import Optional

import libvirt  # type: ignore[import-not-found,import-untyped,unused-ignore]
from oslo_log import log as logging

from nova_shares import exception

LOG = logging.getLogger(__name__)

#: Seconds between two keepalive messages, and how many may be missed.
_KEEPALIVE = (5, 3)
#: Seconds that a call waits for a connection, and between two tries.
_PATIENCE = 5.0
_RETRY = 1.0

#: What SO_PEERCRED tells: pid, uid and gid.
_CREDENTIALS = struct.Struct("3i")

_loop_lock = threading.Lock()


class Connection:
    """Keeps one connection open.

    :param changed: called with a server's id when its guest has changed
    :param opened: called with each new connection, in its thread
    """

    def __init__(
        self,
        uri: str,
        changed: Callable[[str], None],
        opened: Callable[[Any], None],
    ) -> None:
        self._uri = uri
        self._changed = changed
        self._opened = opened
        self._state = threading.Condition()
        self._conn: Optional[Any] = None
        self._error = "it is not connected yet"
        self._closed = False
        self._thread: Optional[threading.Thread] = None

    def get(self) -> Any:
        """Return the open connection, a virConnect.

        :raises nova_shares.exception.StepFailed: if there is none
        """
        with self._state:
            if self._thread is None:
                self._start()
            self._state.wait_for(
                lambda: self._conn is not None or self._closed, _PATIENCE
            )
            if self._conn is None:
                raise exception.StepFailed(
                    f"Cannot connect to libvirt: {self._error}."
                )
            return self._conn

    def close(self) -> None:
        """Close the connection."""
        with self._state:
            self._closed = True
            self._conn = None
            self._state.notify_all()

    def _start(self) -> None:
        _run_event_loop()
        self._thread = threading.Thread(
            target=self._keep_open, name="domains", daemon=True
        )
        self._thread.start()

    def _keep_open(self) -> None:
        while not self._closed:
            try:
                self._hold(libvirt.open(self._uri))
            except Exception as e:
                # Reading the capabilities may fail too, and no other thread
                # reconnects.
                self._failed(e)

    def _hold(self, conn: Any) -> None:
        """Serve a connection until it is lost or closed."""
        registered: list[int] = []
        try:
            self._register(conn, registered)
            self._opened(conn)
            with self._state:
                if conn.isAlive() and not self._closed:
                    self._conn = conn
                self._state.notify_all()
            LOG.info("Connected to libvirt at %s", self._uri)
            self._tell_all(conn)
            with self._state:
                self._state.wait_for(lambda: self._conn is not conn)
        finally:
            _drop(conn, registered)

    def _failed(self, error: Exception) -> None:
        LOG.warning("Cannot connect to libvirt at %s: %s", self._uri, error)
        with self._state:
            self._error = str(error)
            self._state.wait_for(lambda: self._closed, _RETRY)

    def _register(self, conn: Any, registered: list[int]) -> None:
        conn.registerCloseCallback(self._lost, None)
        conn.setKeepAlive(*_KEEPALIVE)
        for event in (
            libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
            libvirt.VIR_DOMAIN_EVENT_ID_REBOOT,
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED,
        ):
            registered.append(
                conn.domainEventRegisterAny(None, event, self._happened, None)
            )

    def _lost(self, conn: Any, reason: int, opaque: Any) -> None:
        LOG.warning(
            "Lost the connection to libvirt, reason %d; reconnecting", reason
        )
        with self._state:
            if self._conn is conn or self._conn is None:
                self._conn = None
                self._error = "the connection was lost"
                self._state.notify_all()

    def _happened(self, conn: Any, domain: Any, *details: Any) -> None:
        self._changed(domain.UUIDString())

    def _tell_all(self, conn: Any) -> None:
        """Report all guests: events are lost without a connection."""
        try:
            for domain in conn.listAllDomains():
                self._changed(domain.UUIDString())
        except libvirt.libvirtError as e:
            LOG.warning("Cannot list the guests: %s", e)


def daemon() -> Optional[int]:
    """Return the pid at the other end of this process's connection.

    That is libvirt's daemon, or systemd if it listens for the daemon.

    :returns: 0: a process that this one cannot see; None: no connection
    """
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(fd)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(fd))) as copy:
                if "libvirt" not in str(copy.getpeername()):
                    continue
                told = copy.getsockopt(
                    socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
                )
                pid = int(_CREDENTIALS.unpack(told)[0])
                # Not one that is lost and not closed yet.
                if pid == 0 or os.path.exists(f"/proc/{pid}"):
                    return pid
    return None


def _drop(conn: Any, registered: list[int]) -> None:
    """Remove the callbacks that keep a connection open.

    The last reference closes it: an explicit close would break the calls of
    other threads.
    """
    for undo in (
        *(partial(conn.domainEventDeregisterAny, id_) for id_ in registered),
        conn.unregisterCloseCallback,
    ):
        try:
            undo()
        except libvirt.libvirtError as e:
            LOG.debug("Cannot remove a callback of libvirt: %s", e)


def _run_event_loop() -> None:
    """Start the event loop of libvirt, one for all connections."""
    with _loop_lock:
        if any(t.name == "libvirt-events" for t in threading.enumerate()):
            return
        # Errors are in the exceptions: libvirt need not print them.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(
            target=_loop, name="libvirt-events", daemon=True
        ).start()


def _loop() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError as e:
            LOG.warning("The event loop of libvirt failed: %s", e)
