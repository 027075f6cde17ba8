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

GROUP = cfg.OptGroup("api", title="API, as a filter or as a service")
AUTO = "auto"
ALWAYS = "always"
NEVER = "never"
OPTS = [
    cfg.StrOpt(
        "serve",
        default=AUTO,
        choices=[
            (AUTO, "unless Nova does and no share is attached by nova_shares"),
            (ALWAYS, "even if Nova does"),
            (NEVER, "Nova serves the calls, if it provides them"),
        ],
        help="""
When the filter in Nova's pipeline serves server shares. Nova provides them
if its maximum microversion is 2.97 or later. With ``auto``, Nova takes over
when no share is attached by nova_shares any more.
""",
    ),
    cfg.BoolOpt(
        "advertise",
        default=True,
        help="""
Whether to advertise microversion 2.97 if Nova's maximum is 2.96, and to
answer all requests at 2.97. Microversion 2.97 adds server shares and changes
nothing else. If disabled, only requests for server shares are answered at
2.97. In Nova's pipeline, this requires the filter ``nova_shares_versions``. In
front of a service of its own, the load balancer decides how Nova's own calls
are answered at 2.97.
""",
    ),
    cfg.IntOpt(
        "agent_down_time",
        default=60,
        min=1,
        help="""
Seconds since the last heartbeat after which the agent of a host is down. A
request to attach a share to a server on such a host returns 409. Set it to at
least three times ``[compute] heartbeat_interval``.
""",
    ),
    cfg.IntOpt(
        "max_concurrent_requests",
        deprecated_name="max_waiting",
        default=4,
        min=1,
        help="""
Maximum number of requests of a process that wait for Manila at the same time,
and the same number for Nova. One project uses at most three quarters of them.
Other requests, at most four times as many, wait for a second and then return
503. While Manila or Nova hangs, requests that need it return 503 at once,
except for one request every 10 seconds. Set it to less than half of the
threads of a process, so that the other threads of nova-api keep serving
Nova's own calls. In a process with a single thread, a request waits for
Manila for one second at most.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
