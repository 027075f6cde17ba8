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

# Builds the wheel and tries it where nothing of the checkout is in reach: in
# an environment of its own, from another folder.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A command fails, and says in one line which extra it needs.
says_that_it_needs() { # extra command...
    local status=0
    "${@:2}" >aio.out 2>&1 || status=$?
    [ "$status $(wc -l <aio.out)" != '1 1' ] ||
        ! grep -qF "install nova-shares[$1]." aio.out || return 0
    cat aio.out >&2
    return 1
}

NEWER=3.10 tools/venv.sh .venv test-requirements.txt
python=$PWD/.venv/bin/python
git rev-parse HEAD >/dev/null 2>&1 || export PBR_VERSION=${PBR_VERSION:-0.0.0}
echo 'wheel: building it'
"$python" -m pip wheel -qq --no-deps --wheel-dir "$work" .
wheel=$(echo "$work"/nova_shares-*.whl)

echo 'wheel: the tempest plugin is in it'
"$python" -m zipfile -l "$wheel" >"$work/files"
grep -q '^nova_shares_tempest_plugin/tests/scenario/test_' "$work/files"

echo "wheel: installing ${wheel##*/} in an empty environment"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --no-compile \
    --disable-pip-version-check "$wheel"
cd "$work"

echo 'wheel: nova-shares-manage db sync'
printf '[database]\nconnection = sqlite:///%s/test.sqlite\n' "$work" >db.conf
venv/bin/nova-shares-manage --config-file db.conf db sync
venv/bin/nova-shares-manage --config-file db.conf db version

echo 'wheel: nova-shares-aio without the extra says which one it needs'
! venv/bin/python -c 'import cheroot' 2>/dev/null ||
    { echo 'a web server of ours is installed' >&2; exit 1; }
says_that_it_needs aio venv/bin/nova-shares-aio

echo 'wheel: nova-shares-aio'
venv/bin/python -m pip install -qq --disable-pip-version-check \
    "${wheel}[aio]"
says_that_it_needs demo venv/bin/nova-shares-aio --demo
venv/bin/nova-shares-aio >aio.out 2>&1 &
aio=$!
for _ in $(seq 60); do
    grep -q 'is up' aio.out && break
    kill -0 $aio 2>/dev/null || break
    sleep 0.5
done
grep -q 'is up' aio.out || { cat aio.out >&2; exit 1; }
kill -TERM $aio
wait $aio

echo 'wheel: nova-shares-aio --demo'
venv/bin/python -m pip install -qq --disable-pip-version-check \
    "${wheel}[demo]"
venv/bin/nova-shares-aio --demo
