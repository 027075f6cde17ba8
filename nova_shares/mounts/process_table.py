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

"""What /proc shows of mounts and of the processes that serve guests."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from typing import Optional

#: Tests have their own.
PROC = "/proc"
_DAEMONS = ("libvirtd", "virtqemud")
_SERVER = "virtiofsd"
#: Errors of a process that has ended; EINVAL until its parent waits for it.
_GONE = (errno.ENOENT, errno.ESRCH, errno.EINVAL)


@dataclasses.dataclass(frozen=True)
class Mount:
    """A line of a mount table.

    :ivar device: the number of the file system, as ``major:minor``
    :ivar shared: whether other namespaces see what is mounted below it
    """

    device: str
    target: str
    fstype: str
    source: str
    shared: bool = False


@dataclasses.dataclass(frozen=True)
class Process:
    """A process; it can forge its ``argv``, but not its ``uid``."""

    pid: int
    uid: int
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the name of the program, e.g. ``virtiofsd``."""
        return os.path.basename(self.argv[0]) if self.argv else ""

    def names(self, path: str) -> bool:
        """Return whether an argument is a path, or an option with it."""
        return any(
            word == path or word.endswith("=" + path)
            for argument in self.argv[1:]
            for word in argument.split(",")
        )


def mounts(pid: Optional[int] = None, proc: str = PROC) -> list[Mount]:
    """List the mounts that a process sees, the lowest first.

    :param pid: None: this process
    :raises OSError: if the table cannot be read
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
                    # A mount with a master belongs to a namespace such as
                    # a sandbox of systemd.
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
    """Return the uppermost mount on exactly this path."""
    for mount in reversed(table):
        if mount.target == target:
            return mount
    return None


def is_shared(table: list[Mount], path: str) -> bool:
    """Return whether an unmount below a path reaches guests, too.

    QEMU has its own mount namespace. Where mounts are private it keeps the
    mounts from when it started, and a file system lives as long as QEMU.
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
    """List the processes that are visible and have arguments.

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
        return None  # It has just ended, or is hidden.
    return Process(pid, uid, tuple(argv)) if argv else None


def daemons(found: list[Process], proc: str = PROC) -> list[int]:
    """Return the pids of root's libvirt daemons among processes."""
    return [
        process.pid
        for process in found
        if process.name in _DAEMONS and _is_started_by_root(process, proc)
    ]


def is_roots(process: Process, program: str, proc: str = PROC) -> bool:
    """Return whether a process is root's, and runs a program.

    Its name alone proves nothing: a user can start any program under any
    name, one that is setuid root among them.
    """
    if not _is_started_by_root(process, proc):
        return False
    try:
        executable = os.readlink(f"{proc}/{process.pid}/exe")
    except PermissionError:
        return True  # Only root can look.
    except OSError:
        return False
    return program in os.path.basename(executable)


def _is_started_by_root(process: Process, proc: str) -> bool:
    """Return whether a process is root's, and no user's by setuid."""
    if process.uid != 0:
        return False
    try:
        with open(f"{proc}/{process.pid}/status", "rb") as f:
            match = re.search(rb"^Uid:\t(\d+)\t", f.read(), re.MULTILINE)
    except OSError:
        return False  # It has just ended.
    return match is not None and int(match[1]) == 0


def servers(found: list[Process], path: str, proc: str = PROC) -> list[int]:
    """Return the pids of the virtiofsd processes that serve a path."""
    return [
        process.pid
        for process in found
        if process.name == _SERVER
        and process.names(path)
        and is_roots(process, _SERVER, proc)
    ]


def is_stopped(pid: int, proc: str = PROC) -> bool:
    """Return whether a process is stopped, as by SIGSTOP."""
    return _status(pid, proc)[0] == "T"


def _status(pid: int, proc: str) -> tuple[str, int]:
    """Return the state of a process, and the pid of its parent."""
    try:
        with open(f"{proc}/{pid}/stat", "rb") as f:
            # The name of the program, in parentheses, may contain any text.
            fields = os.fsdecode(f.read()).rpartition(")")[2].split()
    except OSError:
        return "", 0  # It has just ended.
    return fields[0], int(fields[1])


def _asked(found: list[Process], peer: Optional[int], proc: str) -> list[int]:
    """Return the pids of the libvirt daemons to ask.

    Of a socket that systemd listens on, the peer is systemd: its child is
    the daemon.
    """
    pids = daemons(found, proc)
    if peer is None:
        return pids
    if peer in pids:
        return [peer]
    return [pid for pid in pids if _status(pid, proc)[1] == peer]


def is_seen(
    path: str, peer: Optional[int] = None, proc: str = PROC
) -> Optional[bool]:
    """Return whether libvirt sees the same mount at a path as this process.

    virtiofsd has the mount namespace of libvirt. In a different one it gives
    the guest the empty directory below, on the disk of the host.

    :param peer: the process at the other end of the agent's connection to
        libvirt; None: ask all libvirt daemons
    :returns: None: there is no libvirt daemon
    :raises OSError: if the table of a daemon cannot be read
    """
    here = at(mounts(proc=proc), path)
    seen = None
    for pid in _asked(processes(proc), peer, proc):
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
