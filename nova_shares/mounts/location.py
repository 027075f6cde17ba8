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

"""Parse export locations.

An export location comes from Manila and ends on the command line of a
program that runs as root. Only valid NFS and CephFS locations pass. The API,
the agent and the root helper use the same parser.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re

NFS = "NFS"
CEPHFS = "CEPHFS"
_LONGEST = 1024

_NAME = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_COMPONENT = re.compile(r"[A-Za-z0-9._@%+=~-]+")
_PORT = re.compile(r"[0-9]{1,5}")


class BadLocation(ValueError):
    """The export location is invalid; the text says why."""


@dataclasses.dataclass(frozen=True)
class Location:
    """An export location.

    :ivar servers: one NFS server, or CephFS monitors with their ports
    :ivar path: absolute, without a slash at its end or repeated slashes
    """

    protocol: str
    servers: tuple[str, ...]
    path: str

    @property
    def device(self) -> str:
        """Return the argument of mount, e.g. ``192.0.2.1:/exports/x``."""
        return f"{','.join(self.servers)}:{self.path}"

    @property
    def fuse_name(self) -> str:
        """Return the source that ceph-fuse shows in the mount table.

        It has no comma, which would end the option that contains it.
        """
        return f"{';'.join(self.servers)}:{self.path}"

    def is_mounted_as(self, fstype: str, source: str) -> bool:
        """Return whether a line of the mount table shows this location."""
        if self.protocol == NFS:
            if fstype not in ("nfs", "nfs4"):
                return False
            try:
                shown = parse(NFS, source)
            except BadLocation:
                return False
            return (
                shown.path == self.path
                and shown.servers[0].lower() == self.servers[0].lower()
            )
        if fstype == "ceph":
            # The kernel shows the addresses of the monitors, and mount.ceph
            # has several forms of what precedes the path.
            path = re.split(r"[:=](?=/)", source)[-1]
            parts = [part for part in path.split("/") if part]
            return "/" + "/".join(parts) == self.path
        return fstype.startswith("fuse") and source == self.fuse_name


def parse(protocol: str, text: str) -> Location:
    """Take an export location apart.

    :raises BadLocation: if it is not one of the protocol's
    """
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable():
        raise BadLocation("It is too long or has unusual characters.")
    servers, separator, path = text.partition(":/")
    if not separator:
        raise BadLocation("It has no host and path with ':/' between them.")
    path = _path("/" + path)
    if protocol == NFS:
        return Location(NFS, (_host(servers),), path)
    if protocol == CEPHFS:
        monitors = tuple(_monitor(one) for one in servers.split(","))
        return Location(CEPHFS, monitors, path)
    raise BadLocation("Its protocol is neither NFS nor CEPHFS.")


def _path(text: str) -> str:
    components = [part for part in text.split("/") if part]
    for part in components:
        if part in (".", "..") or not _COMPONENT.fullmatch(part):
            raise BadLocation("Its path has a part that can't be.")
    return "/" + "/".join(components)


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        except ValueError:
            raise BadLocation("Its IPv6 address is none.") from None
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise BadLocation("Its host is neither a name nor an address.")
    return text


def _monitor(text: str) -> str:
    bracketed = text.startswith("[")
    host, separator, port = text.rpartition(":")
    if not separator or (bracketed and text.endswith("]")):
        return _host(text)
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise BadLocation("A monitor's port is none.")
    return f"{_host(host)}:{int(port)}"
