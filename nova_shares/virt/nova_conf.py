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

"""Reads the configuration of nova-compute on this host.

It is never loaded as configuration of the agent: some of its options have
the same names and another meaning.
"""

from __future__ import annotations

import configparser

from oslo_config import cfg
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Unreadable(Exception):
    """The file cannot be read; the text says which, and why."""


def read(path: str) -> configparser.ConfigParser:
    """Read a nova.conf.

    :raises Unreadable: if it cannot be read
    """
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        with open(path, encoding="utf-8") as f:
            parser.read_file(f)
    except (OSError, ValueError, configparser.Error) as e:
        why = str(e).splitlines()[0]
        raise Unreadable(
            f"Cannot read {path}, see [hypervisor] nova_conf: {why}"
        ) from e
    return parser


def file_backed_memory(conf: cfg.ConfigOpts) -> bool:
    """Return whether all guests of the host have shared memory."""
    options = conf.hypervisor
    if options.file_backed_memory != "auto":
        return bool(options.file_backed_memory == "yes")
    try:
        parser = read(options.nova_conf)
        return parser.getint("libvirt", "file_backed_memory", fallback=0) > 0
    except Unreadable as e:
        LOG.warning("Assuming that guests have no shared memory. %s", e)
    except ValueError as e:
        LOG.warning("Invalid [libvirt] file_backed_memory in nova.conf: %s", e)
    return False
