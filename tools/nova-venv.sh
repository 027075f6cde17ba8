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


# Makes a virtual environment with a Nova from PyPI and this checkout in it,
# or keeps the one that is there: what the functional-nova tests run.
#
# usage: tools/nova-venv.sh DIRECTORY 30|34
# environment:
#   PYTHON  the interpreter, 3.11 or 3.12; default: the first that runs
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$1
case $2 in
    # Of its own era: with today's libraries it can't be imported.
    30) what=(nova==30.3.0 openstack-placement==12.0.0 'setuptools<81'
        -c tools/nova-30-constraints.txt) ;;
    34) what=(nova==34.0.0 openstack-placement==16.0.0 setuptools) ;;
    *) echo 'nova-venv.sh: 30 or 34' >&2; exit 2 ;;
esac

python=
pyenv=~/.pyenv/versions
for candidate in ${PYTHON:-python3.11 python3.12 "$pyenv"/3.11*/bin/python \
        "$pyenv"/3.12*/bin/python python3}; do
    if "$candidate" -c 'import ssl, sys, venv, ensurepip
sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo 'nova-venv.sh: no Python 3.11 or 3.12 with its venv module runs' >&2
    exit 1
fi

made_from=$({ "$python" --version; echo "${what[@]}"
    cat pyproject.toml requirements.txt tools/nova-30-constraints.txt
} | sha256sum | cut -d' ' -f1)
stamp=$directory/made-from
[ "$(cat "$stamp" 2>/dev/null)" != "$made_from" ] || exit 0

git rev-parse HEAD >/dev/null 2>&1 || export PBR_VERSION=${PBR_VERSION:-0.0.0}
[ -x "$directory/bin/python" ] || "$python" -m venv "$directory"
"$directory/bin/pip" install -qq --no-compile --disable-pip-version-check \
    "${what[@]}" wheel uwsgi PyMySQL -e .
echo "$made_from" >"$stamp"
