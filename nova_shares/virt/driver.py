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

"""The interface of a hypervisor and of the mounts of the host.

Every method may raise :class:`nova_shares.exception.StepFailed` with a
sentence for the operator. It returns or fails within its own time limit.
All methods except :meth:`Driver.listen` are called from several threads,
but for one mapping never from two at the same time.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
import dataclasses
from typing import Callable
from typing import Optional

from nova_shares.mapping import Capabilities
from nova_shares.mapping import ShareMapping


@dataclasses.dataclass(frozen=True)
class CephxIdentity:
    """The identity that mounts a CephFS share.

    :ivar key: a secret, never shown
    :ivar file_system: the CephFS file system; None: the default
    """

    name: str
    key: str = dataclasses.field(repr=False)
    file_system: Optional[str] = None


class Driver(abc.ABC):
    """A hypervisor.

    Every method raises if the hypervisor does not answer: that is not the
    absence of a guest, a mount or a device.
    """

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """Return the current capabilities of this host."""

    @abc.abstractmethod
    def domains(self) -> dict[str, bool]:
        """Return the guests by server id, and whether each runs."""

    @abc.abstractmethod
    def is_running(self, instance_uuid: str) -> Optional[bool]:
        """Return whether the guest of a server runs; None: no guest."""

    @abc.abstractmethod
    def listen(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with the id of a server at each change.

        A change is a guest that starts or stops, or a device that is added
        or removed. ``changed`` returns immediately.
        """

    @abc.abstractmethod
    def is_mounted(self, mapping: ShareMapping) -> bool:
        """Return whether the share is mounted for this mapping.

        A dead mount does not count: :meth:`mount` replaces it.
        """

    @abc.abstractmethod
    def mount(
        self, mapping: ShareMapping, identity: Optional[CephxIdentity]
    ) -> None:
        """Mount the share for this mapping; success if it is mounted.

        :param identity: who mounts it, if the protocol has identities
        """

    @abc.abstractmethod
    def unmount(self, mapping: ShareMapping) -> None:
        """Unmount the share; success if it is not mounted.

        On return nothing is mounted for the mapping.
        """

    @abc.abstractmethod
    def mounted(self) -> set[str]:
        """Return the UUIDs of the mappings that have a mount."""

    @abc.abstractmethod
    def mounts_of_export(self, mapping: ShareMapping) -> set[str]:
        """Return the UUIDs of the mappings that have its export mounted.

        The mapping itself may be among them.
        """

    @abc.abstractmethod
    def unmount_leftover(self, uuid: str) -> None:
        """Remove the mount of a mapping that no longer exists.

        It is refused while any guest has a device of it.
        """

    @abc.abstractmethod
    def is_plugged(self, mapping: ShareMapping) -> bool:
        """Return whether the running guest has the device."""

    @abc.abstractmethod
    def is_saved(self, mapping: ShareMapping) -> bool:
        """Return whether a saved image of the guest has the device.

        The guest starts from it only if the share is mounted.
        """

    @abc.abstractmethod
    def works(self, mappings: Sequence[ShareMapping]) -> set[str]:
        """Return which running guests can use their share, by mapping.

        It is mounted and plugged, and its virtiofsd works. A mapping that
        cannot be looked at counts as working, and is logged.
        """

    @abc.abstractmethod
    def plug(self, mapping: ShareMapping) -> None:
        """Attach the device to the running guest; success if it has it.

        A device without a virtiofsd is replaced, if the guest releases it.

        :raises nova_shares.exception.Conflict: if the guest has stopped
        """

    @abc.abstractmethod
    def unplug(self, mapping: ShareMapping) -> None:
        """Ask the guest to release the device.

        The guest may not have done so on return: see :meth:`is_plugged`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Stop listening and close the connection."""
