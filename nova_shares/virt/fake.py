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

"""A hypervisor in memory, for development and tests.

:class:`Hypervisor` holds the guests, their devices and the mounts. Like a
real one it outlives the agent, in the same process or, with :func:`serve`
and :func:`connect`, in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import managers
import threading
import time
from typing import Any
from typing import Callable
from typing import Optional

from oslo_log import log as logging

from nova_shares import exception
from nova_shares.mapping import Capabilities
from nova_shares.mapping import ShareMapping
from nova_shares.virt import driver

LOG = logging.getLogger(__name__)

#: The steps that can be made to fail or to hang.
STEPS = ("mount", "unmount", "plug", "unplug")
_AUTHKEY = b"nova-shares fake hypervisor"
Hook = Callable[[str, str, str], None]


class Hypervisor:
    """Guests, devices and mounts.

    :param hook: called as ``hook(phase, step, mapping uuid)`` before and
        after the effect of each step
    """

    def __init__(
        self,
        capabilities: Capabilities = Capabilities(),  # noqa: B008
        hook: Optional[Hook] = None,
    ) -> None:
        self._capabilities = capabilities
        self.hook = hook
        self._changed = threading.Condition()
        self._domains: dict[str, bool] = {}
        self._devices: dict[str, dict[str, str]] = {}
        self._mounts: dict[str, str] = {}
        self._saved: dict[str, dict[str, str]] = {}
        self._events: list[str] = []
        self._failures: dict[str, list[Any]] = {}
        self._delays: dict[str, float] = {}

    # What Nova does.

    def define(self, server: str) -> None:
        """Define a guest that does not run."""
        with self._changed:
            self._domains.setdefault(server, False)
            self._devices.setdefault(server, {})

    def start(self, server: str) -> None:
        """Start a guest without share devices, as Nova does."""
        with self._changed:
            self._domains[server] = True
            self._devices[server] = {}
            self._saved.pop(server, None)
            self._tell(server)

    def save(self, server: str) -> None:
        """Stop a guest and save its memory and devices in an image."""
        with self._changed:
            self._saved[server] = self._devices[server]
        self.stop(server)

    def restore(self, server: str) -> None:
        """Start a guest from its saved image, with the devices it had."""
        with self._changed:
            devices = self._saved[server]
            for uuid in devices.values():
                if uuid not in self._mounts:
                    raise exception.StepFailed("The share is not mounted.")
            del self._saved[server]
            self._domains[server] = True
            self._devices[server] = devices
            self._tell(server)

    def saved(self, server: str) -> dict[str, str]:
        """Return the devices in a guest's saved image: mapping by tag."""
        with self._changed:
            return dict(self._saved.get(server, {}))

    def lose_mounts(self) -> None:
        """Lose all mounts, as a reboot of the host does."""
        with self._changed:
            self._mounts.clear()

    def stop(self, server: str) -> None:
        """Stop a guest and remove its devices."""
        with self._changed:
            self._domains[server] = False
            self._devices[server] = {}
            self._tell(server)

    def delete(self, server: str) -> None:
        """Delete a guest."""
        with self._changed:
            self._domains.pop(server, None)
            self._devices.pop(server, None)
            self._saved.pop(server, None)
            self._tell(server)

    # What the agent asks and does.

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def domains(self) -> dict[str, bool]:
        with self._changed:
            return dict(self._domains)

    def mounts(self) -> dict[str, str]:
        """Return the export locations that are mounted, by mapping."""
        with self._changed:
            return dict(self._mounts)

    def devices(self, server: str) -> dict[str, str]:
        """Return the devices of a running guest: mapping by tag."""
        with self._changed:
            return dict(self._devices.get(server, {}))

    def act(self, step: str, mapping: ShareMapping) -> None:
        """Do a step, or fail or hang as configured."""
        if self.hook:
            self.hook("before", step, mapping.uuid)
        time.sleep(self._delays.get(step, 0))
        with self._changed:
            self._maybe_fail(step)
            getattr(self, f"_{step}")(mapping)
        if self.hook:
            self.hook("after", step, mapping.uuid)

    def events(self, seen: int, limit: float) -> tuple[int, list[str]]:
        """Wait up to ``limit`` seconds for changes after the first ``seen``.

        :returns: the number of all changes, and the servers of the new ones
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._events) > seen, limit)
            return len(self._events), self._events[seen:]

    def unmount_leftover(self, uuid: str) -> None:
        """Remove the mount of a mapping that no longer exists."""
        with self._changed:
            if any(uuid in its.values() for its in self._devices.values()):
                raise exception.StepFailed("A running guest uses the mount.")
            self._mounts.pop(uuid, None)

    # What a test tells it.

    def fail(self, step: str, message: str, count: int = 1) -> None:
        """Make a step fail ``count`` times; -1: always; 0: never."""
        self._failures[step] = [message, count]

    def hang(self, step: str, seconds: float) -> None:
        """Make a step take that long."""
        self._delays[step] = seconds

    def _tell(self, server: str) -> None:
        self._events.append(server)
        self._changed.notify_all()

    def _maybe_fail(self, step: str) -> None:
        failure = self._failures.get(step)
        if failure and failure[1] != 0:
            failure[1] -= 1
            raise exception.StepFailed(failure[0])

    def _mount(self, mapping: ShareMapping) -> None:
        self._mounts[mapping.uuid] = mapping.export_location

    def _unmount(self, mapping: ShareMapping) -> None:
        for devices in (self._devices, self._saved):
            if mapping.uuid in devices.get(mapping.instance_uuid, {}).values():
                raise exception.StepFailed("A guest has a device of it.")
        self._mounts.pop(mapping.uuid, None)

    def _plug(self, mapping: ShareMapping) -> None:
        if not self._domains.get(mapping.instance_uuid):
            raise exception.StepFailed("The guest is not running.")
        if mapping.uuid not in self._mounts:
            raise exception.StepFailed("The share is not mounted.")
        devices = self._devices[mapping.instance_uuid]
        if devices.setdefault(mapping.tag, mapping.uuid) != mapping.uuid:
            raise exception.StepFailed(
                "The guest has another device with the tag."
            )

    def _unplug(self, mapping: ShareMapping) -> None:
        self._devices.get(mapping.instance_uuid, {}).pop(mapping.tag, None)


class FakeDriver(driver.Driver):
    """Uses a :class:`Hypervisor`, in this or another process."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._closed = threading.Event()

    def capabilities(self) -> Capabilities:
        return self._hypervisor.capabilities()

    def domains(self) -> dict[str, bool]:
        return self._hypervisor.domains()

    def is_running(self, instance_uuid: str) -> Optional[bool]:
        return self._hypervisor.domains().get(instance_uuid)

    def listen(self, changed: Callable[[str], None]) -> None:
        # Here, so that no change after the return is missed.
        seen, _ = self._hypervisor.events(0, 0)
        threading.Thread(
            target=self._listen,
            args=(changed, seen),
            name="domains",
            daemon=True,
        ).start()

    def _listen(self, changed: Callable[[str], None], seen: int) -> None:
        while not self._closed.is_set():
            seen, servers = self._hypervisor.events(seen, 0.5)
            for server in servers:
                changed(server)

    def is_mounted(self, mapping: ShareMapping) -> bool:
        return mapping.uuid in self._hypervisor.mounts()

    def mount(
        self,
        mapping: ShareMapping,
        identity: Optional[driver.CephxIdentity],
    ) -> None:
        if not self.is_mounted(mapping):
            self._hypervisor.act("mount", mapping)

    def unmount(self, mapping: ShareMapping) -> None:
        if self.is_mounted(mapping):
            self._hypervisor.act("unmount", mapping)

    def mounted(self) -> set[str]:
        return set(self._hypervisor.mounts())

    def mounts_of_export(self, mapping: ShareMapping) -> set[str]:
        return {
            uuid
            for uuid, place in self._hypervisor.mounts().items()
            if place == mapping.export_location
        }

    def unmount_leftover(self, uuid: str) -> None:
        self._hypervisor.unmount_leftover(uuid)

    def is_saved(self, mapping: ShareMapping) -> bool:
        saved = self._hypervisor.saved(mapping.instance_uuid)
        return mapping.uuid in saved.values()

    def works(self, mappings: Sequence[ShareMapping]) -> set[str]:
        return {
            m.uuid
            for m in mappings
            if self.is_plugged(m) and self.is_mounted(m)
        }

    def is_plugged(self, mapping: ShareMapping) -> bool:
        devices = self._hypervisor.devices(mapping.instance_uuid)
        return devices.get(mapping.tag) == mapping.uuid

    def plug(self, mapping: ShareMapping) -> None:
        if not self.is_plugged(mapping):
            self._hypervisor.act("plug", mapping)

    def unplug(self, mapping: ShareMapping) -> None:
        self._hypervisor.act("unplug", mapping)

    def close(self) -> None:
        self._closed.set()


class _Manager(managers.BaseManager):
    """Carries calls between two processes."""


def serve(hypervisor: Hypervisor, address: str) -> Callable[[], None]:
    """Serve a hypervisor to other processes on a socket, in a thread.

    :returns: a function that closes the socket
    """

    class Serving(_Manager):
        pass

    Serving.register("hypervisor", callable=lambda: hypervisor)
    server = Serving(address=address, authkey=_AUTHKEY).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    listener: Any = server.listener  # type: ignore[attr-defined]
    return lambda: listener.close()


def connect(address: str) -> Hypervisor:
    """Connect to a hypervisor that :func:`serve` serves."""
    _Manager.register("hypervisor")
    manager = _Manager(address=address, authkey=_AUTHKEY)
    manager.connect()
    found: Hypervisor = manager.hypervisor()  # type: ignore[attr-defined]
    return found
