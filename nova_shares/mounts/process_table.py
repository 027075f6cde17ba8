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

"""What /proc tells of mounts and of the processes that serve guests.

Standard library only, as in :mod:`nova_shares.mounts.location`.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from typing import Optional

#: Where the kernel shows it; tests have their own.
PROC = "/proc"
_DAEMONS = ("libvirtd", "virtqemud")
#: Of a process that has ended; the last while its parent has not seen it.
_GONE = (errno.ENOENT, errno.ESRCH, errno.EINVAL)


@dataclasses.dataclass(frozen=True)
class Mount:
    """A line of a mount table.

    :ivar device: the number of the file system, as ``major:minor``
    :ivar shared: whether what is mounted below it is seen elsewhere
    """

    device: str
    target: str
    fstype: str
    source: str
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class Process:
    """A process, by its own word; only ``uid`` can't be made up."""

    pid: int
    uid: int
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """The program's name, e.g. ``virtiofsd``."""
        return os.path.basename(self.argv[0]) if self.argv else ""

    def names(self, path: str) -> bool:
        """Tell whether an argument is a path, or an option with it."""
        return any(
            word == path or word.endswith("=" + path)
            for argument in self.argv[1:]
            for word in argument.split(",")
        )


def mounts(pid: Optional[int] = None, proc: str = PROC) -> list[Mount]:
    """List the mounts that a process sees, the undermost first.

    :param pid: None: this one
    :raises OSError: if its table can't be read
    """
    who = "self" if pid is None else str(pid)
    with open(f"{proc}/{who}/mountinfo", "rb") as f:
        return parse_mountinfo(os.fsdecode(f.read()))


def parse_mountinfo(text: str) -> list[Mount]:
    """Read a mount table, see proc(5)."""
    found = []
    for line in text.split("\n"):
        left, separator, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if separator and len(fields) >= 6 and len(rest) >= 2:
            found.append(
                Mount(
                    device=fields[2],
                    target=_unescaped(fields[4]),
                    fstype=rest[0],
                    source=_unescaped(rest[1]),
                    # One that follows a master is in a namespace like
                    # those that systemd makes for a sandbox.
                    shared=any(f.startswith("shared:") for f in fields[6:])
                    and not any(f.startswith("master:") for f in fields[6:]),
                )
            )
    return found


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text
    )


def at(table: list[Mount], target: str) -> Optional[Mount]:
    """Get what is seen at a path: the uppermost mount on exactly it."""
    for mount in reversed(table):
        if mount.target == target:
            return mount
    return None


def is_shared(table: list[Mount], path: str) -> bool:
    """Tell whether mounts below a path are undone for guests, too.

    QEMU has a mount namespace of its own. Where mounts are private it keeps
    what was mounted when it started, and a file system lives as long as it.
    """
    above = [
        mount
        for mount in table
        if path == mount.target
        or path.startswith(mount.target.rstrip("/") + "/")
    ]
    above.reverse()
    return bool(above) and max(above, key=lambda m: len(m.target)).shared


def processes(proc: str = PROC) -> list[Process]:
    """List the processes that can be seen and have arguments.

    A process that has ended and waits for its parent has none.
    """
    found = []
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        process = _process(int(entry), proc)
        if process is not None:
            found.append(process)
    return found


def _process(pid: int, proc: str) -> Optional[Process]:
    try:
        uid = os.stat(f"{proc}/{pid}").st_uid
        with open(f"{proc}/{pid}/cmdline", "rb") as f:
            argv = os.fsdecode(f.read()).split("\0")[:-1]
    except OSError:
        return None  # It has just ended, or is hidden from us.
    return Process(pid, uid, tuple(argv)) if argv else None


def daemons(found: list[Process]) -> list[int]:
    """Pick root's libvirt daemons out of processes, by pid."""
    return [
        process.pid
        for process in found
        if process.uid == 0 and process.name in _DAEMONS
    ]


def servers(found: list[Process], path: str) -> list[int]:
    """Pick the virtiofsd processes that serve a path, by pid."""
    return [
        process.pid
        for process in found
        if process.name == "virtiofsd" and process.names(path)
    ]


def is_seen(path: str, proc: str = PROC) -> Optional[bool]:
    """Tell whether libvirt sees at a path the mount that we see there.

    virtiofsd has libvirt's mounts. Where they are others than ours it would
    give the guest the empty directory below, on the host's own disk.

    :returns: None: there is no libvirt daemon to ask
    :raises OSError: if a daemon's table can't be read by us
    """
    here = at(mounts(proc=proc), path)
    seen = None
    for pid in daemons(processes(proc)):
        try:
            there = at(mounts(pid, proc=proc), path)
        except OSError as e:
            if e.errno not in _GONE:
                raise
            continue  # A child of the daemon that has just ended.
        if here is None or there is None or there.device != here.device:
            return False
        seen = True
    return seen
