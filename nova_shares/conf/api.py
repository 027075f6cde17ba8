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

"""Options of the API."""

from __future__ import annotations

import copy

from oslo_config import cfg

GROUP = cfg.OptGroup("api", title="The API, as a filter or as a service")
AUTO = "auto"
ALWAYS = "always"
NEVER = "never"
OPTS = [
    cfg.StrOpt(
        "serve",
        default=AUTO,
        choices=[
            (AUTO, "while Nova has no server shares itself, or we have any"),
            (ALWAYS, "also where Nova has server shares itself"),
            (NEVER, "Nova's own calls, if it has them, are reached"),
        ],
        help="""
When the filter in Nova's pipeline answers for the shares of servers. Nova
has them from its maximum microversion 2.97 on; with ``auto`` it takes over
once no share is attached by nova_shares any more.
""",
    ),
    cfg.BoolOpt(
        "advertise",
        default=True,
        help="""
Whether a Nova whose maximum microversion is 2.96 is shown to have 2.97, and
answers requests at 2.97, which changed nothing but the shares of servers.
Without it only requests for the shares of servers are answered at 2.97. It
needs the filter ``nova_shares_versions``.
""",
    ),
    cfg.IntOpt(
        "agent_down_time",
        default=60,
        min=1,
        help="""
Seconds without a heartbeat after which the agent of a host counts as down.
Attaching a share to a server on such a host is refused. At least three
times ``[compute] heartbeat_interval``.
""",
    ),
    cfg.IntOpt(
        "max_waiting",
        default=4,
        min=1,
        help="""
How many requests of a process may wait for Manila at once, and as many for
Nova; the rest wait for a second, then are answered 503 and may be sent again.
Less than half the threads of a process: inside Nova's process the others keep
serving Nova's own calls.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
