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

"""Guests of libvirt and QEMU, with devices that virtiofsd serves.

A device is attached to the running guest only, because Nova rewrites the
definition of a guest at each start. Only the XML of the running guest proves
that a device is there or gone; a successful call to libvirt does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import time
from typing import Any
from typing import Callable
from typing import Optional

import libvirt  # type: ignore[import-not-found,import-untyped,unused-ignore]
from oslo_config import cfg
from oslo_log import log as logging

from nova_shares import exception
from nova_shares.mapping import Capabilities
from nova_shares.mapping import ShareMapping
from nova_shares.mounts import config as mount_config
from nova_shares.mounts import process_table
from nova_shares.virt import connection
from nova_shares.virt import domain_xml
from nova_shares.virt import driver
from nova_shares.virt import mount
from nova_shares.virt import nova_conf

LOG = logging.getLogger(__name__)

#: Minimum versions, tested.
MIN_LIBVIRT = 9_000_000
MIN_QEMU = 7_002_000
#: Seconds that a guest has to release a device that is to be replaced.
_LETTING_GO = 5.0
#: Seconds until a guest is asked again: it loses a request in early boot.
_ASK_AGAIN = 3.0
#: Errors of QEMU while an earlier request is in progress.
_UNDER_WAY = ("already in the process of unplug", "is busy")


class LibvirtDriver(driver.Driver):
    """The guests of libvirt on this host."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        options = conf.hypervisor
        try:
            config = mount_config.load(options.mount_helper_config)
        except mount_config.BadConfig as e:
            raise cfg.Error(str(e)) from e
        helper = mount.helper_command(options.mount_helper)
        self._mounts = mount.Mounts(config, helper)
        self._protocols = mount.protocols(config)
        self._changed: Optional[Callable[[str], None]] = None
        self._capabilities = Capabilities((), False, False)
        self._asked: dict[str, float] = {}
        self._connection = connection.Connection(
            options.connection_uri, self._happened, self._opened
        )

    # The host and its guests.

    def capabilities(self) -> Capabilities:
        self._connection.get()
        return self._capabilities

    def _opened(self, conn: Any) -> None:
        version, qemu = conn.getLibVersion(), conn.getVersion()
        virtiofs = (
            version >= MIN_LIBVIRT
            and qemu >= MIN_QEMU
            and domain_xml.has_virtiofs(conn.getDomainCapabilities())
            and domain_xml.has_virtiofsd()
        )
        self._capabilities = Capabilities(
            protocols=self._protocols,
            virtiofs=virtiofs,
            file_backed_memory=nova_conf.file_backed_memory(self._conf),
        )
        LOG.info("libvirt %d, QEMU %d: %s", version, qemu, self._capabilities)

    def domains(self) -> dict[str, bool]:
        conn = self._connection.get()
        found = {}
        with _explained("cannot list the guests"):
            # A guest that starts between the two calls counts as running.
            for flag, runs in (
                (libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE, False),
                (libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE, True),
            ):
                for domain in conn.listAllDomains(flag):
                    found[domain.UUIDString()] = runs
        return found

    def is_running(self, instance_uuid: str) -> Optional[bool]:
        domain = self._find(instance_uuid)
        if domain is None:
            return None
        with _explained("cannot look at the guest"):
            return bool(domain.isActive())

    def listen(self, changed: Callable[[str], None]) -> None:
        self._changed = changed
        self._connection.get()

    def _happened(self, instance_uuid: str) -> None:
        if self._changed is not None:
            self._changed(instance_uuid)

    def close(self) -> None:
        self._connection.close()

    # Mounts.

    def is_mounted(self, mapping: ShareMapping) -> bool:
        return self._mounts.is_mounted(mapping)

    def mount(
        self,
        mapping: ShareMapping,
        identity: Optional[driver.CephxIdentity],
    ) -> None:
        device = self._device(mapping)
        if device is not None and self._mounts.is_dead(mapping):
            # virtiofsd holds the dead mount, so the guest needs a new
            # device. The old one goes first, because a mount that a guest
            # has a device of is never unmounted.
            self._replace(mapping, device, "The mount of the share is dead")
        self._mounts.mount(mapping, identity)

    def unmount(self, mapping: ShareMapping) -> None:
        if not self._mounts.has_remains(mapping.uuid):
            return
        if self._device(mapping) is not None:
            raise exception.StepFailed("The guest still has the device.")
        if self.is_saved(mapping):
            raise exception.StepFailed(
                "The saved image of the guest has the device. Start the "
                "guest, or remove the image with 'virsh managedsave-remove'."
            )
        self._asked.pop(mapping.uuid, None)
        self._mounts.unmount(mapping.uuid)

    def mounted(self) -> set[str]:
        return self._mounts.listed()

    def mounts_of_export(self, mapping: ShareMapping) -> set[str]:
        return self._mounts.of_export(mapping)

    def unmount_leftover(self, uuid: str) -> None:
        path = self._mounts.path(uuid)
        conn = self._connection.get()
        with _explained("cannot list the guests"):
            domains = conn.listAllDomains()
        for domain in domains:
            devices = _devices(domain) + _saved_devices(domain)
            if any(d.source == path for d in devices):
                raise exception.StepFailed(
                    f"Guest {domain.UUIDString()} still has a device of the "
                    "mount."
                )
        self._mounts.unmount(uuid)

    # Devices.

    def is_plugged(self, mapping: ShareMapping) -> bool:
        return self._device(mapping) is not None

    def is_saved(self, mapping: ShareMapping) -> bool:
        domain = self._find(mapping.instance_uuid)
        path = self._mounts.path(mapping.uuid)
        return domain is not None and any(
            device.source == path for device in _saved_devices(domain)
        )

    def works(self, mappings: Sequence[ShareMapping]) -> set[str]:
        found = process_table.processes() if mappings else []
        working = set()
        for mapping in mappings:
            try:
                works = self._works(mapping, found)
            except exception.StepFailed as e:
                LOG.warning("Cannot check mapping %s: %s", mapping.uuid, e)
                works = True
            if works:
                working.add(mapping.uuid)
        return working

    def _works(
        self, mapping: ShareMapping, found: list[process_table.Process]
    ) -> bool:
        device = self._device(mapping)
        return (
            device is not None
            and device.tag == mapping.tag
            and self._mounts.is_served(mapping.uuid, found)
            and self._mounts.is_mounted(mapping)
        )

    def plug(self, mapping: ShareMapping) -> None:
        domain = self._find(mapping.instance_uuid)
        if domain is None:
            raise exception.Conflict(uuid=mapping.uuid)
        path = self._mounts.path(mapping.uuid)
        for device in _devices(domain):
            if device.source == path and device.tag == mapping.tag:
                found = process_table.processes()
                if self._mounts.is_served(mapping.uuid, found):
                    return
                self._mounts.check_not_stopped(mapping.uuid, found)
                self._replace(
                    mapping, device, "The virtiofsd of the device is dead"
                )
            elif path == device.source or mapping.tag == device.tag:
                raise exception.StepFailed(
                    f"The guest has another device with tag {device.tag}, "
                    f"of {device.source}."
                )
        self._mounts.check_seen(mapping.uuid, connection.daemon())
        try:
            domain.attachDeviceFlags(
                domain_xml.device(path, mapping.tag),
                libvirt.VIR_DOMAIN_AFFECT_LIVE,
            )
        except libvirt.libvirtError as e:
            if _is_gone(e):
                raise exception.Conflict(uuid=mapping.uuid) from e
            with _explained("cannot look at the guest"):
                xml = domain.XMLDesc()
            raise _refused(e, xml) from e
        self._asked.pop(mapping.uuid, None)

    def unplug(self, mapping: ShareMapping) -> None:
        device = self._device(mapping)
        domain = self._find(mapping.instance_uuid)
        if device is None or domain is None:
            self._asked.pop(mapping.uuid, None)
            return
        now = time.monotonic()
        if now - self._asked.get(mapping.uuid, -_ASK_AGAIN) < _ASK_AGAIN:
            return
        self._mounts.check_not_stopped(mapping.uuid, process_table.processes())
        self._asked[mapping.uuid] = now
        LOG.debug(
            "Mapping %s: asking the guest to release the device", mapping.uuid
        )
        try:
            # Does not wait for the guest, as detachDevice does.
            domain.detachDeviceAlias(
                device.alias, libvirt.VIR_DOMAIN_AFFECT_LIVE
            )
        except libvirt.libvirtError as e:
            if _is_gone(e) or any(text in str(e) for text in _UNDER_WAY):
                LOG.debug("Mapping %s: unplug: %s", mapping.uuid, e)
                return
            raise _failed("cannot detach the device", e) from e

    def _replace(
        self, mapping: ShareMapping, device: domain_xml.Filesystem, why: str
    ) -> None:
        """Detach a device that no longer works."""
        LOG.warning(
            "Mapping %s: %s; replacing the device with tag %s",
            mapping.uuid,
            why,
            device.tag,
        )
        until = time.monotonic() + _LETTING_GO
        self.unplug(mapping)
        while self._device(mapping) is not None:
            if time.monotonic() > until:
                raise exception.StepFailed(
                    f"{why}, and the guest does not release the device. Stop "
                    "or reset the guest to use the share again."
                )
            time.sleep(0.1)
            self.unplug(mapping)

    def _device(
        self, mapping: ShareMapping
    ) -> Optional[domain_xml.Filesystem]:
        """Return the device of a mapping in its running guest."""
        domain = self._find(mapping.instance_uuid)
        if domain is None:
            return None
        path = self._mounts.path(mapping.uuid)
        for device in _devices(domain):
            if device.source == path:
                return device
        return None

    def _find(self, instance_uuid: str) -> Optional[Any]:
        conn = self._connection.get()
        try:
            return conn.lookupByUUIDString(instance_uuid)
        except libvirt.libvirtError as e:
            if _is_gone(e):
                return None
            raise _failed("cannot look up the guest", e) from e


def _devices(domain: Any) -> list[domain_xml.Filesystem]:
    """List the devices of a guest if it runs."""
    try:
        if not domain.isActive():
            return []
        return domain_xml.filesystems(domain.XMLDesc())
    except libvirt.libvirtError as e:
        if _is_gone(e):
            return []
        raise _failed("cannot look at the guest", e) from e


def _saved_devices(domain: Any) -> list[domain_xml.Filesystem]:
    """List the devices in the saved image of a guest that does not run."""
    try:
        if domain.isActive() or not domain.hasManagedSaveImage():
            return []
        return domain_xml.filesystems(domain.managedSaveGetXMLDesc())
    except libvirt.libvirtError as e:
        if _is_gone(e):
            return []
        raise _failed("cannot look at the saved image", e) from e


def _is_gone(error: libvirt.libvirtError) -> bool:
    """Return whether the guest or device is gone."""
    return error.get_error_code() in (
        libvirt.VIR_ERR_NO_DOMAIN,
        libvirt.VIR_ERR_OPERATION_INVALID,
        libvirt.VIR_ERR_DEVICE_MISSING,
    )


def _refused(error: libvirt.libvirtError, xml: str) -> exception.StepFailed:
    """Explain why a device cannot be attached, and what to do."""
    text = str(error)
    if "requires shared memory" in text:
        if domain_xml.has_shared_memory(xml):
            # libvirt 9.0, for guests without NUMA cells.
            return exception.StepFailed(
                "libvirt was restarted and no longer knows that the memory of "
                "the guest is shared. Stop and start the server.",
                retry=False,
            )
        return exception.StepFailed(
            "The guest does not share its memory with the host, which "
            "virtiofs requires. Set file_backed_memory in [libvirt] of "
            "nova.conf, or hw:mem_page_size of the flavor for huge pages, "
            "then stop and start the server.",
            retry=False,
        )
    if "No more available PCI slots" in text:
        return exception.StepFailed(
            "The guest has no free PCI port for the device. Raise "
            "num_pcie_ports in [libvirt] of nova.conf, then stop and start "
            "the server."
        )
    return _failed("cannot attach the device", error)


def _failed(what: str, error: libvirt.libvirtError) -> exception.StepFailed:
    return exception.StepFailed(f"libvirt: {what}: {error}.")


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as e:
        raise _failed(what, e) from e
