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

"""Which microversion a request asks for, and how an answer names it."""

from __future__ import annotations

import functools
import re
from typing import Any

import microversion_parse
from microversion_parse import Version
import webob.exc

HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
SERVICE_TYPE = "compute"

MINIMUM = Version(2, 1)
#: The first that has the shares of a server.
SHARES = Version(2, 97)

_LATEST = "latest"
_ENDLESS = Version(10**9, 0)
_FORMAT = re.compile(r"([1-9][0-9]*)\.([1-9][0-9]*|0)")


class Malformed(webob.exc.HTTPBadRequest):
    """What is asked for is no version."""


class TooHigh(webob.exc.HTTPNotAcceptable):
    """The requested ``version`` is not supported."""

    def __init__(self, version: Version, maximum: Version) -> None:
        super().__init__(
            f"Version {version} is not supported by the API. Minimum is"
            f" {MINIMUM} and maximum is {maximum}."
        )
        self.version = version


def parse(environ: dict[str, Any], maximum: Version) -> Version:
    """Tell which microversion a request is to be answered at.

    :param maximum: the highest that the deployment has
    :raises Malformed: if it asks for something that is no version
    :raises TooHigh: if it asks for a version that there isn't
    """
    asked = _asked(environ)
    if asked is None:
        return MINIMUM
    if asked == _LATEST:
        return maximum
    version = number(asked)
    if not MINIMUM <= version <= maximum:
        raise TooHigh(version, maximum)
    return version


@functools.lru_cache(maxsize=64)
def number(text: str) -> Version:
    """Read a version, such as 2.97.

    :raises Malformed: if it is not valid
    """
    match = _FORMAT.fullmatch(text)
    # No number of ours has ten digits, and Python reads no endless ones.
    if match is None or max(map(len, match.groups())) > 9:
        raise Malformed(
            f"API Version String {text} is of invalid format. Must be of"
            " format MajorNum.MinorNum."
        )
    return Version(int(match[1]), int(match[2]))


def is_above(environ: dict[str, Any], version: Version) -> bool:
    """Tell whether a request asks for a newer version than ``version``."""
    try:
        return parse(environ, _ENDLESS) > version
    except (Malformed, TooHigh):
        # Not said, malformed, or older than all: what it is is Nova's.
        return False


def is_shares(environ: dict[str, Any]) -> bool:
    """Tell whether a request asks for our version, or for the latest."""
    return _asked(environ) in (_LATEST, str(SHARES))


def headers(environ: dict[str, Any], maximum: Version) -> dict[str, str]:
    """Make the headers that name the version of an answer.

    None at all where the version asked for is malformed, as in Nova.
    """
    try:
        version = parse(environ, maximum)
    except Malformed:
        return {}
    except TooHigh as e:
        version = e.version
    return {
        HEADER: f"{SERVICE_TYPE} {version}",
        LEGACY_HEADER: str(version),
        "Vary": f"{HEADER}, {LEGACY_HEADER}",
    }


def _asked(environ: dict[str, Any]) -> str | None:
    header = environ.get("HTTP_OPENSTACK_API_VERSION")
    legacy = environ.get("HTTP_X_OPENSTACK_NOVA_API_VERSION")
    if header is None and legacy is None:
        return None
    return _of_headers(header, legacy)


@functools.lru_cache(maxsize=64)
def _of_headers(header: str | None, legacy: str | None) -> str | None:
    sent = {HEADER: header, LEGACY_HEADER: legacy}
    version: str | None = microversion_parse.get_version(
        {name: value for name, value in sent.items() if value is not None},
        service_type=SERVICE_TYPE,
        legacy_headers=[LEGACY_HEADER],
    )
    return version
