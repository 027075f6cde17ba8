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

# Runs the tempest plugin, and manila-tempest-plugin's share attachment tests,
# against a cloud whose guests are those of the driver "fake". Ends with what
# was run of what there is, and with "N passed, M failed".
#
#   run.sh DIR [GROUP.OPTION=VALUE...]    options of tempest.conf; the
#                                         workspace is DIR, made anew
# environment:
#   OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME, and if they are
#       not Default and RegionOne, OS_USER_DOMAIN_NAME,
#       OS_PROJECT_DOMAIN_NAME, OS_REGION_NAME: an administrator
#   NOVA_SHARES_HYPERVISOR  the socket of the fake hypervisor; {host} in it
#                           stands for the host of a server
#   NOT_RUN                 regular expressions, one a line: reasons for which
#                           a test may be skipped; any other counts as failed
#   REGEX                   the tests to run; default: all that there are
#   CONCURRENCY             how many at a time; default: 4
# PATH has tempest, manila-tempest-plugin and nova-shares first.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${1:?usage: run.sh DIR [GROUP.OPTION=VALUE...]}"
: "${NOVA_SHARES_HYPERVISOR:?is not set: the socket of the fake hypervisor}"
rm -rf "$1"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
export NOVA_SHARES_TEMPEST_DIR=$dir PYTHONPATH=$here PYTHONWARNINGS=ignore
# stestr would run this one instead of the environment's.
unset PYTHON

tempest init --workspace-path "$dir/workspaces.yaml" "$dir/workspace"
cd "$dir/workspace"
python "$here/configure.py" etc/tempest.conf "$@"
# All of tempest's own tests would be loaded, to run none of them.
sed -i -e "s|^test_path=.*|test_path=$here/discovery|" \
    -e "s|^top_dir=.*|top_dir=$here/discovery|" .stestr.conf
export TEMPEST_CONFIG_DIR=$dir/workspace/etc
touch "$dir/shimmed"
stestr list ${REGEX:+"$REGEX"} >"$dir/list"
status=0
tempest run --regex "${REGEX:-.}" --concurrency "${CONCURRENCY:-4}" ||
    status=$?
mapfile -t reasons <<<"${NOT_RUN:-}"
# Without a reason, an empty line would match any.
[ -n "${NOT_RUN:-}" ] || reasons=()
python "$here/report.py" "$dir" "${reasons[@]}" <"$dir/list"
exit "$status"
