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
# usage: tools/test.sh [SUITE[:REGEX]...]
#   SUITE is a package of nova_shares.tests; default: the suites that need
#   no server (functional_services needs those that tools/services.sh starts).
#   REGEX selects some of its tests
# environment:
#   VENV                 the virtual environment; default .venv
#   EXTRA                what it has beside, as ".[agent]"
#   PYTHON, CONSTRAINTS  see venv.sh beside it
# Exits 0 only if every suite ran, all tests passed and none was skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
[[ $venv = /* ]] || venv=$PWD/$venv
[ $# -gt 0 ] || set -- unit functional functional_clients

tools/venv.sh "$venv" test-requirements.txt ${EXTRA:+"$EXTRA"}
export PATH=$venv/bin:$PATH

# stestr would run this one instead of the environment's.
unset PYTHON
# Nothing is compiled when it is installed: the first process that imports it
# does so, or else every process would.
unset PYTHONDONTWRITEBYTECODE

count() { awk -v what="$1:" '$2 == what {n = $3} END {print n + 0}' <<<"$last"; }

# A suite at a time: each imports what it alone needs. Each has a repository
# of its own: others may run at the same time.
passed=0 failed=0 slowest=
for suite; do
    echo "--- $suite"
    regex=${suite#"${suite%%:*}"}
    suite=${suite%%:*}
    repository=$venv/stestr/$suite
    if [ ! -d "$repository/.stestr" ]; then
        mkdir -p "$repository"
        stestr --repo-url "$repository" init
    fi
    next=$repository/.stestr/next-stream
    before=$(cat "$next" 2>/dev/null || true)
    status=0 last=
    stestr --repo-url "$repository" --test-path "nova_shares/tests/$suite" \
        run ${regex:+"${regex#:}"} || status=$?
    # Without a stream of its own it broke down before its first test.
    if [ "$(cat "$next" 2>/dev/null)" != "$before" ]; then
        last=$(stestr --repo-url "$repository" last || true)
        slowest+=$(stestr --repo-url "$repository" slowest || true)$'\n'
    fi
    ran=$(count Passed) broken=$(count Failed) skipped=$(count Skipped)
    if [ "$skipped" -gt 0 ]; then
        echo 'A test that skips counts as one that fails.' >&2
        broken=$((broken + skipped))
    fi
    [ "$ran" -gt 0 ] || status=1
    if [ "$broken" -eq 0 ] && [ "$status" -ne 0 ]; then
        echo "The suite $suite did not run to its end." >&2
        broken=1
    fi
    passed=$((passed + ran)) failed=$((failed + broken))
done
echo '--- the slowest tests, in seconds'
awk '$NF ~ /^[0-9]+\.[0-9]+$/ {print $NF, $1}' <<<"$slowest" |
    sort -rn | head -10
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
