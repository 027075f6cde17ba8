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

"""Nova's base rules, so that a policy file written for Nova serves us too."""

from __future__ import annotations

from oslo_policy import policy

ADMIN = "rule:context_is_admin"
PROJECT_MEMBER_OR_ADMIN = "rule:project_member_or_admin"
PROJECT_READER_OR_ADMIN = "rule:project_reader_or_admin"

_RULES = (
    ("context_is_admin", "role:admin", "An administrator of the cloud."),
    (
        "admin_or_owner",
        "is_admin:True or project_id:%(project_id)s",
        "An administrator, or a user with any role in the project.",
    ),
    (
        "admin_api",
        "is_admin:True",
        "An administrator, for policy files of older Nova releases.",
    ),
    (
        "project_member_api",
        "role:member and project_id:%(project_id)s",
        "A member of the server's project.",
    ),
    (
        "project_reader_api",
        "role:reader and project_id:%(project_id)s",
        "A reader of the server's project.",
    ),
    (
        "project_manager_api",
        "role:manager and project_id:%(project_id)s",
        "A manager of the server's project.",
    ),
    (
        "project_member_or_admin",
        "rule:project_member_api or rule:context_is_admin",
        "A member of the server's project, or an administrator.",
    ),
    (
        "project_reader_or_admin",
        "rule:project_reader_api or rule:context_is_admin",
        "A reader of the server's project, or an administrator.",
    ),
    (
        "project_manager_or_admin",
        "rule:project_manager_api or rule:context_is_admin",
        "A manager of the server's project, or an administrator.",
    ),
)


def list_rules() -> list[policy.RuleDefault]:
    return [
        policy.RuleDefault(name, check, description)
        for name, check, description in _RULES
    ]
