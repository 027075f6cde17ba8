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

"""Options of the requests to Manila."""

from __future__ import annotations

import copy

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = cfg.OptGroup(
    "manila", title="Manila, and the service user for access rules"
)
OPTS = [
    cfg.FloatOpt(
        "api_timeout",
        default=5,
        min=0.1,
        help="""
Maximum number of seconds that a user request waits for Manila in total.
After that it returns 503 and nothing is recorded.
""",
    ),
    cfg.FloatOpt(
        "share_apply_policy_timeout",
        default=10,
        min=0.1,
        help="""
Seconds that the agent waits for an access rule to become active or to be
deleted. After that the mapping goes to ``error`` and is retried later.
""",
    ),
    cfg.BoolOpt(
        "send_service_user_token",
        default=False,
        help="""
Send the token of the service user together with the token of the caller, so
that a request succeeds if the token of the caller expires in the meantime. The
service user requires a role that Manila lists in ``[keystone_authtoken]
service_token_roles``.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)
    loading.register_auth_conf_options(conf, GROUP.name)
    loading.register_session_conf_options(conf, GROUP.name)
    loading.register_adapter_conf_options(conf, GROUP.name)
    conf.set_default("service_type", "shared-file-system", GROUP.name)
    conf.set_default("timeout", 5, GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS + keystoneauth_opts())]


def keystoneauth_opts() -> list[cfg.Opt]:
    """List the options by which keystoneauth reaches a service."""
    opts = (
        loading.get_auth_common_conf_options()
        + loading.get_auth_plugin_conf_options("password")
        + loading.get_auth_plugin_conf_options("v3applicationcredential")
        + loading.get_session_conf_options()
        + loading.get_adapter_conf_options(include_deprecated=False)
    )
    return list({opt.dest: opt for opt in opts}.values())
