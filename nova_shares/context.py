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

"""Who calls: the request context, made of what keystonemiddleware found."""

from __future__ import annotations

from typing import Any

from oslo_context import context


def from_environ(environ: dict[str, Any]) -> context.RequestContext:
    """Build the caller's context from a WSGI environment.

    Inside Nova's pipeline Nova has made one; it serves as it is.
    """
    made_by_nova = environ.get("nova.context")
    if made_by_nova is not None:
        return made_by_nova  # type: ignore[no-any-return]
    return context.RequestContext.from_environ(environ)


def service(request_id: str | None = None) -> context.RequestContext:
    """Build the context of work that no caller waits for."""
    return context.RequestContext(request_id=request_id, overwrite=False)


def act_for(
    request_id: str | None, user_id: str | None, project_id: str | None
) -> None:
    """Have what this thread logs and sends name a request from now on."""
    context.RequestContext(
        request_id=request_id,
        user_id=user_id,
        project_id=project_id,
        overwrite=True,
    )
