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

"""How Manila shows shares, access rules, locks and its version."""

from __future__ import annotations

import datetime
from typing import Any

from nova_shares_devcloud import shares
from nova_shares_devcloud import wire

_HIDDEN = "******"
#: Where all shares are.
_POOL = {
    "name": "devcloud@memory#pool",
    "host": "devcloud",
    "backend": "memory",
    "pool": "pool",
}


def share_summary(call: wire.Call, share: shares.Share) -> dict[str, Any]:
    """Show a share in short."""
    return {
        "id": share.id,
        "name": share.name,
        "links": _links(call, "shares", share.id),
    }


def share_detail(call: wire.Call, share: shares.Share) -> dict[str, Any]:
    """Show a share in full."""
    kind = share_type()
    view = {
        **share_summary(call, share),
        "size": share.size,
        "availability_zone": "nova",
        "created_at": _when(share.created),
        "status": share.status,
        "description": share.description,
        "project_id": share.project_id,
        "user_id": share.user_id,
        "snapshot_id": None,
        "share_network_id": None,
        "share_proto": share.proto,
        "metadata": dict(share.metadata),
        "share_type": kind["id"],
        "share_type_name": kind["name"],
        "volume_type": kind["name"],
        "is_public": share.is_public,
        "task_state": None,
        "access_rules_status": "active",
        "has_replicas": False,
        "replication_type": None,
        "progress": "100%",
        "is_soft_deleted": share.in_recycle_bin,
        "scheduled_to_be_deleted_at": None,
        "snapshot_support": False,
        "create_share_from_snapshot_support": False,
        "revert_to_snapshot_support": False,
        "mount_snapshot_support": False,
        "share_group_id": None,
        "source_share_group_snapshot_member_id": None,
    }
    if call.context.is_admin:
        view["host"] = _POOL["name"]
        view["share_server_id"] = None
    return view


def share_type() -> dict[str, Any]:
    """Show the only share type."""
    specs = {"driver_handles_share_servers": "False"}
    return {
        "id": wire.stable_id("share type", "default"),
        "name": "default",
        "share_type_access:is_public": True,
        "is_default": True,
        "description": None,
        "extra_specs": specs,
        "required_extra_specs": specs,
    }


def export_view(
    call: wire.Call, location: shares.ExportLocation
) -> dict[str, Any]:
    """Show where a share is exported."""
    view: dict[str, Any] = {"id": location.id, "path": location.path}
    if call.version >= (2, 14):
        view["preferred"] = location.preferred
    if call.context.is_admin:
        view["share_instance_id"] = wire.stable_id("instance", location.id)
        view["is_admin_only"] = location.is_admin_only
    return view


def rule_view(
    call: wire.Call, rule: shares.AccessRule, hidden: bool
) -> dict[str, Any]:
    """Show an access rule.

    :param hidden: without what its visibility lock is about
    """
    view: dict[str, Any] = {
        "id": rule.id,
        "access_level": rule.access_level,
        "access_to": _HIDDEN if hidden else rule.access_to,
        "access_type": rule.access_type,
        "state": rule.state,
        "access_key": _HIDDEN if hidden else rule.access_key,
        "created_at": _when(rule.created),
        "updated_at": rule.updated and _when(rule.updated),
    }
    if call.version >= (2, 45):
        view["metadata"] = dict(rule.metadata)
    return view


def lock_view(call: wire.Call, lock: shares.ResourceLock) -> dict[str, Any]:
    """Show a resource lock."""
    return {
        "id": lock.id,
        "user_id": lock.user_id,
        "project_id": lock.project_id,
        "lock_context": lock.lock_context,
        "resource_type": lock.resource_type,
        "resource_id": lock.resource_id,
        "resource_action": lock.resource_action,
        "lock_reason": lock.lock_reason,
        "created_at": _when(lock.created),
        "updated_at": None,
        "links": _links(call, "resource-locks", lock.id),
    }


def pool(in_full: bool) -> dict[str, Any]:
    """Show where shares are: one pool, which can do what we need."""
    if not in_full:
        return dict(_POOL)
    capabilities = {
        "pool_name": _POOL["pool"],
        "share_backend_name": _POOL["backend"],
        "storage_protocol": "NFS_CEPHFS",
        "driver_handles_share_servers": False,
        "total_capacity_gb": "unknown",
        "free_capacity_gb": "unknown",
    }
    return {**_POOL, "capabilities": capabilities}


def service() -> dict[str, Any]:
    """Show one of what Manila is made of, as administrators see it."""
    return {
        "id": 1,
        "binary": "manila-share",
        "host": _POOL["host"] + "@" + _POOL["backend"],
        "zone": "nova",
        "status": "enabled",
        "state": "up",
        "updated_at": wire.now().isoformat(),
    }


def version(base: str, highest: str) -> dict[str, Any]:
    """Show version 2, served below ``base``."""
    kind = "application/vnd.openstack.volume+json;version=1"
    return {
        "id": "v2.0",
        "status": "CURRENT",
        "version": highest,
        "min_version": "2.0",
        "updated": "2015-08-27T11:33:21Z",
        "links": [{"rel": "self", "href": f"{base}/v2/"}],
        "media-types": [{"base": "application/json", "type": kind}],
    }


def _links(call: wire.Call, kind: str, identifier: str) -> list[Any]:
    root = call.req.application_url
    return [
        {"rel": "self", "href": f"{root}/v2/{kind}/{identifier}"},
        {"rel": "bookmark", "href": f"{root}/{kind}/{identifier}"},
    ]


def _when(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="microseconds")
