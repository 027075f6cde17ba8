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

"""What can go wrong, as data: the sentence is made where it is shown.

:mod:`nova_shares.api.faults` maps the errors of a request to a status and a
message; :mod:`nova_shares.compute.manager` turns the rest into the fault of
a share mapping.
"""

from __future__ import annotations


class NovaSharesError(Exception):
    """The base of all our errors; its keyword arguments are its data."""

    def __init__(self, **data: object) -> None:
        super().__init__(
            ", ".join(f"{name}={value!r}" for name, value in data.items())
        )
        self.data = data


class Invalid(NovaSharesError):
    """The request is malformed: ``message``."""


class UrlProjectMismatch(NovaSharesError):
    """The URL names ``url_project``, the token ``project_id``."""


class NotAllowed(NovaSharesError):
    """The caller fails the policy ``rule``."""


class ServerNotFound(NovaSharesError):
    """There is no server ``server_id``."""


class ShareNotFound(NovaSharesError):
    """The share ``share_id`` is not attached, or the caller can't see it."""


class ServerInState(NovaSharesError):
    """``action`` is refused while ``server_id``'s ``attribute`` is so."""


class ServerLocked(NovaSharesError):
    """The server ``server_id`` is locked."""


class HostNotAvailable(NovaSharesError):
    """The server has no host, or no live agent of ours is on it."""


class NotSupported(NovaSharesError):
    """The host or the flavor can't do virtiofs."""


class ShareNotAvailable(NovaSharesError):
    """The share ``share_id`` is in ``status``, not available."""


class ShareInRecycleBin(NovaSharesError):
    """The share ``share_id`` is in Manila's recycle bin."""


class ExportLocationInvalid(NovaSharesError):
    """No host can mount an export location of the share ``share_id``."""


class ExportLocationMissing(NovaSharesError):
    """The share ``share_id`` is exported nowhere."""


class ProtocolNotSupported(NovaSharesError):
    """Shares of ``protocol`` can't be attached."""


class MappingExists(NovaSharesError):
    """The server has the share ``share_id`` or the tag ``tag`` already."""


class ServiceUnavailable(NovaSharesError):
    """A ``service`` we need does not answer as it should: try later.

    ``detail`` is for the log alone.
    """


def explain(error: ServiceUnavailable) -> str:
    """Say which service does not answer as it should, and why."""
    return (
        f"the {error.data['service']} service is not available: "
        f"{error.data.get('detail')}"
    )


class StateUnavailable(ServiceUnavailable):
    """What is recorded of mappings can't be read or written now."""


class Conflict(NovaSharesError):
    """The mapping ``uuid`` has changed since it was read."""


class ForeignDatabase(NovaSharesError):
    """The database is not the one that is expected: ``found``."""


class StepFailed(NovaSharesError):
    """A step of an attach or a detach failed, as ``message`` says.

    The message is shown to operators as the mapping's fault. ``retry``
    tells whether trying again by itself can help.
    """

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message=message)
        self.message = message
        self.retry = retry
