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

"""The negotiation of versions, where Nova's newest is the one before ours.

A Nova whose maximum is 2.96 answers a request at 2.97 by its 2.96, and is
shown to have 2.97.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Callable

from oslo_config import cfg
import webob

from nova_shares.api import microversion
from nova_shares.api import versions
from nova_shares.pipeline import environ as pipeline_environ


class Negotiation:
    """Has Nova answer at 2.97, as 2.96, and says so in its documents.

    :param settings: gives our configuration, or raises
    """

    def __init__(
        self,
        app: pipeline_environ.WSGIApp,
        settings: Callable[[], cfg.ConfigOpts],
    ) -> None:
        self._app = app
        self._documents = versions.Documents(app, settings)

    def __call__(
        self,
        environ: dict[str, Any],
        start_response: Any,
        document: bool = False,
    ) -> Iterable[bytes]:
        """Answer a request.

        :param document: its path is that of a version document
        """
        if document:
            return self._documents(environ, start_response)
        if not (
            microversion.is_above(environ, versions.BEFORE)
            and self._documents.are_raised(environ)
        ):
            return self._app(environ, start_response)
        if microversion.is_shares(environ):
            environ[pipeline_environ.ASKED] = versions.lower(environ)
            return self._app(environ, versions.labelled(start_response))
        response = webob.Request(environ).send(self._app)
        versions.name_newest(response)
        answer: Iterable[bytes] = response(environ, start_response)
        return answer
