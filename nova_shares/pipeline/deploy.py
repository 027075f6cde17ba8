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
"""Where all that runs in Nova's process is assembled.

The two filters of the paste file hand over to it at the first request that
needs it, and so do tests and nova-shares-aio.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from typing import Callable

from oslo_config import cfg

from nova_shares import conf as nova_shares_conf
from nova_shares.api import faults
from nova_shares.api import server_shares
from nova_shares.api import versions
from nova_shares.clients import nova
from nova_shares.lazy import Lazy
from nova_shares.pipeline import embedded
from nova_shares.pipeline import negotiation
from nova_shares.pipeline import serving
from nova_shares.pipeline.environ import WSGIApp

if TYPE_CHECKING:
    from nova_shares.attachments import Attachments
    from nova_shares.pipeline.guard import Guard

#: Seconds for which a configuration that can't be loaded stands for those
#: requests of Nova's whose version is negotiated.
_RETRY_AFTER = 10


def embedded_from_file(
    app: WSGIApp, config_file: str | None
) -> embedded.Embedded:
    """Make what the filter of Nova's router hands requests to.

    :param config_file: default: as found under /etc/nova-shares
    """
    return embed(
        app, functools.partial(nova_shares_conf.load_file, config_file)
    )


def negotiation_from_file(
    app: WSGIApp, config_file: str | None
) -> negotiation.Negotiation:
    """Make what the filter of Nova's API hands requests to.

    :param config_file: default: as found under /etc/nova-shares
    """
    load = functools.partial(nova_shares_conf.load_file, config_file)
    return negotiation.Negotiation(app, Lazy(load, _RETRY_AFTER))


def embed(
    app: WSGIApp,
    load: Callable[[], cfg.ConfigOpts],
    make: Callable[[cfg.ConfigOpts], Attachments] | None = None,
) -> embedded.Embedded:
    """Make what the filter of Nova's router hands requests to.

    :param app: what the filter wraps: Nova's router
    :param load: gives the configuration, or raises
    :param make: default: makes all that the configuration names
    """
    # Each part is made when the first request needs it; a request whose
    # part can't be made is answered 503, and the next one tries again.
    settings = Lazy(faults.or_unavailable(load))
    attachments = Lazy(
        faults.or_unavailable(lambda: (make or _attach)(settings()))
    )
    lookup = functools.partial(nova.InProcessLookup, app)
    who_serves = serving.Serving(
        settings,
        versions.NovaVersions(app),
        lambda: attachments().store.any_mapping(),
    )
    guard = Lazy(lambda: _guard(app, who_serves, attachments, lookup))
    controller = server_shares.Controller(attachments, lookup)
    return embedded.Embedded(app, controller, who_serves, guard)


def _attach(conf: cfg.ConfigOpts) -> Attachments:
    # Imported late: where the libraries of the database or of messaging are
    # broken, versions are negotiated all the same, and an answer of ours
    # says that something is wrong.
    from nova_shares.attachments import Attachments

    return Attachments.from_conf(conf)


def _guard(
    app: WSGIApp,
    who_serves: serving.Serving,
    attachments: Callable[[], Attachments],
    lookup: Callable[..., nova.InProcessLookup],
) -> Guard:
    # Imported late, as above: it needs the same libraries.
    from nova_shares.pipeline.guard import Guard

    return Guard(app, who_serves, attachments, lookup)
