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
The name of this compute host, exactly as Nova knows it: what nova.conf of
its nova-compute has as ``host``, and what admins see of a server as
OS-EXT-SRV-ATTR:host. An agent serves the share mappings of this name only.
""",
    ),
    cfg.StrOpt(
        "my_ip",
        default=netutils.get_my_ipv4(),
        sample_default="<an address of the machine>",
        help="""
The address of this host, used where no more specific one is set.
""",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/nova-shares",
        help="""
A directory of our own that outlives a restart. The agent keeps there its
lock, so that one host has one agent, and the id of the database it belongs
to, so that it touches nothing on behalf of another one.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_opts(OPTS)


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    return [("DEFAULT", OPTS)]
