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

"""Who calls, in each of the two deployments."""

from __future__ import annotations

from typing import Any

from oslo_context import context as oslo_context
import webob.exc

from nova_shares import context
from nova_shares import exception


def from_nova(environ: dict[str, Any]) -> oslo_context.RequestContext:
    """Get the context that Nova's pipeline made of a token.

    :raises nova_shares.exception.ServiceUnavailable: if there is none. The
        filter stands before the authentication then, and the headers that
        would name the caller may be the caller's own.
    """
    if environ.get("nova.context") is None:
        raise exception.ServiceUnavailable(
            service="server shares",
            detail="the filter must come after Nova's keystonecontext",
        )
    return context.from_environ(environ)


def from_keystone(environ: dict[str, Any]) -> oslo_context.RequestContext:
    """Make the context of what keystonemiddleware found.

    :raises webob.exc.HTTPUnauthorized: if it let somebody unknown pass
    """
    caller = context.from_environ(environ)
    if caller.user_id is None:
        raise webob.exc.HTTPUnauthorized(
            "The request you have made requires authentication."
        )
    return caller
