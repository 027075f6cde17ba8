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

# The main job, shown: nova_shares in one process with a small development
# cloud around it; a stock client attaches a share to a server, sees it come
# and go with the server, and detaches it. Exits 0 only if it saw every step.
# Needs python3 (3.10 or newer) with its venv module, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
NEWER=3.10 tools/venv.sh .venv '.[demo]'
exec .venv/bin/nova-shares-aio --demo "$@"
