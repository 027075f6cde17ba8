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

"""How Nova shows servers, flavors and versions."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from nova_shares_devcloud import servers
from nova_shares_devcloud import wire

#: Nova's status, unless a task changes it.
_STATUS = {
    "active": "ACTIVE",
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "error": "ERROR",
    "deleted": "DELETED",
    "soft-delete": "SOFT_DELETED",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
    "resized": "VERIFY_RESIZE",
}
_TASK_STATUS = {
    ("active", "rebooting"): "REBOOT",
    ("active", "rebuilding"): "REBUILD",
    ("active", "resize_prep"): "RESIZE",
    ("active", "migrating"): "MIGRATING",
    ("stopped", "rebooting"): "HARD_REBOOT",
    ("stopped", "rebuilding"): "REBUILD",
    ("stopped", "resize_prep"): "RESIZE",
}
#: Nova's numbers for what the hypervisor says.
_POWER = {"active": 1, "rescued": 1, "resized": 1, "paused": 3, "stopped": 4}
_UPDATED = "2013-07-23T11:33:21Z"


def status_of(server: servers.Server) -> str:
    """Derive a server's status as Nova does."""
    status = _STATUS.get(server.vm_state, "UNKNOWN")
    task = server.task_state or ""
    return _TASK_STATUS.get((server.vm_state, task), status)


def server_summary(call: wire.Call, server: servers.Server) -> dict[str, Any]:
    """Show a server in short."""
    return {
        "id": server.id,
        "name": server.name,
        "links": _links(call, "servers", server.id),
    }


def server_detail(call: wire.Call, server: servers.Server) -> dict[str, Any]:
    """Show a server in full, as the caller and the version may see it."""
    host = server.host or ""
    hashed = hashlib.sha224((server.project_id + host).encode()).hexdigest()
    ready = server.vm_state != "building"
    view = {
        **server_summary(call, server),
        "status": status_of(server),
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": dict(server.metadata),
        "hostId": hashed if host else "",
        "image": {
            "id": server.image_id,
            "links": _links(call, "images", server.image_id)[1:],
        },
        "flavor": _flavor_of(call, server.flavor),
        "created": _when(server.created),
        "updated": _when(server.updated),
        "addresses": {},
        "accessIPv4": "",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": "nova" if host else "",
        "config_drive": "",
        "key_name": None,
        "OS-SRV-USG:launched_at": _when(server.created) if ready else None,
        "OS-SRV-USG:terminated_at": None,
        "os-extended-volumes:volumes_attached": [],
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": _POWER.get(server.vm_state, 0),
    }
    if server.vm_state not in ("error", "building", "deleted"):
        view["progress"] = 0
    if call.context.is_admin:
        view.update(_admin_fields(call, server))
    view.update(_newer_fields(call, server))
    return view


def listed_server(call: wire.Call, server: servers.Server) -> dict[str, Any]:
    """Show a server in full, in a list."""
    view = server_detail(call, server)
    view.pop("server_groups", None)
    return view


def _admin_fields(call: wire.Call, server: servers.Server) -> dict[str, Any]:
    attribute = "OS-EXT-SRV-ATTR:"
    fields: dict[str, Any] = {
        "host": server.host,
        "hypervisor_hostname": server.host,
        "instance_name": f"instance-{server.id[:8]}",
    }
    if call.version >= (2, 3):
        fields.update(
            reservation_id=f"r-{server.id[:8]}",
            launch_index=0,
            kernel_id="",
            ramdisk_id="",
            root_device_name="/dev/vda",
            user_data=None,
        )
    view = {attribute + name: value for name, value in fields.items()}
    if call.version >= (2, 16):
        view["host_status"] = "UP" if server.host else ""
    return view


def _newer_fields(call: wire.Call, server: servers.Server) -> dict[str, Any]:
    fields: tuple[tuple[int, str, Any], ...] = (
        (9, "locked", server.locked),
        (19, "description", None),
        (26, "tags", list(server.tags)),
        (63, "trusted_image_certificates", None),
        (71, "server_groups", []),
        (73, "locked_reason", None),
        (90, "OS-EXT-SRV-ATTR:hostname", server.name),
        (96, "pinned_availability_zone", None),
    )
    return {
        name: value
        for minor, name, value in fields
        if call.version >= (2, minor)
    }


def _flavor_of(call: wire.Call, flavor: servers.Flavor) -> dict[str, Any]:
    if call.version < (2, 47):
        links = _links(call, "flavors", flavor.id)[1:]
        return {"id": flavor.id, "links": links}
    return {
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "ephemeral": 0,
        "swap": 0,
        "extra_specs": dict(flavor.extra_specs),
    }


def flavor_summary(call: wire.Call, flavor: servers.Flavor) -> dict[str, Any]:
    """Show a flavor in short."""
    return {
        "id": flavor.id,
        "name": flavor.name,
        "links": _links(call, "flavors", flavor.id),
    }


def flavor_detail(call: wire.Call, flavor: servers.Flavor) -> dict[str, Any]:
    """Show a flavor in full."""
    view = {
        **flavor_summary(call, flavor),
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": 0 if call.version >= (2, 75) else "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
    }
    if call.version >= (2, 55):
        view["description"] = None
    if call.version >= (2, 61):
        view["extra_specs"] = dict(flavor.extra_specs)
    return view


def version(base: str, highest: str) -> dict[str, Any]:
    """Show version 2.1, served below ``base``, in short."""
    return {
        "id": "v2.1",
        "status": "CURRENT",
        "version": highest,
        "min_version": "2.1",
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{base}/v2.1/"}],
    }


def version_detail(base: str, highest: str) -> dict[str, Any]:
    """Show version 2.1 in full."""
    view = version(base, highest)
    view["links"].append(
        {
            "rel": "describedby",
            "type": "text/html",
            "href": "http://docs.openstack.org/",
        }
    )
    kind = "application/vnd.openstack.compute+json;version=2.1"
    view["media-types"] = [{"base": "application/json", "type": kind}]
    return view


def _links(call: wire.Call, kind: str, identifier: str) -> list[Any]:
    root = call.req.application_url
    bookmark = root[: root.rindex("/")]
    return [
        {"rel": "self", "href": f"{root}/{kind}/{identifier}"},
        {"rel": "bookmark", "href": f"{bookmark}/{kind}/{identifier}"},
    ]


def _when(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
