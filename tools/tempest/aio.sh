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

# Runs tools/tempest/run.sh against nova-shares-aio, the development cloud.
#
#   aio.sh DIR    environment: see run.sh
# PATH has tempest, manila-tempest-plugin and nova-shares[aio] first.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: aio.sh DIR}"
dir=$(cd "$1" && pwd)
# A socket's path must be short, whatever DIR is.
cloud=$(mktemp -d)
nova-shares-aio --directory "$cloud" \
    --hypervisor-socket "$cloud/hypervisor.sock" >"$dir/aio.log" 2>&1 &
pid=$!
trap 'kill $pid; wait $pid || true; rm -rf "$cloud"' EXIT
for _ in $(seq 300); do
    [ ! -s "$cloud/clouds.yaml" ] || break
    kill -0 "$pid" || { cat "$dir/aio.log"; exit 1; }
    sleep 0.1
done
url=$(awk '$1 == "auth_url:" {print $2; exit}' "$cloud/clouds.yaml")

export OS_AUTH_URL=$url OS_USERNAME=admin OS_PASSWORD=devcloud
export OS_PROJECT_NAME=admin
export NOVA_SHARES_HYPERVISOR=$cloud/hypervisor.sock
# The scenarios that move a server to another host.
export NOT_RUN='^Cold migration is not available'
"$here/run.sh" "$dir/tempest" \
    compute-feature-enabled.cold_migration=False \
    nova_shares.unsupported_share_protocol=CIFS \
    share.default_share_type_name=default
