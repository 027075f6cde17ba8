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

import os

from tempest import config
from tempest.test_discover import plugins

from nova_shares_tempest_plugin import config as plugin_config


class NovaSharesTempestPlugin(plugins.TempestPlugin):
    """What tempest loads."""

    def load_tests(self):
        base_path = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        test_dir = "nova_shares_tempest_plugin/tests"
        return os.path.join(base_path, test_dir), base_path

    def register_opts(self, conf):
        conf.register_opt(
            plugin_config.service_option, group="service_available"
        )
        conf.register_group(plugin_config.nova_shares_group)
        conf.register_opts(
            plugin_config.NovaSharesGroup, plugin_config.nova_shares_group
        )

    def get_opt_lists(self):
        return [
            ("service_available", [plugin_config.service_option]),
            (
                plugin_config.nova_shares_group.name,
                plugin_config.NovaSharesGroup,
            ),
        ]

    def get_service_clients(self):
        services = "nova_shares_tempest_plugin.services"
        return [
            {
                "name": "nova_shares",
                "service_version": "nova_shares.v2",
                "module_path": f"{services}.server_shares_client",
                "client_names": ["ServerSharesClient"],
                **config.service_client_config("compute"),
            },
            {
                "name": "nova_shares_manila",
                "service_version": "nova_shares_manila.v2",
                "module_path": f"{services}.shares_client",
                "client_names": ["SharesClient"],
                **config.service_client_config("compute"),
                "service": config.CONF.nova_shares.share_catalog_type,
            },
        ]
