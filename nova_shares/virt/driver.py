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

"""What the agent needs of a hypervisor and of the host's mounts.

Every method may raise :class:`nova_shares.exception.StepFailed` with a
sentence for the operator, and says so at once or within its own limit: it
never waits for ever. All but :meth:`Driver.listen` are called from several
threads, for one mapping never from two at once.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Callable
from typing import Optional

from nova_shares.mapping import Capabilities
from nova_shares.mapping import ShareMapping


@dataclasses.dataclass(frozen=True)
class CephxIdentity:
    """As whom a CephFS share is mounted.

    :ivar key: a secret: it is never shown
    """

    name: str
    key: str = dataclasses.field(repr=False)


class Driver(abc.ABC):
    """A hypervisor.

    When it can't be reached every method raises: that it does not answer
    is never taken for the absence of a guest, a mount or a device.
    """

    @abc.abstractmethod
    def capabilities(self) -> Capabilities:
        """Tell what this host can do, as it is now."""

    @abc.abstractmethod
    def domains(self) -> dict[str, bool]:
        """List the guests by their server's id, and whether each runs."""

    @abc.abstractmethod
    def is_running(self, instance_uuid: str) -> Optional[bool]:
        """Tell whether a server's guest runs; None: there is no guest."""

    @abc.abstractmethod
    def listen(self, changed: Callable[[str], None]) -> None:
        """Have ``changed`` called with a server's id at each change.

        A change is a guest that started or stopped, or a device that came
        or went. ``changed`` returns at once.
        """

    @abc.abstractmethod
    def is_mounted(self, mapping: ShareMapping) -> bool:
        """Tell whether the share is mounted for this mapping.

        A mount whose client has died is none: :meth:`mount` replaces it.
        """

    @abc.abstractmethod
    def mount(
        self, mapping: ShareMapping, identity: Optional[CephxIdentity]
    ) -> None:
        """Mount the share for this mapping; success when it is already.

        :param identity: as whom, where the protocol knows identities
        """

    @abc.abstractmethod
    def unmount(self, mapping: ShareMapping) -> None:
        """Undo the mount; success when there is none.

        On return nothing is mounted there any more.
        """

    @abc.abstractmethod
    def mounted(self) -> set[str]:
        """List the mappings that have a mount here, by uuid."""

    @abc.abstractmethod
    def unmount_leftover(self, uuid: str) -> None:
        """Undo the mount of a mapping that is no more.

        It is refused while any guest names it.
        """

    @abc.abstractmethod
    def is_plugged(self, mapping: ShareMapping) -> bool:
        """Tell whether the running guest has the mapping's device."""

    @abc.abstractmethod
    def works(self, mapping: ShareMapping) -> bool:
        """Tell whether the running guest can use the share.

        It is mounted and plugged, and what serves it is alive.
        """

    @abc.abstractmethod
    def plug(self, mapping: ShareMapping) -> None:
        """Give the running guest the device; success when it has it.

        A device that nothing serves any more is replaced, if the guest
        lets go of it.

        :raises nova_shares.exception.Conflict: if the guest has stopped
            meanwhile
        """

    @abc.abstractmethod
    def unplug(self, mapping: ShareMapping) -> None:
        """Ask the guest to give the device back.

        That it returns proves nothing: ask :meth:`is_plugged`.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Stop listening and let go of the hypervisor."""
