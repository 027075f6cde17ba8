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

"""What comes in and what goes out, as JSON Schema.

The requests are validated here, with the messages that Nova makes of the
same errors; the schemas of the answers serve the tests and the API
reference.
"""

from __future__ import annotations

import json
from typing import Any
from urllib import parse

import jsonschema
from oslo_utils import uuidutils

from nova_shares import exception
from nova_shares import mapping

#: Formats of ours: of a tag, beside the pattern that Nova has.
_TAG = "virtio-fs tag"
_UUID = "uuid"

ATTACH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "share": {
            "type": "object",
            "properties": {
                "share_id": {"type": "string", "format": _UUID},
                "tag": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 255,
                    "pattern": "^[a-zA-Z0-9-]*$",
                    "format": _TAG,
                },
            },
            "required": ["share_id"],
            "additionalProperties": False,
        },
    },
    "required": ["share"],
    "additionalProperties": False,
}
QUERY: dict[str, Any] = {
    "type": "object",
    "properties": {},
    "additionalProperties": False,
}

_SHARE_FIELDS = {
    "share_id": {"type": "string", "format": _UUID},
    "status": {"type": "string", "enum": list(mapping.STATUSES)},
    "tag": {
        "type": "string",
        "minLength": 1,
        "maxLength": mapping.MAX_TAG,
        "pattern": "^[a-zA-Z0-9-]*$",
        "format": _TAG,
    },
}
_ADMIN_FIELDS = {
    "export_location": {"type": "string", "minLength": 1},
    "uuid": {"type": "string", "format": _UUID},
}


def _exactly(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


INDEX_RESPONSE = _exactly(
    {"shares": {"type": "array", "items": _exactly(_SHARE_FIELDS)}}
)
SHOW_RESPONSE = _exactly({"share": _exactly(_SHARE_FIELDS)})
SHOW_ADMIN_RESPONSE = _exactly(
    {"share": _exactly({**_SHARE_FIELDS, **_ADMIN_FIELDS})}
)

_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks(_UUID)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or uuidutils.is_uuid_like(value)


@_FORMATS.checks(_TAG)
def _is_tag(value: object) -> bool:
    # "$" in a pattern matches before a newline at the end, too.
    return not isinstance(value, str) or (
        len(value.encode(errors="replace")) <= mapping.MAX_TAG
        and not value.endswith("\n")
    )


def validator(schema: dict[str, Any]) -> Any:
    """Make a validator that knows our formats."""
    return jsonschema.Draft4Validator(schema, format_checker=_FORMATS)


_ATTACH = validator(ATTACH)
_QUERY = validator(QUERY)


def parse_attach(body: bytes) -> tuple[str, str | None]:
    """Read the body of an attach: the share's id, and the tag if any.

    :raises nova_shares.exception.Invalid: if it isn't one
    """
    try:
        content = _loads(body)
        _validate(_ATTACH, content)
    except RecursionError:
        raise _malformed() from None
    share = content["share"]
    return share["share_id"], share.get("tag")


def check_query(query: str) -> None:
    """Pass if a query string holds nothing.

    :raises nova_shares.exception.Invalid: if it does
    """
    if query:
        names = parse.parse_qs(query, keep_blank_values=True, separator="&")
        # Today's jsonschema sorts what it names, that of 2024.1 does not.
        _validate(_QUERY, dict.fromkeys(sorted(names)))


def _loads(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except ValueError:
        raise _malformed() from None


def _no_number(name: str) -> None:
    # NaN and Infinity: Python reads them, JSON does not have them.
    raise ValueError(name)


def _malformed() -> exception.Invalid:
    return exception.Invalid(message="Malformed request body")


def _validate(schema: Any, content: object) -> None:
    for error in schema.iter_errors(content):
        raise exception.Invalid(message=_message(error))


def _message(error: Any) -> str:
    message = error.message
    if error.validator == "format" and error.validator_value == _TAG:
        message = (
            f"{error.instance!r} is not a virtio-fs tag: it has at most"
            f" {mapping.MAX_TAG} bytes, each a letter, a digit or a hyphen"
        )
    if not error.path:
        return str(message)
    return (
        f"Invalid input for field/attribute {error.path[-1]}."
        f" Value: {error.instance}. {message}"
    )
