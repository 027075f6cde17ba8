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

"""The directories that shares are mounted on: root's alone, without links.

Standard library only, as in :mod:`nova_shares.mounts.location`.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import os
import stat
import uuid

from nova_shares.mounts import child


class Refused(Exception):
    """What was asked for can't be, or failed: a sentence without secrets."""


@contextlib.contextmanager
def held(path: str, mapping: str, limit: float) -> Iterator[int]:
    """Hold a mapping's mount point, so that no other helper works on it.

    :param path: the directory of all mount points
    :param limit: seconds to wait for a helper that does
    :returns: the descriptor of that directory
    :raises Refused: after that, or if others than root can change it
    """
    with _opened(path) as base, _locked(base, mapping, limit):
        yield base


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    """Open the directory of all mount points, made if there is none.

    What is mounted there has the modes that its users gave it: nobody but
    root and the group of whoever runs us by sudo gets as far as that. No
    part of its path may be a link, or be written by others than root: they
    could put another directory into its place.
    """
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        parts = path.strip("/").split("/")
        for number, part in enumerate(parts, 1):
            if number == len(parts):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=fd)
                    group = int(os.environ.get("SUDO_GID", 0))
                    os.chown(part, 0, group, dir_fd=fd, follow_symlinks=False)
            below = _step(fd, part, path)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def _step(parent: int, name: str, path: str) -> int:
    try:
        fd = os.open(
            name,
            os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW,
            dir_fd=parent,
        )
    except OSError as e:
        raise Refused(f"{path}: {name} can't be opened: {e.strerror}") from e
    status = os.fstat(fd)
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(fd)
        raise Refused(f"{path}: {name} can be written by others than root.")
    return fd


@contextlib.contextmanager
def _locked(base: int, mapping: str, limit: float) -> Iterator[None]:
    """Keep a second helper from the same mount point, not from others.

    An agent that was killed may have left one at work.
    """
    fd = os.open(".lock", os.O_RDWR | os.O_CREAT, 0o600, dir_fd=base)
    start = uuid.UUID(mapping).int % 2**62

    def taken() -> bool:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
        except BlockingIOError:
            return False
        return True

    try:
        if not child.wait_for(taken, limit):
            raise Refused("Another call works on the mount point.")
        yield
    finally:
        os.close(fd)


def make(base: int, mapping: str) -> None:
    """Make a mapping's mount point, root's alone and empty."""
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
    """Remove a mapping's mount point; success when there is none."""
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(mapping, dir_fd=base)
