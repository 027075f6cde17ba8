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

"""nova-shares-compute --check: the requirements that this host lacks.

It changes nothing but for a queue of its own at the broker, and may be run
beside a running agent, as the agent's user.
"""

from __future__ import annotations

from collections.abc import Iterator
import configparser
import os
import socket
import threading
from typing import Any
from typing import Callable

from oslo_config import cfg
from oslo_context import context
from oslo_utils import uuidutils

from nova_shares import exception
from nova_shares import rpc
from nova_shares import virt
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.db import store as db_store
from nova_shares.mounts import config as mount_config
from nova_shares.mounts import process_table
from nova_shares.virt import mount
from nova_shares.virt import nova_conf

#: Seconds that a broker, a database or a libvirt may take.
_LIMIT = 10.0


def findings(conf: cfg.ConfigOpts) -> Iterator[tuple[bool, str]]:
    """Look at all that the agent needs, one after the other.

    :returns: pairs of whether it is well, and a sentence
    """
    checks: list[Callable[[cfg.ConfigOpts], str]] = [
        _database,
        _broker,
        _manila,
        _nova,
        _state,
    ]
    if conf.compute.virt_driver is None:
        yield False, "[compute] virt_driver is not set. Set it to libvirt."
    if conf.compute.virt_driver == "libvirt":
        checks += [_host, _libvirt, _ports, _helper, _protocols, _propagation]
    for check in checks:
        try:
            yield True, check(conf)
        except Unknown as e:
            yield True, str(e)
        except (Missing, nova_conf.Unreadable) as e:
            yield False, str(e)
        except Exception as e:
            name = check.__name__.strip("_")
            yield False, f"The {name} check fails: {_short(e)}"


class Missing(Exception):
    """The sentence that says what is missing."""


class Unknown(Exception):
    """The sentence that says what cannot be checked, but is not needed."""


def _database(conf: cfg.ConfigOpts) -> str:
    found = _within(db_store.Store.from_conf(conf).database_id)
    return f"The database responds. Its ID is {found}."


def _broker(conf: cfg.ConfigOpts) -> str:
    """Send a message to this process, by a queue that no agent has."""
    host, wanted = f"{conf.host}.check", uuidutils.generate_uuid()
    heard = threading.Event()

    def reconcile(uuid: str, generation: int) -> None:
        if uuid == wanted:
            heard.set()

    server = rpc.get_server(conf, host, reconcile)
    _within(server.start)
    client = rpc.get_client(conf).prepare(server=host)
    try:
        _within(
            lambda: client.cast(
                context.RequestContext(),
                "reconcile",
                mapping_uuid=wanted,
                generation=1,
            )
        )
        if not heard.wait(_LIMIT):
            raise Missing(
                "The message broker accepts a message but does not deliver it."
            )
    finally:
        # A broker that is away is dialled again and again.
        threading.Thread(target=server.stop, daemon=True).start()
    return "The message broker delivers messages to this host."


def _manila(conf: cfg.ConfigOpts) -> str:
    if manila.Shares(conf).share_exists(uuidutils.generate_uuid()):
        raise Missing("Manila returns a share for a random UUID.")
    return "Manila responds, and the service user is an administrator."


def _nova(conf: cfg.ConfigOpts) -> str:
    try:
        nova.rest_servers(conf).find(uuidutils.generate_uuid())
    except exception.ServerNotFound:
        return "Nova responds, and the service user is an administrator."
    raise Missing("Nova returns a server for a random UUID.")


def _state(conf: cfg.ConfigOpts) -> str:
    os.makedirs(conf.state_path, exist_ok=True)
    if not os.access(conf.state_path, os.W_OK | os.X_OK):
        raise Missing(f"state_path {conf.state_path} is not writable.")
    return f"state_path {conf.state_path} is writable."


def _nova_conf(conf: cfg.ConfigOpts) -> configparser.ConfigParser:
    """Read nova.conf, which the agent can do without.

    :raises Unknown: it cannot be read, and the agent does not need it
    """
    try:
        return nova_conf.read(conf.hypervisor.nova_conf)
    except nova_conf.Unreadable as e:
        if conf.hypervisor.file_backed_memory == "auto":
            raise
        raise Unknown(
            f"{e} Compare [DEFAULT] host and [libvirt] num_pcie_ports with it"
            " yourself."
        ) from e


def _host(conf: cfg.ConfigOpts) -> str:
    theirs = _nova_conf(conf).get(
        "DEFAULT", "host", fallback=socket.gethostname()
    )
    if theirs != conf.host:
        raise Missing(
            f"[DEFAULT] host is {conf.host}, but nova-compute has {theirs}. "
            "Set the same value."
        )
    return f"[DEFAULT] host is {theirs}, as for nova-compute."


def _libvirt(conf: cfg.ConfigOpts) -> str:
    driver = virt.load(conf)
    try:
        told = driver.capabilities()
    finally:
        driver.close()
    if not told.virtiofs:
        raise Missing(
            "Guests cannot have virtiofs devices: libvirt 9.0, QEMU 7.2 and "
            "virtiofsd, or later versions, are required."
        )
    if not told.file_backed_memory:
        return (
            "Only guests with huge pages can have virtiofs devices: "
            "[libvirt] file_backed_memory is not set in nova.conf."
        )
    return "Guests can have virtiofs devices, and all have shared memory."


def _ports(conf: cfg.ConfigOpts) -> str:
    ports = _nova_conf(conf).getint("libvirt", "num_pcie_ports", fallback=0)
    if not ports:
        raise Missing(
            "[libvirt] num_pcie_ports is not set in nova.conf: a q35 guest "
            "has no free port for a share."
        )
    return f"q35 guests have {ports} PCI ports for all devices."


def _helper(conf: cfg.ConfigOpts) -> str:
    options = conf.hypervisor
    mounts = mount.Mounts(
        mount_config.load(options.mount_helper_config),
        mount.helper_command(options.mount_helper),
    )
    try:
        libvirt = mounts.ask_seen(uuidutils.generate_uuid())
    except exception.StepFailed as e:
        raise Missing(f"{e.message} Check the sudoers file.") from e
    if libvirt is None:
        raise Missing(
            "The mount helper does not see libvirtd or virtqemud. It must "
            "share their process and mount namespaces."
        )
    return "The mount helper runs as root and sees the libvirt daemon."


def _protocols(conf: cfg.ConfigOpts) -> str:
    config = mount_config.load(conf.hypervisor.mount_helper_config)
    found = mount.protocols(config)
    if not found:
        raise Missing(
            "No client is installed: neither NFS (nfs-common) nor CephFS "
            "(ceph-common or ceph-fuse)."
        )
    return f"Shares of {' and '.join(found)} can be mounted."


def _propagation(conf: cfg.ConfigOpts) -> str:
    base = mount_config.load(conf.hypervisor.mount_helper_config).base
    if not process_table.is_shared(process_table.mounts(), base):
        raise Missing(
            f"Mounts below {base} are private, so a guest keeps a share that "
            "is unmounted on the host. If this is not a sandbox, run mount "
            "--make-rshared / on the host."
        )
    return f"Mounts below {base} are shared with guests."


def _within(action: Callable[[], Any]) -> Any:
    """Do what may hang, for so long.

    :raises Missing: after that
    """
    result: list[Any] = []

    def act() -> None:
        try:
            result.append((action(), None))
        except Exception as e:
            result.append((None, e))

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(_LIMIT)
    if not result:
        raise TimeoutError(f"no answer within {_LIMIT:g} seconds")
    value, error = result[0]
    if error is not None:
        raise error
    return value


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]:.300}"
