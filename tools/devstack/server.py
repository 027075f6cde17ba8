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

"""Makes a stopped server in Nova's databases, on a host; prints its ID.

There is no nova-compute that could make it. Run by the Python of Nova.

Usage: server.py NOVA_CONF PROJECT_ID USER_ID HOST
"""

import sys

from nova import config
from nova import context as nova_context
from nova import objects
from nova.network import model
from oslo_utils import uuidutils

nova_conf, project_id, user_id, host = sys.argv[1:]
config.parse_args(["server.py", "--config-file", nova_conf])
objects.register_all()
context = nova_context.RequestContext(user_id, project_id, is_admin=True)
flavor = objects.Flavor(
    id=1,
    flavorid="plain",
    name="plain",
    memory_mb=64,
    vcpus=1,
    root_gb=1,
    ephemeral_gb=0,
    swap=0,
    rxtx_factor=1.0,
    vcpu_weight=0,
    is_public=True,
    disabled=False,
    extra_specs={},
    description=None,
)
cells = objects.CellMappingList.get_all(context)
[cell] = [cell for cell in cells if not cell.is_cell0()]
uuid = uuidutils.generate_uuid()
with nova_context.target_cell(context, cell) as in_cell:
    objects.Instance(
        in_cell,
        uuid=uuid,
        project_id=project_id,
        user_id=user_id,
        display_name="server",
        hostname="server",
        host=host,
        node=host,
        compute_id=1,
        vm_state="stopped",
        power_state=4,
        launched_at=None,
        image_ref="",
        instance_type_id=1,
        memory_mb=64,
        vcpus=1,
        root_gb=1,
        ephemeral_gb=0,
        flavor=flavor,
        old_flavor=None,
        new_flavor=None,
        system_metadata={},
        metadata={},
        info_cache=objects.InstanceInfoCache(
            instance_uuid=uuid, network_info=model.NetworkInfo()
        ),
    ).create()
objects.InstanceMapping(
    context,
    instance_uuid=uuid,
    project_id=project_id,
    user_id=user_id,
    cell_mapping=cell,
    queued_for_delete=False,
).create()
print(uuid)
