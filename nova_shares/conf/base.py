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

"""Options that every part of us reads."""

from __future__ import annotations

import socket

from oslo_config import cfg
from oslo_utils import netutils

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "host",
        default=socket.gethostname(),
        sample_default="<the machine's host name>",
        help="""
The name of this compute host. It must be the name that Nova has for the host:
``host`` in the nova.conf of nova-compute, and ``OS-EXT-SRV-ATTR:host`` of its
servers. An agent reconciles the share mappings of this host only.
""",
    ),
    cfg.IPOpt(
        "my_ip",
        default=netutils.get_my_ipv4(),
        sample_default="<an address of the machine>",
        help="""
The address of this host. Used if no more specific address is set.
""",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/nova-shares",
        help="""
A directory that persists across restarts. The agent keeps its lock file there,
so that a host has one agent, and the ID of its database, so that it refuses to
work with another database.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    return [("DEFAULT", OPTS)]
