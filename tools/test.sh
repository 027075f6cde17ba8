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

# Runs the tests. Needs python3 with its venv module, and nothing else.
#
# usage: tools/test.sh [SUITE...]
#   SUITE is a package of nova_shares.tests; default: the suites that need
#   no server (functional_services needs those that tools/services.sh starts)
# environment:
#   VENV                 the virtual environment; default .venv
#   PYTHON, CONSTRAINTS  see tools/venv.sh
# Exits 0 only if tests ran, all passed and none was skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
[ $# -gt 0 ] || set -- unit functional functional_clients

tools/venv.sh "$venv" test-requirements.txt

suites=$(IFS='|'; echo "$*")
status=0
PATH=$PWD/$venv/bin:$PATH "$venv/bin/stestr" run \
    "(nova_shares\.tests\.($suites)\.)" || status=$?

count() { "$venv/bin/stestr" last 2>/dev/null |
    awk -v what="$1:" '$2 == what {n = $3} END {print n + 0}'; }
passed=$(count Passed) failed=$(count Failed) skipped=$(count Skipped)
if [ "$skipped" -gt 0 ]; then
    echo 'A test that skips counts as one that fails.' >&2
    failed=$((failed + skipped))
fi
if [ "$passed" -eq 0 ]; then
    echo "No test of $* passed." >&2
    status=1
fi
echo "$passed passed, $failed failed"
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ]
