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

"""The agent's side of the mounts: looks itself, has root's helper act.

One mount a mapping, ``<base>/<mapping uuid>``. What is mounted is read from
the mount table, never concluded from a directory that exists.
"""

from __future__ import annotations

from collections.abc import Sequence
import json
import os
import shutil
import subprocess
from typing import Any
from typing import Optional

from oslo_utils import uuidutils

from nova_shares import exception
from nova_shares.mapping import ShareMapping
from nova_shares.mounts import child
from nova_shares.mounts import config as mount_config
from nova_shares.mounts import location
from nova_shares.mounts import process_table
from nova_shares.virt import driver

#: What the helper may take beyond three limits of a mount, in seconds: it
#: ends by itself before.
_GRACE = 65.0


def protocols(config: mount_config.Config) -> tuple[str, ...]:
    """List the protocols for which this host has the programs."""
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


class Mounts:
    """The mounts of this host's mappings.

    :param helper: the command that runs the helper as root, e.g.
        ``["sudo", "-n", "nova-shares-mount-helper"]``
    """

    def __init__(
        self, config: mount_config.Config, helper: Sequence[str]
    ) -> None:
        self._config = config
        self._helper = list(helper)
        self._hanging: dict[str, subprocess.Popen[bytes]] = {}

    def path(self, uuid: str) -> str:
        """Tell where a mapping's share is, or would be, mounted."""
        return f"{self._config.base}/{uuid}"

    def listed(self) -> set[str]:
        """List the mappings by uuid that have a mount, of whatever."""
        found = set()
        for mount in process_table.mounts():
            base, _, name = mount.target.rpartition("/")
            if base == self._config.base and uuidutils.is_uuid_like(name):
                found.add(name)
        return found

    def is_mounted(self, m: ShareMapping) -> bool:
        """Tell whether the mapping's share is mounted, and its client lives.

        Something else that is mounted there is not it; the helper will not
        mount over that.
        """
        mount = self._there(m.uuid)
        if mount is None:
            return False
        try:
            place = location.parse(m.share_proto, m.export_location)
        except location.BadLocation:
            return False
        return place.is_mounted_as(
            mount.fstype, mount.source
        ) and not self._is_dead(mount)

    def is_dead(self, m: ShareMapping) -> bool:
        """Tell whether there is a mount whose client has died."""
        mount = self._there(m.uuid)
        return mount is not None and self._is_dead(mount)

    def mount(
        self, m: ShareMapping, identity: Optional[driver.CephxIdentity]
    ) -> None:
        """Mount; a mount whose client has died is replaced."""
        try:
            location.parse(m.share_proto, m.export_location)
        except location.BadLocation as e:
            raise exception.StepFailed(
                f"The export location can't be mounted. {e}", retry=False
            ) from e
        document = {
            "mapping": m.uuid,
            "protocol": m.share_proto,
            "export_location": m.export_location,
        }
        if identity is not None:
            document.update(name=identity.name, key=identity.key)
        self._call("mount", document)
        if not self.is_mounted(m):
            raise exception.StepFailed(
                "The helper has mounted the share, and the agent does not "
                "see it: they run in different mount namespaces."
            )

    def unmount(self, uuid: str) -> None:
        """Unmount, and see the client end."""
        self._call("unmount", {"mapping": uuid})
        if self._there(uuid) is not None:
            raise exception.StepFailed("The share is still mounted.")

    def has_remains(self, uuid: str) -> bool:
        """Tell whether there is anything for :meth:`unmount` to remove."""
        return self._there(uuid) is not None or os.path.lexists(
            self.path(uuid)
        )

    def check_seen(self, uuid: str) -> None:
        """Make sure that libvirt sees the mount, too.

        :raises nova_shares.exception.StepFailed: if it does not
        """
        try:
            seen = process_table.is_seen(self.path(uuid))
        except PermissionError:
            seen = self.ask_seen(uuid)
        if seen is None:
            raise exception.StepFailed(
                "No libvirtd or virtqemud is to be seen among the processes."
            )
        if not seen:
            raise exception.StepFailed(
                "libvirt does not see the agent's mount: the guest would get "
                "a directory of the host's own disk. The agent must not have "
                "a mount namespace of its own.",
                retry=False,
            )

    def ask_seen(self, uuid: str) -> Optional[bool]:
        """Have the helper tell whether libvirt sees a mapping's mount.

        :returns: None: there is no libvirt daemon that it could ask
        """
        seen: Optional[bool] = self._call("seen", {"mapping": uuid})["seen"]
        return seen

    def _there(self, uuid: str) -> Optional[process_table.Mount]:
        return process_table.at(process_table.mounts(), self.path(uuid))

    def _is_dead(self, mount: process_table.Mount) -> bool:
        return mount.fstype.startswith("fuse") and child.is_dead(
            mount.target, self._hanging
        )

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
                f"The mount helper can't be run: {e.strerror}."
            ) from e
        try:
            answer = json.loads(result.output)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise exception.StepFailed(
                f"The mount helper failed ({result.code}): {result.last_line}"
            )
        if "error" in answer:
            raise exception.StepFailed(str(answer["error"]))
        return answer
