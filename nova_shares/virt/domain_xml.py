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

"""Read and write the share devices of a guest in the XML of libvirt.

The format is described at https://libvirt.org/formatdomain.html#filesystems
and https://libvirt.org/formatdomaincaps.html#filesystem.
"""

from __future__ import annotations

import dataclasses
import json
import os
from xml.etree import ElementTree

#: Where programs that serve vhost-user devices are described, see
#: docs/interop/vhost-user.json of QEMU; an earlier directory wins.
VHOST_USER = ("/etc/qemu/vhost-user", "/usr/share/qemu/vhost-user")


@dataclasses.dataclass(frozen=True)
class Filesystem:
    """A device by which a guest sees a directory of the host.

    :ivar source: the directory; empty if there is none
    :ivar tag: the name by which the guest mounts it
    :ivar alias: the name of the device in libvirt
    """

    source: str
    tag: str
    alias: str


def filesystems(xml: str) -> list[Filesystem]:
    """List the share devices of a running guest."""
    found = []
    for element in _parse(xml).iterfind("./devices/filesystem"):
        source = element.find("source")
        target = element.find("target")
        alias = element.find("alias")
        found.append(
            Filesystem(
                source="" if source is None else source.get("dir", ""),
                tag="" if target is None else target.get("dir", ""),
                alias="" if alias is None else alias.get("name", ""),
            )
        )
    return found


def has_shared_memory(xml: str) -> bool:
    """Return whether the guest shares its memory with the host."""
    access = _parse(xml).find("./memoryBacking/access")
    return access is not None and access.get("mode") == "shared"


def device(source: str, tag: str) -> str:
    """Return the XML of a virtiofs device."""
    element = ElementTree.Element(
        "filesystem", type="mount", accessmode="passthrough"
    )
    ElementTree.SubElement(element, "driver", type="virtiofs", queue="1024")
    ElementTree.SubElement(element, "source", dir=source)
    ElementTree.SubElement(element, "target", dir=tag)
    return ElementTree.tostring(element, encoding="unicode")


def has_virtiofs(capabilities: str) -> bool:
    """Return whether domain capabilities include virtiofs devices."""
    values = _parse(capabilities).iterfind(
        "./devices/filesystem[@supported='yes']/enum[@name='driverType']/value"
    )
    return any(value.text == "virtiofs" for value in values)


def has_virtiofsd(directories: tuple[str, ...] = VHOST_USER) -> bool:
    """Return whether libvirt finds a virtiofsd on this host."""
    described: dict[str, str] = {}
    for directory in reversed(directories):
        if os.path.isdir(directory):
            for name in os.listdir(directory):
                described[name] = os.path.join(directory, name)
    return any(
        _serves(path)
        for name, path in described.items()
        if name.endswith(".json")
    )


def _serves(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as f:
            told = json.load(f)
        return told["type"] == "fs" and os.access(told["binary"], os.X_OK)
    except (OSError, ValueError, KeyError, TypeError):
        return False  # libvirt ignores it, too.


def _parse(xml: str) -> ElementTree.Element:
    # The source is libvirt on this host, over a local socket.
    return ElementTree.fromstring(xml)  # noqa: S314
