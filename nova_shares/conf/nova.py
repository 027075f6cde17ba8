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

"""Options of the requests to Nova."""

from __future__ import annotations

import copy

from keystoneauth1 import loading
from oslo_config import cfg

from nova_shares.conf import manila

GROUP = cfg.OptGroup(
    "nova", title="Nova, and the service user, who sees every server"
)


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    loading.register_auth_conf_options(conf, GROUP.name)
    loading.register_session_conf_options(conf, GROUP.name)
    loading.register_adapter_conf_options(conf, GROUP.name)
    conf.set_default("service_type", "compute", GROUP.name)
    conf.set_default("timeout", 5, GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, manila.keystoneauth_opts())]
