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
"""Root's side of the mounts, and what it is made of.

The agent runs the helper through sudo, and reads the same modules to see
what is mounted without root::

    agent: nova_shares.virt.mount
      |  sudo nova-shares-mount-helper VERB, a JSON document on stdin
      v
    helper         checks the document, mounts and unmounts
      |-- config         what root allows, from a file that only root writes
      |-- location       takes an export location apart
      |-- mount_points   makes, locks and removes directories
      |-- child          runs a program and gives it up at its limit
      `-- process_table  what is mounted, and which processes use it

It runs as root: every module here imports the standard library alone.
"""
