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

"""The cases of the contract that no client can ask for over HTTP.

Each test of this plugin names the cases that it asks for, as "Contract A1:"
in its docstring. doc/source/contributor/contract.rst describes them all.
"""

#: Why there is no test of a case here, by its number. These cases have tests
#: of their own, in nova_shares.tests.
NOT_OVER_HTTP = {
    "S3": "requires another policy.yaml",
    "A16": "a task of a server ends when the hypervisor is done: no client "
    "can make it last",
    "A18": "a stopped server of Nova always has a host",
    "A19": "requires a host without an agent",
    "A20": "requires a host without virtio-fs",
    "A21": "requires a host without file-backed memory",
    "A24": "requires a share without an export location, which no Manila "
    "driver creates",
    "A28": "requires a Manila that is down or hangs",
    "A30": "requires a message broker that is down",
    "D1b": "planned: this release does not implement it",
    "D6": "requires a Manila or a host that fails",
    "D8": "requires a Manila that is down",
    "D9": "requires a host whose agent is down",
    "D13": "as A16",
    "T3": "requires a Manila that never applies an access rule",
    "P1b": "planned: this release does not implement it",
    "P4": "requires the same Nova without nova_shares, to compare with",
    "P6": "requires a configuration, a database or a service that is broken",
}
