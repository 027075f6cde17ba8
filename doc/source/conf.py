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
import sys

sys.path.insert(0, os.path.abspath("../ext"))

extensions = [
    "openstackdocstheme",
    "oslo_config.sphinxconfiggen",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxpolicygen",
    "oslo_policy.sphinxext",
    "sphinxcontrib.autoprogram",
    "transitions",
]
html_theme = "openstackdocs"
project = "nova_shares"
copyright = "nova_shares developers"
openstackdocs_auto_name = False
openstackdocs_repo_name = "nova-shares"
master_doc = "index"
html_static_path = ["_static"]
graphviz_output_format = "svg"

config_generator_config_file = (
    "../../etc/nova-shares/nova-shares-config-generator.conf"
)
sample_config_basename = "_static/nova-shares"
policy_generator_config_file = (
    "../../etc/nova-shares/nova-shares-policy-generator.conf"
)
sample_policy_basename = "_static/nova-shares"
