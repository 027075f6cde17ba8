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

"""nova-shares-mount-helper: mounts and unmounts shares as root.

The argument is a verb. Standard input has one JSON document, and so has
standard output: ``{}``, or ``{"error": "a sentence"}`` with exit code 1.

==========  =============================================================
verb        document
==========  =============================================================
mount       mapping, protocol, export_location; for CephFS name, key and,
            optionally, fs: the name of the file system
unmount     mapping
seen        mapping; optionally peer: the pid of a libvirt daemon;
            the answer has ``seen``: true, false or null
==========  =============================================================

The agent runs the helper through sudo and is not trusted: the helper checks
the location, the identity and the mapping again, and takes the base
directory and the mount options from the configuration of root
(:mod:`nova_shares.mounts.config`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import sys
from typing import Any
from typing import Optional
import uuid

from nova_shares.mounts import child
from nova_shares.mounts import config
from nova_shares.mounts import location
from nova_shares.mounts import mount_points
from nova_shares.mounts import process_table
from nova_shares.mounts.mount_points import Refused

_LONGEST_DOCUMENT = 16384
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,127}")
_KEY = re.compile(r"[A-Za-z0-9+/]{16,256}={0,2}")
_PID = re.compile(r"[0-9]{1,10}")
_ALWAYS = ("nosuid", "nodev")
#: Seconds for what usually takes none.
_SHORT = 5.0
#: Seconds for a client to write back and to end its session. A client that
#: is killed blocks the files that it had open, for minutes.
_LEAVE = 30.0


def main(
    argv: Optional[list[str]] = None, config_path: str = config.PATH
) -> int:
    """Handle one call; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        answer = _call(arguments, config_path)
    except (
        Refused,
        location.BadLocation,
        config.BadConfig,
        child.TimedOut,
    ) as e:
        answer = {"error": str(e)}
    except OSError as e:
        answer = {"error": f"{e.strerror}: {e.filename}"}
    told = _told(json.dumps(answer))
    return 0 if told and "error" not in answer else 1


def _told(answer: str) -> bool:
    """Write the answer; returns whether anybody can read it."""
    try:
        print(answer, flush=True)
    except OSError:
        # What is buffered is written again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return sys.stdout is not None


def _call(arguments: list[str], config_path: str) -> dict[str, Any]:
    if len(arguments) != 1 or arguments[0] not in _VERBS:
        raise Refused(f"The argument must be one of {', '.join(_VERBS)}.")
    settings = config.load(config_path, trusted=True)
    # Whatever hangs: this process ends, and so does its lock.
    signal.alarm(int(3 * settings.timeout + _LEAVE + 6 * _SHORT))
    verb, fields = _VERBS[arguments[0]]
    raw = (
        b"" if sys.stdin is None else sys.stdin.buffer.read(_LONGEST_DOCUMENT)
    )
    answer: dict[str, Any] = verb(settings, **_document(raw, fields))
    return answer


def _document(raw: bytes, fields: tuple[str, ...]) -> dict[str, str]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused("The document is not valid JSON.") from None
    if not isinstance(document, dict) or not set(document) <= set(fields):
        raise Refused("The document has unknown fields.")
    if not all(isinstance(value, str) for value in document.values()):
        raise Refused("The document has values that are not strings.")
    try:
        mapping = document["mapping"]
        # Only the canonical form becomes a path.
        canonical = str(uuid.UUID(mapping)) == mapping
    except (KeyError, ValueError):
        canonical = False
    if not canonical:
        raise Refused("The document has no valid UUID of a mapping.")
    return document


def _mount(
    settings: config.Config,
    mapping: str,
    protocol: str = "",
    export_location: str = "",
    name: Optional[str] = None,
    key: Optional[str] = None,
    fs: Optional[str] = None,
) -> dict[str, Any]:
    export = location.parse(protocol, export_location)
    _check_identity(protocol, name, key, fs)
    target = f"{settings.base}/{mapping}"
    with mount_points.held(settings.base, mapping, settings.timeout) as base:
        there = process_table.at(process_table.mounts(), target)
        if there is not None:
            if not export.is_mounted_as(there.fstype, there.source):
                raise Refused(f"Something else is mounted on {target}.")
            if not child.is_dead(target, {}):
                return {}
            _release(target, settings.timeout)
        mount_points.make(base, mapping)
        try:
            _run_mount(settings, export, target, name, key, fs)
            there = process_table.at(process_table.mounts(), target)
            if there is None or not export.is_mounted_as(
                there.fstype, there.source
            ):
                raise Refused(
                    "The mount command succeeded, but the mount table does "
                    "not show the share."
                )
        except BaseException:
            _release(target, settings.timeout)
            mount_points.remove(base, mapping)
            raise
    return {}


def _check_identity(
    protocol: str, name: Optional[str], key: Optional[str], fs: Optional[str]
) -> None:
    if protocol == location.NFS:
        if (name, key, fs) != (None, None, None):
            raise Refused("An NFS mount takes no identity or file system.")
        return
    if fs is not None:
        location.file_system(f"fs={fs}")
    if name is None or not _NAME.fullmatch(name):
        raise Refused("The cephx identity is invalid.")
    if key is None or not _KEY.fullmatch(key):
        raise Refused("The cephx key is invalid.")


def _unmount(settings: config.Config, mapping: str) -> dict[str, Any]:
    target = f"{settings.base}/{mapping}"
    if not os.path.lexists(settings.base):
        return {}
    with mount_points.held(settings.base, mapping, settings.timeout) as base:
        child.wait_for(lambda: not _servers(target), _SHORT)
        if _servers(target):
            raise Refused("A virtiofsd of a guest still serves the mount.")
        _release(target, settings.timeout)
        mount_points.remove(base, mapping)
    return {}


def _seen(
    settings: config.Config, mapping: str, peer: Optional[str] = None
) -> dict[str, Any]:
    if peer is not None and not _PID.fullmatch(peer):
        raise Refused("The pid of the libvirt daemon is invalid.")
    pid = None if peer is None else int(peer)
    return {"seen": process_table.is_seen(f"{settings.base}/{mapping}", pid)}


_VERBS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "mount": (
        _mount,
        ("mapping", "protocol", "export_location", "name", "key", "fs"),
    ),
    "unmount": (_unmount, ("mapping",)),
    "seen": (_seen, ("mapping", "peer")),
}


# Mounts.


def _run_mount(
    settings: config.Config,
    export: location.Location,
    target: str,
    name: Optional[str],
    key: Optional[str],
    fs: Optional[str],
) -> None:
    if export.protocol == location.NFS:
        port = () if export.port is None else (f"port={export.port}",)
        # Of an option given twice, the last one counts.
        options = ",".join((*_ALWAYS, *settings.nfs_options, *port))
        command = ["mount", "-t", "nfs", "-o", options]
        _run([*command, "--", export.device, target], settings.timeout)
        return
    if settings.cephfs_client == "fuse":
        secret = child.memory(
            "keyring", f"[client.{name}]\nkey = {key}\n".encode()
        )
        command = _ceph_fuse(settings, export, target, f"{name}", secret, fs)
    else:
        secret = child.memory("secret", f"{key}".encode())
        options = ",".join(
            (
                *_ALWAYS,
                f"name={name}",
                f"secretfile=/proc/self/fd/{secret}",
                *settings.cephfs_options,
                *(() if fs is None else (f"fs={fs}",)),
            )
        )
        command = ["mount", "-t", "ceph", "-o", options]
        command += ["--", export.device, target]
    try:
        # The file of the key has no name and exists in memory only.
        _run(command, settings.timeout, secret, f"{key}")
    finally:
        os.close(secret)


def _ceph_fuse(
    settings: config.Config,
    export: location.Location,
    target: str,
    name: str,
    secret: int,
    fs: Optional[str],
) -> list[str]:
    options = ",".join((*_ALWAYS, f"fsname={export.fuse_name}"))
    return [
        "ceph-fuse",
        *("-m", ",".join(export.servers)),
        *("--conf", settings.ceph_conf),
        "--log-to-file=false",
        *("--id", name),
        *("-k", f"/proc/self/fd/{secret}"),
        *("-r", export.path),
        f"--client_mount_timeout={max(1, settings.timeout - 2):g}",
        *(f"--{option}" for option in settings.ceph_fuse_options),
        *(() if fs is None else ("--client_fs", fs)),
        *("-o", options),
        target,
    ]


def _run(
    command: list[str],
    limit: float,
    secret: Optional[int] = None,
    hidden: str = "",
) -> None:
    fds = () if secret is None else (secret,)
    try:
        result = child.run(command, limit, pass_fds=fds, env=child.ENV)
    except child.TimedOut:
        raise Refused(
            f"{command[0]} did not finish within {limit:g} seconds."
        ) from None
    except FileNotFoundError:
        raise Refused(f"{command[0]} is not installed.") from None
    if result.code != 0:
        if hidden:
            # Before the output is cut, which may leave a part of the key.
            told = result.output.replace(hidden, "***")
            result = dataclasses.replace(result, output=told)
        raise Refused(
            f"{command[0]} failed ({result.code}): {result.last_line}"
        )


def _release(target: str, limit: float) -> None:
    """Unmount a path and wait until its client has ended.

    A mount leaves the table before it writes back what guests have written:
    the unmount is complete only when ``umount`` has ended.
    """
    if not child.wait_for(lambda: not _unmounting(target), _SHORT):
        raise Refused("An earlier unmount still writes data back.")
    while process_table.at(process_table.mounts(), target) is not None:
        try:
            _run(["umount", "-c", "--", target], limit)
        except Refused as e:
            gone = process_table.at(process_table.mounts(), target) is None
            if gone or "target is busy" in str(e):
                raise
            # Its server or its client is down.
            _run(["umount", "-c", "-f", "-l", "--", target], _SHORT)
    if not child.wait_for(lambda: not _clients(target), _LEAVE):
        for pid in _clients(target):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not child.wait_for(lambda: not _clients(target), _SHORT):
            raise Refused("The client of the mount does not end.")


def _clients(target: str) -> list[int]:
    return [
        process.pid
        for process in process_table.processes()
        if process.name == "ceph-fuse"
        and process.names(target)
        and process_table.is_roots(process, "ceph-fuse")
    ]


def _unmounting(target: str) -> list[int]:
    return [
        process.pid
        for process in process_table.processes()
        if process.name.startswith("umount")
        and process.names(target)
        # umount.nfs is a link to mount.nfs.
        and process_table.is_roots(process, "mount")
    ]


def _servers(target: str) -> list[int]:
    return process_table.servers(process_table.processes(), target)


if __name__ == "__main__":
    sys.exit(main())
