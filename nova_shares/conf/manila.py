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

"""Options of how we reach Manila."""

from __future__ import annotations

import copy

from keystoneauth1 import loading
from oslo_config import cfg

GROUP = cfg.OptGroup(
    "manila", title="Manila, and our own user there for access rules"
)
OPTS = [
    cfg.FloatOpt(
        "api_timeout",
        default=5,
        min=0.1,
        help="""
Seconds that one request of a user may wait for Manila in all; then it is
answered 503 and nothing is recorded.
""",
    ),
    cfg.FloatOpt(
        "share_apply_policy_timeout",
        default=10,
        min=0.1,
        help="""
Seconds that the agent waits for an access rule to become active, or to be
gone, before the mapping goes to ``error`` and is tried again later.
""",
    ),
    cfg.BoolOpt(
        "send_service_user_token",
        default=False,
        help="""
Send a token of our own user beside the caller's, so that a request is not
refused when the caller's token expires on its way. The user needs a role
that Manila takes for a service's, ``[keystone_authtoken]
service_token_roles`` there.
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
