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

# Kills API, agent, broker and database in the middle of an attach, and starts
# them again in each of the 24 orders, with the real Manila. Needs what
# tools/services.sh and tools/manila-services.sh start.
#
# usage: tools/kill-orders.sh DIR    DIR: that of tools/manila-services.sh
set -euo pipefail
export NOVA_SHARES_TEST_ORDERS=24
export NOVA_SHARES_TEST_MANILA_DIR=${1:?usage: kill-orders.sh DIR}
exec "$(dirname "$0")/test.sh" functional_manila:test_restarts
