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

# Makes a virtual environment with this checkout in it (editable), or keeps
# the one that is there if nothing that it was made from has changed.
#
# usage: tools/venv.sh DIRECTORY WHAT...
#   WHAT is what pip installs: a requirements file (by its name, *.txt),
#   or ".[extra]" for the checkout with an extra
# environment:
#   PYTHON       the interpreter; default: the first that runs
#   NEWER        the oldest version that will do; default 3.9
#   CONSTRAINTS  a constraints file for pip
set -euo pipefail
cd "$(dirname "$0")/.."
directory=$1
shift
newer=${NEWER:-3.9}

# A name on PATH may be a shim that does not run: try each.
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 \
        python3.10 python3.9}; do
    if "$candidate" -c "import ssl, sys, venv, ensurepip
wanted = tuple(int(part) for part in '$newer'.split('.'))
sys.exit(sys.version_info[:2] < wanted)" 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "venv.sh: no Python of version $newer or newer with its venv" \
        "module runs (tried: ${PYTHON:-python3, python3.9 to 3.13})." \
        "On Debian: apt-get install python3-venv" >&2
    exit 1
fi

install=(-e .)
for what; do
    case $what in
        *.txt) install+=(-r "$what") ;;
        *) install+=(-e "$what") ;;
    esac
done
[ -z "${CONSTRAINTS:-}" ] || install+=(-c "$CONSTRAINTS")

made_from=$({
    "$python" -c 'import sys; print(sys.prefix, sys.version)'
    echo "${install[@]}"
    cat pyproject.toml setup.cfg ./*requirements.txt lower-constraints.txt
} | sha256sum | cut -d' ' -f1)
# One stamp a set of things: two sets may share an environment.
stamp=$directory/made-from-$(echo "${install[@]}" | sha256sum | cut -c1-12)
[ "$(cat "$stamp" 2>/dev/null)" != "$made_from" ] || exit 0

# pbr reads the version from git; an unpacked archive has none.
git rev-parse HEAD >/dev/null 2>&1 || export PBR_VERSION=${PBR_VERSION:-0.0.0}
# What an older build left here would be found before what is installed.
rm -rf nova_shares.egg-info
echo "making $directory with $("$python" --version)" >&2
[ -x "$directory/bin/python" ] || "$python" -m venv "$directory"
# Python compiles what it imports, a fraction of what is installed.
"$directory/bin/python" -m pip install -qq --no-compile \
    --disable-pip-version-check "${install[@]}"
echo "$made_from" >"$stamp"
