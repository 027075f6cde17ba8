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

"""Options of the agent on a compute host."""

from __future__ import annotations

import copy

from oslo_config import cfg

GROUP = cfg.OptGroup("compute", title="The agent on a compute host")
OPTS = [
    cfg.StrOpt(
        "virt_driver",
        choices=[
            ("libvirt", "QEMU's guests by libvirt, shares by virtiofs"),
            ("fake", "guests in memory, for development and tests"),
        ],
        help="The hypervisor of this host. It must be chosen.",
    ),
    cfg.StrOpt(
        "fake_hypervisor",
        help="""
With ``virt_driver = fake``: the socket of a fake hypervisor that lives in
another process, so that its guests outlive the agent. For tests.
""",
    ),
    cfg.StrOpt(
        "share_ip",
        help="""
The address from which this host reaches NFS servers: Manila lets it in to
each share of one of the host's servers. Default: ``my_ip``.
""",
    ),
    cfg.FloatOpt(
        "heartbeat_interval",
        default=10,
        min=0.1,
        help="Seconds between two heartbeats of the agent.",
    ),
    cfg.FloatOpt(
        "resync_interval",
        default=60,
        min=0,
        help="""
Seconds between two looks over all share mappings of the host, on average:
each interval is drawn from three quarters to five quarters of it. What a
lost message or a restart left behind is mended then. 0 turns the looks off
but for the one at start.
""",
    ),
    cfg.FloatOpt(
        "server_check_interval",
        default=3600,
        min=1,
        help="""
Seconds after which Nova is asked again whether the server of a mapping
still exists and is still on this host. A server that the hypervisor does
not have is asked for at every resync.
""",
    ),
    cfg.FloatOpt(
        "server_gone_interval",
        default=60,
        min=0,
        help="""
Seconds that must lie between two answers of Nova that a server does not
exist, before its shares are detached.
""",
    ),
    cfg.FloatOpt(
        "retry_interval",
        default=5,
        min=0,
        help="""
Seconds until a failed step is tried again; doubles with each failure, up to
``retry_interval_max``.
""",
    ),
    cfg.FloatOpt(
        "retry_interval_max",
        default=300,
        min=0,
        help="The longest time, in seconds, between two tries.",
    ),
    cfg.IntOpt(
        "workers",
        default=8,
        min=1,
        help="How many mappings are worked on at once.",
    ),
    cfg.IntOpt(
        "event_workers",
        default=4,
        min=1,
        help="""
How many mappings are mounted and plugged at once after their server started
or stopped. They never wait behind a slow Manila.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
