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

"""Nova's part of the cloud: flavors, images, servers and their states."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from typing import Any
from typing import Callable
from typing import Optional
import uuid

from oslo_log import log as logging

from nova_shares_devcloud import directory
from nova_shares_devcloud import wire

LOG = logging.getLogger(__name__)

#: Called with a server's id and what happens to its domain: ``create``,
#: ``start``, ``stop`` or ``delete``.
PowerListener = Callable[[str, str], None]


@dataclasses.dataclass(frozen=True)
class Flavor:
    """A flavor."""

    id: str
    name: str
    extra_specs: dict[str, str]
    vcpus: int = 1
    ram: int = 64
    disk: int = 1


@dataclasses.dataclass
class Server:
    """A server; its states are Nova's."""

    id: str
    name: str
    project_id: str
    user_id: str
    flavor: Flavor
    image_id: str
    host: Optional[str]
    vm_state: str = "building"
    task_state: Optional[str] = None
    locked: bool = False
    deleted: bool = False
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    created: datetime.datetime = dataclasses.field(default_factory=wire.now)
    updated: datetime.datetime = dataclasses.field(default_factory=wire.now)


@dataclasses.dataclass(frozen=True)
class Action:
    """What an action needs, does and leaves.

    :ivar name: Nova's word for it in a refusal
    :ivar needs: the states in which it may be asked for; none: all
    :ivar events: what happens to the domain
    """

    name: str
    needs: tuple[str, ...]
    task: str
    events: tuple[str, ...]
    leaves: str
    status: int = 202


_ANY_ON = ("active", "paused", "suspended")
ACTIONS = {
    "os-start": Action(
        "start", ("stopped",), "powering-on", ("start",), "active"
    ),
    "os-stop": Action(
        "stop", ("active", "error"), "powering-off", ("stop",), "stopped"
    ),
    "reboot": Action(
        "reboot",
        ("active", "stopped", "paused", "suspended", "error"),
        "rebooting",
        ("stop", "start"),
        "active",
    ),
    "pause": Action("pause", ("active",), "pausing", (), "paused"),
    "unpause": Action("unpause", ("paused",), "unpausing", (), "active"),
    "suspend": Action(
        "suspend", ("active",), "suspending", ("stop",), "suspended"
    ),
    "resume": Action(
        "resume", ("suspended",), "resuming", ("start",), "active"
    ),
    "rescue": Action(
        "rescue",
        ("active", "stopped", "error"),
        "rescuing",
        ("stop", "start"),
        "rescued",
        200,
    ),
    "unrescue": Action(
        "unrescue", ("rescued",), "unrescuing", ("stop", "start"), "active"
    ),
    "shelve": Action(
        "shelve",
        (*_ANY_ON, "stopped"),
        "shelving",
        ("stop",),
        "shelved_offloaded",
    ),
    "shelveOffload": Action(
        "shelveOffload",
        ("shelved",),
        "shelving_offloading",
        (),
        "shelved_offloaded",
    ),
    "resize": Action(
        "resize", ("active", "stopped"), "resize_prep", (), "resized"
    ),
    "migrate": Action(
        "migrate", ("active", "stopped"), "resize_prep", (), "resized"
    ),
    "os-migrateLive": Action(
        "os-migrateLive", ("active", "paused"), "migrating", (), "active"
    ),
    "rebuild": Action(
        "rebuild",
        ("active", "stopped", "error"),
        "rebuilding",
        ("stop", "start"),
        "active",
    ),
    "evacuate": Action(
        "evacuate",
        ("active", "stopped", "error"),
        "rebuilding",
        ("stop", "start"),
        "active",
        200,
    ),
    "forceDelete": Action(
        "forceDelete", (), "deleting", ("delete",), "deleted"
    ),
    "delete": Action("delete", (), "deleting", ("delete",), "deleted", 204),
}


class Servers:
    """Servers, and who listens to what becomes of them.

    :param who: whose they are
    :param host: where servers are, unless said otherwise
    """

    def __init__(self, who: directory.Directory, host: str) -> None:
        self.lock = who.lock
        self._who = who
        self.host = host
        #: How long things take, in seconds.
        self.delays: dict[str, float] = dict.fromkeys(
            ("power", "build", "delete"), 0.0
        )
        self.servers: dict[str, Server] = {}
        self.flavors: dict[str, Flavor] = {}
        self.images = {wire.stable_id("image", "disk"): "disk"}
        self._listeners: list[PowerListener] = []
        self._timers: list[threading.Timer] = []
        self.create_flavor("m1.tiny")
        self.create_flavor("m1.hugepages", {"hw:mem_page_size": "large"})
        self.create_flavor("m1.smallpages", {"hw:mem_page_size": "small"})

    def create_flavor(
        self, name: str, extra_specs: Optional[dict[str, str]] = None
    ) -> Flavor:
        """Make a flavor."""
        flavor = Flavor(
            wire.stable_id("flavor", name), name, dict(extra_specs or {})
        )
        with self.lock:
            self.flavors[flavor.id] = flavor
        return flavor

    def create_server(
        self,
        name: str,
        project: str = "demo",
        flavor: str = "m1.tiny",
        vm_state: str = "active",
        **fields: Any,
    ) -> Server:
        """Make a server that is ready when this returns.

        :param fields: others of :class:`Server`, e.g. ``host``
        """
        values: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "project_id": self._who.projects[project].id,
            "user_id": self._who.users["member"].id,
            "flavor": next(
                f for f in self.flavors.values() if f.name == flavor
            ),
            "image_id": next(iter(self.images)),
            "host": self.host,
            **fields,
        }
        server = Server(name=name, **values)
        with self.lock:
            self.servers[server.id] = server
        self._finish(server, self._birth(vm_state))
        return server

    def build_server(self, server: Server) -> None:
        """Make a server as Nova does: it is there at once, and built later."""
        with self.lock:
            self.servers[server.id] = server
            server.task_state = "spawning"
        self._later("build", server, self._birth("active"))

    @staticmethod
    def _birth(vm_state: str) -> Action:
        runs = vm_state in ("active", "paused", "rescued")
        events = ("create", "start") if runs else ("create",)
        return Action("create", (), "spawning", events, vm_state)

    def set_server(self, server_id: str, **fields: Any) -> None:
        """Set what the database says of a server; no domain is touched."""
        wire.set_fields(self.lock, self.servers[server_id], fields)

    def act(self, server_id: str, key: str, by_admin: bool = False) -> Action:
        """Do what an action says.

        :raises wire.Refusal: 409 when the server is in no state for it
        """
        action = ACTIONS[key]
        server = self.servers[server_id]
        with self.lock:
            problem = _problem(server, action, by_admin)
            if problem:
                raise wire.Refusal(409, problem)
            server.task_state = action.task
        delay = "delete" if action.leaves == "deleted" else "power"
        self._later(delay, server, action)
        return action

    def on_power(self, listener: PowerListener) -> None:
        """Have somebody told of what happens to domains.

        A listener is called in the thread that makes the change, before the
        server's state says so. If it raises, the server goes to ``error``.
        """
        self._listeners.append(listener)

    def close(self) -> None:
        """Stop waiting for what was to happen later."""
        for timer in self._timers:
            timer.cancel()

    def _later(self, delay: str, server: Server, action: Action) -> None:
        seconds = self.delays[delay]
        if seconds <= 0:
            self._finish(server, action)
            return
        timer = threading.Timer(seconds, self._finish, (server, action))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _finish(self, server: Server, action: Action) -> None:
        leaves = action.leaves
        try:
            if not server.deleted:
                for event in action.events:
                    for listener in self._listeners:
                        listener(server.id, event)
        except Exception:
            LOG.exception("%s of server %s failed", action.name, server.id)
            leaves = "error"
        with self.lock:
            if server.deleted:
                return
            server.vm_state = leaves
            server.task_state = None
            server.deleted = leaves == "deleted"
            server.updated = wire.now()
            if leaves == "shelved_offloaded":
                server.host = None


def _problem(server: Server, action: Action, by_admin: bool) -> Optional[str]:
    if server.locked and not by_admin:
        return f"Instance {server.id} is locked"
    start = f"Cannot '{action.name}' instance {server.id} while it is in "
    if action.needs and server.vm_state not in action.needs:
        return f"{start}vm_state {server.vm_state}"
    if action.needs and server.task_state is not None:
        return f"{start}task_state {server.task_state}"
    return None
