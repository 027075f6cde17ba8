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
from typing import Optional

NFS = "NFS"
CEPHFS = "CEPHFS"
_LONGEST = 1024

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
#: A name whose last label is a number can only be an IPv4 address.
_NUMERIC = re.compile(r"(?:.*\.)?[0-9]+")
#: Without a zone, which may contain any text.
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+")
_COMPONENT = re.compile(r"[A-Za-z0-9._@%+=~-]+")
_PORT = re.compile(r"[0-9]{1,5}")
_FILE_SYSTEM = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}")


class BadLocation(ValueError):
    """The export location is invalid; the text is a sentence that says why."""


@dataclasses.dataclass(frozen=True)
class Location:
    """An export location.

    :ivar servers: one NFS server, or CephFS monitors with their ports
    :ivar path: absolute, without a slash at its end or repeated slashes
    :ivar port: of the NFS server; None: the default
    """

    protocol: str
    servers: tuple[str, ...]
    path: str
    port: Optional[int] = None

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
        """Return whether a line of the mount table shows this location.

        For kernel mounts only the path counts. The kernel shows resolved
        addresses, and for a second mount from the same NFS server the
        address of the first one.
        """
        if self.protocol == NFS:
            return fstype in ("nfs", "nfs4") and self.path == _squeezed(
                source.partition(":/")[2]
            )
        if fstype == "ceph":
            # mount.ceph has several forms of what precedes the path.
            path = re.split(r"[:=](?=/)", source)[-1]
            return self.path == _squeezed(path)
        return fstype.startswith("fuse") and source == self.fuse_name


def is_valid(protocol: str, text: str) -> bool:
    """Return whether a host can mount an export location."""
    try:
        parse(protocol, text)
    except BadLocation:
        return False
    return True


def parse(protocol: object, text: object) -> Location:
    """Parse an export location of a share.

    Any value is accepted, as it comes from Manila.

    :raises BadLocation: if it cannot be mounted
    """
    if not isinstance(text, str):
        raise BadLocation("The export location is not a string.")
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable():
        raise BadLocation(
            f"The export location is longer than {_LONGEST} characters or "
            "has characters that are not printable ASCII."
        )
    servers, separator, path = text.partition(":/")
    if not separator:
        raise BadLocation("The export location is not of the form HOST:/PATH.")
    if protocol == NFS:
        host, port = _host_and_port(servers)
        return Location(NFS, (host,), _path(path), port)
    if protocol == CEPHFS:
        monitors = tuple(_monitor(one) for one in servers.split(","))
        return Location(CEPHFS, monitors, _path(path))
    raise BadLocation("The share protocol is not NFS or CEPHFS.")


def file_system(mount_options: object) -> Optional[str]:
    """Return the CephFS file system that a share's mount options name.

    Manila's CephFS driver sets the metadata ``__mount_options`` of a share,
    and users can change it: ``fs=NAME`` is the only option that is accepted.

    :param mount_options: None or empty: the default file system
    :raises BadLocation: if there is any other option
    """
    if mount_options is None or mount_options == "":
        return None
    if isinstance(mount_options, str):
        key, _, name = mount_options.partition("=")
        if key == "fs" and _FILE_SYSTEM.fullmatch(name):
            return name
    raise BadLocation(
        "The mount options of the share are not of the form fs=NAME."
    )


def _squeezed(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part)


def _path(text: str) -> str:
    path = _squeezed(text)
    for part in path.split("/")[1:] if path != "/" else ():
        if part in (".", "..") or not _COMPONENT.fullmatch(part):
            raise BadLocation(
                "The path of the export location has a component that is "
                "relative or has unsupported characters."
            )
    return path


def _host(text: str) -> str:
    try:
        if text.startswith("[") and text.endswith("]"):
            if not _IPV6.fullmatch(text[1:-1]):
                raise ValueError
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        if len(text) > 253 or not _NAME.fullmatch(text):
            raise ValueError
        if _NUMERIC.fullmatch(text):
            ipaddress.IPv4Address(text)
    except ValueError:
        raise BadLocation(
            "The host of the export location is not a valid name or address."
        ) from None
    return text


def _host_and_port(text: str) -> tuple[str, Optional[int]]:
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        return _host(text), None
    if not _PORT.fullmatch(port) or not 0 < int(port) < 65536:
        raise BadLocation("The port of the export location is invalid.")
    return _host(host), int(port)


def _monitor(text: str) -> str:
    host, port = _host_and_port(text)
    return host if port is None else f"{host}:{port}"
