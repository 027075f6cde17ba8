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

"""The rules of the four calls."""

from __future__ import annotations

from oslo_policy import policy

from nova_shares.policies import base

_ROOT = "os_compute_api:os-server-shares:"
INDEX = _ROOT + "index"
SHOW = _ROOT + "show"
CREATE = _ROOT + "create"
DELETE = _ROOT + "delete"
ADMIN_FIELDS = _ROOT + "show:admin_fields"
ANY_SHARE = _ROOT + "create:any_share"
#: Who may change the shares of a locked server; Nova's own base rule.
IGNORE_LOCK = "context_is_admin"

_LIST = "/servers/{server_id}/shares"
_ITEM = "/servers/{server_id}/shares/{share_id}"


def _rule(
    name: str, check: str, description: str, *operations: tuple[str, str]
) -> policy.DocumentedRuleDefault:
    return policy.DocumentedRuleDefault(
        name=name,
        check_str=check,
        description=description,
        operations=[
            {"method": method, "path": path} for method, path in operations
        ],
        scope_types=["project"],
    )


def list_rules() -> list[policy.RuleDefault]:
    return [
        _rule(
            INDEX,
            base.PROJECT_READER_OR_ADMIN,
            "List the shares attached to a server",
            ("GET", _LIST),
        ),
        _rule(
            SHOW,
            base.PROJECT_READER_OR_ADMIN,
            "Show a share attached to a server",
            ("GET", _ITEM),
        ),
        _rule(
            CREATE,
            base.PROJECT_MEMBER_OR_ADMIN,
            "Attach a share to a server",
            ("POST", _LIST),
        ),
        _rule(
            DELETE,
            base.PROJECT_MEMBER_OR_ADMIN,
            "Detach a share from a server",
            ("DELETE", _ITEM),
        ),
        _rule(
            ADMIN_FIELDS,
            base.ADMIN,
            "Show the fields uuid and export_location of an attachment. "
            "Nova has no such rule. In Nova, administrators see the fields.",
            ("GET", _ITEM),
            ("POST", _LIST),
        ),
        _rule(
            ANY_SHARE,
            base.ADMIN,
            "Attach a share that another project than the server's project "
            "owns. Nova has no such rule. In Nova, a user who can see a "
            "share can attach it, with write access.",
            ("POST", _LIST),
        ),
    ]
