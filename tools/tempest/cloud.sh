#!/usr/bin/env bash
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

# Runs tools/tempest/run.sh against the cloud of tools/cloud.sh, which is up.
#
#   cloud.sh CLOUD DIR    CLOUD is the directory of that cloud; see run.sh for
#                         DIR and the environment
# PATH has tempest, manila-tempest-plugin and nova-shares first.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
usage='usage: cloud.sh CLOUD DIR'
cloud=$(cd "${1:?$usage}" && pwd)
: "${2:?$usage}"
url=$(awk '$1 == "auth_url:" {print $2; exit}' "$cloud/clouds.yaml")

export OS_AUTH_URL=$url OS_USERNAME=admin OS_PASSWORD=secret
export OS_PROJECT_NAME=admin
export NOVA_SHARES_HYPERVISOR="$cloud/run/{host}"
# The scenarios that move a server to another host.
export NOT_RUN='^Cold migration is not available'
exec "$here/run.sh" "$2" \
    compute-feature-enabled.cold_migration=False \
    nova_shares.unsupported_share_protocol=CIFS \
    share.default_share_type_name=default
