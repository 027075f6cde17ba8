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

"""The directories that shares are mounted on: owned by root, without links."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import os
import re
import stat
import uuid

from nova_shares.mounts import child

_GROUP = re.compile(r"[0-9]{1,10}")


class Refused(Exception):
    """The request is invalid or failed; the text contains no secret."""


@contextlib.contextmanager
def held(path: str, mapping: str, limit: float) -> Iterator[int]:
    """Lock the mount point of a mapping against other calls of the helper.

    :param path: the base directory
    :param limit: seconds to wait for another call
    :returns: the descriptor of the base directory
    :raises Refused: if the other call takes longer, or if users other than
        root can change the base
    """
    with _opened(path) as base, _locked(base, mapping, limit):
        yield base


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open the base directory, and make it if it does not exist.

    Shares have the modes that their users gave them, so only root and the
    group of the user who runs sudo may enter the base. No part of its path
    may be a link or be writable by others, who could replace it.
    """
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        parts = path.strip("/").split("/")
        for number, part in enumerate(parts, 1):
            if number == len(parts):
                _make_base(fd, part)
            below = _step(fd, part, path)
            os.close(fd)
            fd = below
        if os.fstat(fd).st_mode & stat.S_IRWXO:
            raise Refused(
                f"Other users can enter {path}: its mode must be 0750."
            )
        yield fd
    finally:
        os.close(fd)


def _make_base(parent: int, name: str) -> None:
    group = os.environ.get("SUDO_GID", "0")
    if not _GROUP.fullmatch(group) or int(group) >= 2**32 - 1:
        raise Refused("SUDO_GID is not the id of a group.")
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o750, dir_fd=parent)
        os.chown(name, 0, int(group), dir_fd=parent, follow_symlinks=False)


def _step(parent: int, name: str, path: str) -> int:
    try:
        fd = os.open(
            name,
            os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
            dir_fd=parent,
        )
    except OSError as e:
        raise Refused(f"Cannot open {name} of {path}: {e.strerror}") from e
    status = os.fstat(fd)
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(fd)
        raise Refused(f"Users other than root can write to {name} of {path}.")
    return fd


@contextlib.contextmanager
def _locked(base: int, mapping: str, limit: float) -> Iterator[None]:
    """Lock one mount point, not the others.

    An agent that was killed may have left a call that still runs.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        fd = os.open(".lock", flags, 0o600, dir_fd=base)
    except OSError as e:
        raise Refused(f"Cannot open the lock file: {e.strerror}.") from e
    start = uuid.UUID(mapping).int % 2**62

    def taken() -> bool:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except BlockingIOError:
            return False
        return True

    try:
        if not child.wait_for(taken, limit):
            raise Refused("Another call of the helper holds the mount point.")
        yield
    finally:
        os.close(fd)


def make(base: int, mapping: str) -> None:
    """Make the mount point of a mapping, owned by root and empty."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(mapping, 0o700, dir_fd=base)
    fd = os.open(
        mapping, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=base
    )
    try:
        os.fchown(fd, 0, 0)
        os.fchmod(fd, 0o700)
        if os.listdir(fd):
            raise Refused("The mount point is not empty.")
    finally:
        os.close(fd)


def remove(base: int, mapping: str) -> None:
    """Remove the mount point of a mapping; success if there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(mapping, dir_fd=base)
