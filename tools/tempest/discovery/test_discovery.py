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

"""What tempest finds here: the plugin, and manila-tempest-plugin's tests.

All of the plugin, and the share attachment tests as they are installed. The
shim is put in their way before they are loaded.
"""

import shim

from nova_shares_tempest_plugin import plugin


def load_tests(loader, tests, pattern):
    directory, top = plugin.NovaSharesTempestPlugin().load_tests()
    shim.install()
    name = "manila_tempest_tests.tests.scenario.test_share_attachment"
    return loader.suiteClass(
        [
            loader.discover(directory, top_level_dir=top),
            loader.loadTestsFromName(name),
        ]
    )
