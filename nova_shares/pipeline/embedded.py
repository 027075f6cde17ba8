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
"""Our API inside Nova's process: who answers, and by which versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from typing import Callable

from microversion_parse import Version

from nova_shares.api import app as api_app
from nova_shares.api import auth
from nova_shares.api import faults
from nova_shares.api import microversion
from nova_shares.api import server_shares
from nova_shares.pipeline import serving
from nova_shares.pipeline.environ import WSGIApp

if TYPE_CHECKING:
    from nova_shares.pipeline.guard import Guard


class Embedded:
    """What the filter of Nova's router hands requests to.

    :param app: Nova's router
    :param who_serves: decides whether Nova answers, or we
    :param guard: gives who stands before the actions on servers, or raises
    """

    def __init__(
        self,
        app: WSGIApp,
        controller: server_shares.Controller,
        who_serves: serving.Serving,
        guard: Callable[[], Guard],
    ) -> None:
        self._app = app
        self._controller = controller
        self._serving = who_serves
        self.guard = guard
        self._apps: dict[Version, api_app.App] = {}

    def shares(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request for the shares of a server, or have Nova do it."""
        try:
            maximum = self._maximum(environ)
        except Exception as e:  # whatever it is, its client gets an answer
            response = faults.answer(e, environ, microversion.SHARES)
            answer: Iterable[bytes] = response(environ, start_response)
            return answer
        if maximum is None:
            return self._app(environ, start_response)
        return self._app_of(maximum)(environ, start_response)

    def _maximum(self, environ: dict[str, Any]) -> Version | None:
        if environ.get("nova.context") is None:
            # Said by who asks for the caller.
            return microversion.SHARES
        # Shares are attached by the same one of us in every process.
        fresh = environ["REQUEST_METHOD"] == "POST"
        return self._serving.maximum(environ, fresh)

    def _app_of(self, maximum: Version) -> api_app.App:
        found = self._apps.get(maximum)
        if found is None:
            found = api_app.App(self._controller, auth.from_nova, maximum)
            self._apps[maximum] = found
        return found
