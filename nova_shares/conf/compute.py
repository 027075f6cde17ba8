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

GROUP = cfg.OptGroup("compute", title="Agent on a compute host")
OPTS = [
    cfg.StrOpt(
        "virt_driver",
        choices=[
            ("libvirt", "QEMU guests of libvirt, with virtio-fs devices"),
            ("fake", "guests in memory, for development and tests"),
        ],
        help="The hypervisor driver of this host. Required.",
    ),
    cfg.StrOpt(
        "fake_hypervisor",
        help="""
With ``virt_driver = fake``, the socket of a fake hypervisor in another
process, so that its guests outlive the agent. For tests only.
""",
    ),
    cfg.IPOpt(
        "my_shared_fs_storage_ip",
        deprecated_name="share_ip",
        help="""
The address from which this host reaches NFS servers. Manila grants this
address access to the shares of servers on this host. Defaults to ``my_ip``.
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
Average number of seconds between two resyncs. A resync finds every share
mapping of the host that is out of sync, for example after a lost message. Each
interval is random, between 75% and 125% of this value. 0 disables all resyncs
except the one at start.
""",
    ),
    cfg.FloatOpt(
        "server_check_interval",
        default=3600,
        min=1,
        help="""
Seconds after which the agent asks Nova again whether the server of a mapping
exists and is on this host. It asks for a server whose guest is not on the
hypervisor at every resync.
""",
    ),
    cfg.FloatOpt(
        "server_gone_interval",
        default=60,
        min=0,
        help="""
Minimum number of seconds between two answers of Nova that a server does not
exist, before its shares are detached.
""",
    ),
    cfg.FloatOpt(
        "retry_interval",
        default=5,
        min=0,
        help="""
Seconds until a failed step is retried. The interval doubles with each
failure, up to ``retry_interval_max``.
""",
    ),
    cfg.FloatOpt(
        "retry_interval_max",
        default=300,
        min=0,
        help="Maximum number of seconds between two retries.",
    ),
    cfg.IntOpt(
        "workers",
        default=8,
        min=1,
        help="Number of mappings that are reconciled at the same time.",
    ),
    cfg.IntOpt(
        "event_workers",
        default=4,
        min=1,
        help="""
Number of mappings that are mounted and attached at the same time after their
server starts or stops. They do not wait for Manila.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
