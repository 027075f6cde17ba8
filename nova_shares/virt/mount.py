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

"""The agent's side of the mounts: reads the mount table, calls the helper.

Each mapping has one mount, ``<base>/<mapping uuid>``. The mount table tells
what is mounted; that a directory exists does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_utils import uuidutils

from nova_shares import exception
from nova_shares.mapping import ShareMapping
from nova_shares.mounts import child
from nova_shares.mounts import config as mount_config
from nova_shares.mounts import location
from nova_shares.mounts import process_table
from nova_shares.virt import driver

#: Seconds that the helper may take beyond three times its limit; it ends by
#: itself before that.
_GRACE = 65.0
#: Seconds until a server that did not answer is asked again.
_SILENCE = 30.0


def protocols(config: mount_config.Config) -> tuple[str, ...]:
    """List the protocols that this host has the programs for."""
    fuse = config.cephfs_client == "fuse"
    programs = {
        location.NFS: "mount.nfs",
        location.CEPHFS: "ceph-fuse" if fuse else "mount.ceph",
    }
    return tuple(
        protocol
        for protocol, program in programs.items()
        if shutil.which(program, path=child.ENV["PATH"])
    )


def helper_command(text: str) -> list[str]:
    """Read ``[hypervisor] mount_helper``.

    :raises oslo_config.cfg.Error: if a quotation is not closed
    """
    try:
        return shlex.split(text)
    except ValueError as e:
        raise cfg.ConfigFileValueError(
            f"[hypervisor] mount_helper: {e}"
        ) from e


class Mounts:
    """The mounts of the mappings of this host.

    :param helper: the command that runs the helper as root, e.g.
        ``["sudo", "-n", "nova-shares-mount-helper"]``
    """

    def __init__(
        self, config: mount_config.Config, helper: Sequence[str]
    ) -> None:
        self._config = config
        self._helper = list(helper)
        self._hanging: dict[str, subprocess.Popen[bytes]] = {}
        self._silent: dict[str, float] = {}

    def path(self, uuid: str) -> str:
        """Return the mount point of a mapping."""
        return f"{self._config.base}/{uuid}"

    def listed(self) -> set[str]:
        """List the UUIDs of the mappings that have a mount or its directory.

        A guest with a device of an empty directory writes to the disk of
        the host.
        """
        found = [name for name, _ in self._ours()]
        with contextlib.suppress(FileNotFoundError):
            found += os.listdir(self._config.base)
        return {name for name in found if uuidutils.is_uuid_like(name)}

    def of_export(self, m: ShareMapping) -> set[str]:
        """List the UUIDs of the mappings that have the same export mounted."""
        try:
            export = location.parse(m.share_proto, m.export_location)
        except location.BadLocation:
            return set()
        return {
            name
            for name, mount in self._ours()
            if export.is_mounted_as(mount.fstype, mount.source)
        }

    def _ours(self) -> Iterator[tuple[str, process_table.Mount]]:
        for mount in process_table.mounts():
            base, _, name = mount.target.rpartition("/")
            if base == self._config.base:
                yield name, mount

    def is_mounted(self, m: ShareMapping) -> bool:
        """Return whether the share is mounted and the mount is not dead.

        Another file system on the mount point does not count; the helper
        refuses to mount over it.
        """
        mount = self._there(m.uuid)
        if mount is None:
            return False
        try:
            export = location.parse(m.share_proto, m.export_location)
        except location.BadLocation:
            return False
        return export.is_mounted_as(
            mount.fstype, mount.source
        ) and not self._is_dead(mount)

    def is_dead(self, m: ShareMapping) -> bool:
        """Return whether there is a mount and it is dead."""
        mount = self._there(m.uuid)
        return mount is not None and self._is_dead(mount)

    def mount(
        self, m: ShareMapping, identity: Optional[driver.CephxIdentity]
    ) -> None:
        """Mount the share; a dead mount is replaced."""
        try:
            location.parse(m.share_proto, m.export_location)
        except location.BadLocation as e:
            raise exception.StepFailed(str(e), retry=False) from e
        document = {
            "mapping": m.uuid,
            "protocol": m.share_proto,
            "export_location": m.export_location,
        }
        if identity is not None:
            document.update(name=identity.name, key=identity.key)
            if identity.file_system is not None:
                document["fs"] = identity.file_system
        self._call("mount", document)
        if not self.is_mounted(m):
            raise exception.StepFailed(
                "The helper mounted the share, but the agent does not see "
                "it: they run in different mount namespaces."
            )

    def unmount(self, uuid: str) -> None:
        """Unmount the share and wait until its client has ended."""
        self._call("unmount", {"mapping": uuid})
        if self._there(uuid) is not None:
            raise exception.StepFailed("The share is still mounted.")

    def has_remains(self, uuid: str) -> bool:
        """Return whether :meth:`unmount` has anything to remove."""
        return self._there(uuid) is not None or os.path.lexists(
            self.path(uuid)
        )

    def check_seen(self, uuid: str, daemon: Optional[int] = None) -> None:
        """Make sure that libvirt sees the mount.

        :param daemon: the pid at the other end of the connection to libvirt
        :raises nova_shares.exception.StepFailed: if it does not
        """
        try:
            seen = process_table.is_seen(self.path(uuid), daemon)
        except PermissionError:
            seen = self.ask_seen(uuid, daemon)
        if seen is None:
            raise exception.StepFailed(
                "Found no libvirtd or virtqemud among the processes."
            )
        if not seen:
            raise exception.StepFailed(
                "libvirt does not see the mount: the guest would write to "
                "the disk of the host. Run the agent in the mount namespace "
                "of libvirt.",
                retry=False,
            )

    def ask_seen(
        self, uuid: str, daemon: Optional[int] = None
    ) -> Optional[bool]:
        """Ask the helper whether libvirt sees the mount of a mapping.

        :returns: None: there is no libvirt daemon
        """
        document = {"mapping": uuid}
        if daemon is not None:
            document["peer"] = str(daemon)
        seen: Optional[bool] = self._call("seen", document)["seen"]
        return seen

    def is_served(self, uuid: str, found: list[process_table.Process]) -> bool:
        """Return whether the virtiofsd of a mapping works, if visible.

        :param found: the processes of the host
        """
        if not process_table.daemons(found):
            return True  # Processes of other users are hidden.
        path = self.path(uuid)
        pids = process_table.servers(found, path)
        return bool(pids) and not any(map(process_table.is_stopped, pids))

    def check_not_stopped(
        self, uuid: str, found: list[process_table.Process]
    ) -> None:
        """Make sure that the virtiofsd of a mapping is not stopped.

        A guest cannot release a device whose virtiofsd does not answer.

        :raises nova_shares.exception.StepFailed: if it is stopped
        """
        path = self.path(uuid)
        pids = [
            str(pid)
            for pid in process_table.servers(found, path)
            if process_table.is_stopped(pid)
        ]
        if pids:
            raise exception.StepFailed(
                "The virtiofsd of the device is stopped. Continue it with "
                f"'kill -CONT {' '.join(pids)}'."
            )

    def _there(self, uuid: str) -> Optional[process_table.Mount]:
        return process_table.at(process_table.mounts(), self.path(uuid))

    def _is_dead(self, mount: process_table.Mount) -> bool:
        """Return whether a mount is dead; a hanging one is not.

        The other mounts of a server that hangs are not looked at for a
        while: each would take a second.
        """
        server = mount.source.partition(":/")[0]
        if time.monotonic() < self._silent.get(server, 0.0):
            return False
        dead = child.is_dead(mount.target, self._hanging)
        if mount.target in self._hanging:
            self._silent[server] = time.monotonic() + _SILENCE
        return dead

    def _call(self, verb: str, document: dict[str, str]) -> dict[str, Any]:
        limit = 3 * self._config.timeout + _GRACE
        try:
            result = child.run(
                [*self._helper, verb], limit, json.dumps(document).encode()
            )
        except child.TimedOut:
            raise exception.StepFailed(
                f"The mount helper did not finish within {limit:g} seconds."
            ) from None
        except OSError as e:
            raise exception.StepFailed(
                f"Cannot run the mount helper: {e.strerror}."
            ) from e
        # sudo may print warnings before it.
        said = result.output.strip().rpartition("\n")[2]
        try:
            answer = json.loads(said)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise exception.StepFailed(
                f"The mount helper failed ({result.code}): {result.last_line}"
            )
        if "error" in answer:
            raise exception.StepFailed(str(answer["error"]))
        return answer
