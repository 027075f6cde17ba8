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


"""Our API inside Nova's process, put together when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from typing import Callable
from typing import TypeVar

from microversion_parse import Version
from oslo_config import cfg
from oslo_log import log as logging

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.api import app as api_app
from nova_shares.api import auth
from nova_shares.api import faults
from nova_shares.api import microversion
from nova_shares.api import server_shares
from nova_shares.clients import nova
from nova_shares.clients.nova import WSGIApp
from nova_shares.pipeline import filters
from nova_shares.pipeline import serving

if TYPE_CHECKING:
    from nova_shares import attachments as shares
    from nova_shares.pipeline import guard as api_guard

LOG = logging.getLogger(__name__)

T = TypeVar("T")


def from_file(app: WSGIApp, config_file: str | None) -> Embedded:
    """Make it for Nova's router.

    :param config_file: our file; default: as found under /etc/nova-shares
    """
    files = None if config_file is None else [config_file]
    return Embedded(app, lambda: nova_shares_conf.load(files=files))


class Embedded:
    """What our filter hands requests to.

    :param app: Nova's router
    :param load: reads the configuration, or raises
    :param make: makes who does the work; default: for real
    :ivar guard: gives who stands before the actions on servers, or raises
    """

    def __init__(
        self,
        app: WSGIApp,
        load: Callable[[], cfg.ConfigOpts],
        make: Callable[[cfg.ConfigOpts], shares.Attachments] | None = None,
    ) -> None:
        self._app = app
        make = make or make_attachments
        settings = once(load)
        attachments = once(lambda: make(settings()))
        servers = nova.PipelineServers(app)
        self._controller = server_shares.Controller(attachments, servers.bound)
        self._serving = serving.Serving(
            settings,
            serving.NovaVersions(app),
            lambda: attachments().store.any_mapping(),
        )
        self._apps: dict[Version, api_app.App] = {}
        self.guard: filters.Once[api_guard.Guard] = filters.Once(
            lambda: self._make_guard(attachments, servers)
        )

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

    def _make_guard(self, attachments: Any, servers: Any) -> api_guard.Guard:
        # Imported late: it needs the libraries of the database.
        from nova_shares.pipeline import guard as api_guard

        return api_guard.Guard(
            self._app, self._serving, attachments, servers.bound
        )


def make_attachments(conf: cfg.ConfigOpts) -> shares.Attachments:
    """Make who does the work."""
    # Imported late: whatever is wrong with the libraries of the database
    # and of messaging, it is said in an answer of ours.
    from nova_shares import attachments

    return attachments.Attachments.from_conf(conf)


def once(make: Callable[[], T]) -> filters.Once[T]:
    """Have something made once, when it is needed.

    Whoever calls for it gets a ServiceUnavailable if it can't be made; the
    log says why.
    """

    def sure() -> T:
        try:
            return make()
        except exception.ServiceUnavailable:
            raise
        except Exception as e:
            LOG.exception("The API of server shares can't start")
            raise exception.ServiceUnavailable(
                service="server shares", detail="it can't start"
            ) from e

    return filters.Once(sure)
