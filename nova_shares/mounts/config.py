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

"""What root allows the mount helper, from a file that only root writes.

The agent reads the same file to learn where shares are mounted::

    [mounts]
    base = /run/nova-shares-mounts
    timeout = 30

    [nfs]
    options = vers=4.1,retry=0

    [cephfs]
    client = kernel
    options =
    fuse_options =
    conf = /dev/null
"""

from __future__ import annotations

import configparser
import dataclasses
import os
import re
import stat

PATH = "/etc/nova-shares/mount-helper.conf"

_COMMON = (
    "noatime nodiratime relatime strictatime noexec sync dirsync"
).split()
#: The only options that the file may set.
NFS_OPTIONS = frozenset(
    [
        *_COMMON,
        *"vers nfsvers minorversion proto port hard soft softerr".split(),
        *"timeo retrans retry rsize wsize sec nconnect".split(),
        *"max_connect actimeo acregmin acregmax acdirmin acdirmax".split(),
        *"ac noac cto nocto lookupcache sharecache nosharecache".split(),
        *"resvport noresvport lock nolock local_lock xprtsec".split(),
    ]
)
CEPHFS_OPTIONS = frozenset(
    [
        *_COMMON,
        *"fs mds_namespace ms_mode rsize wsize rasize wsync".split(),
        *"nowsync recover_session mount_timeout caps_max".split(),
        *"caps_wanted_delay_min caps_wanted_delay_max noshare".split(),
        *"crc nocrc copyfrom nocopyfrom acl noacl".split(),
    ]
)
CEPH_FUSE_OPTIONS = frozenset(
    [
        *"client_fs client_mds_namespace client_cache_size".split(),
        *"client_oc_size client_readahead_max_bytes".split(),
        *"client_reconnect_stale client_acl_type ms_client_mode".split(),
    ]
)
_VALUE = re.compile(r"[A-Za-z0-9._:@-]*")


class BadConfig(ValueError):
    """The file cannot be used; the text says why."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Where and how shares are mounted.

    :ivar base: the directory that holds a mount point for each mapping,
        below /run so that none outlives a reboot
    :ivar timeout: limit of a mount or an unmount in seconds
    :ivar cephfs_client: ``kernel`` or ``fuse``
    :ivar ceph_conf: the configuration file of ceph-fuse
    """

    base: str = "/run/nova-shares-mounts"
    timeout: float = 30
    nfs_options: tuple[str, ...] = ("vers=4.1", "retry=0")
    cephfs_client: str = "kernel"
    cephfs_options: tuple[str, ...] = ()
    ceph_fuse_options: tuple[str, ...] = ()
    ceph_conf: str = "/dev/null"


def load(path: str = PATH, trusted: bool = False) -> Config:
    """Read the file; a missing file means the defaults.

    :param trusted: refuse a file that users other than root can write or
        replace
    :raises BadConfig: if the file has an invalid value
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        if trusted:
            _check_trust(path)
        with open(path, encoding="utf-8") as f:
            parser.read_file(f)
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError, configparser.Error) as e:
        raise BadConfig(f"Cannot read {path}: {e}") from e
    return _checked(parser)


def _check_trust(path: str) -> None:
    """Make sure that only root can change what a path leads to."""
    while True:
        status = os.lstat(path)
        open_to = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if status.st_mode & stat.S_ISVTX:
            open_to = 0  # As in /tmp: others cannot replace root's files.
        if status.st_uid != 0 or open_to or stat.S_ISLNK(status.st_mode):
            raise BadConfig(
                f"{path} is a link or writable by users other than root."
            )
        if path == "/":
            return
        path = os.path.dirname(path)


def _checked(parser: configparser.ConfigParser) -> Config:
    plain = Config()
    base = parser.get("mounts", "base", fallback=plain.base)
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", base) or ".." in base:
        raise BadConfig("[mounts] base is not a plain absolute path.")
    try:
        timeout = parser.getfloat("mounts", "timeout", fallback=30.0)
    except ValueError:
        timeout = 0
    if not 1 <= timeout <= 600:
        raise BadConfig("[mounts] timeout is not between 1 and 600 seconds.")
    client = parser.get("cephfs", "client", fallback=plain.cephfs_client)
    if client not in ("kernel", "fuse"):
        raise BadConfig("[cephfs] client is not kernel or fuse.")
    return Config(
        base=base,
        timeout=timeout,
        nfs_options=_options(
            parser, "nfs", "options", NFS_OPTIONS, plain.nfs_options
        ),
        cephfs_client=client,
        cephfs_options=_options(
            parser, "cephfs", "options", CEPHFS_OPTIONS, ()
        ),
        ceph_fuse_options=_options(
            parser, "cephfs", "fuse_options", CEPH_FUSE_OPTIONS, ()
        ),
        ceph_conf=parser.get("cephfs", "conf", fallback=plain.ceph_conf),
    )


def _options(
    parser: configparser.ConfigParser,
    section: str,
    name: str,
    allowed: frozenset[str],
    default: tuple[str, ...],
) -> tuple[str, ...]:
    text = parser.get(section, name, fallback=None)
    if text is None:
        return default
    options = tuple(part.strip() for part in text.split(",") if part.strip())
    for option in options:
        key, _, value = option.partition("=")
        if key not in allowed or not _VALUE.fullmatch(value):
            raise BadConfig(f"[{section}] {name}: {option!r} is not allowed.")
    return options
