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

"""What goes out: for each answer the literal list of its fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Union

from nova_shares.mapping import MappingSummary
from nova_shares.mapping import Shown


def index(mappings: Iterable[MappingSummary]) -> dict[str, Any]:
    """Make the body of a list."""
    return {"shares": [_share(mapping) for mapping in mappings]}


def show(mapping: Shown, admin_fields: bool) -> dict[str, Any]:
    """Make the body of a show and of an attach.

    :param admin_fields: whether the caller may see all of it
    """
    share = _share(mapping)
    if admin_fields:
        share["export_location"] = mapping.export_location
        share["uuid"] = mapping.uuid
    return {"share": share}


def _share(mapping: Union[MappingSummary, Shown]) -> dict[str, str]:
    return {
        "share_id": mapping.share_id,
        "status": mapping.status,
        "tag": mapping.tag,
    }
