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

"""``/healthcheck/deep``: whether the service can do its work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import Callable

from oslo_log import log as logging
import webob

LOG = logging.getLogger(__name__)


class Deep:
    """Answers 200 while the database answers, and 503 while it does not.

    ``/healthcheck``, oslo.middleware's, tells only that the process is up: a
    load balancer that restarts what fails must not restart a service for want
    of its database.

    :param ping: returns when the database answers, raises when it doesn't
    """

    def __init__(self, ping: Callable[[], None]) -> None:
        self._ping = ping

    def __call__(
        self, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        status, text = 200, "OK"
        try:
            self._ping()
        except Exception as e:  # whatever it is, it is not well
            LOG.warning("/healthcheck/deep: %s: %s", type(e).__name__, e)
            status, text = 503, "The database is not available."
        response = webob.Response(
            text, status=status, content_type="text/plain"
        )
        answer: Iterable[bytes] = response(environ, start_response)
        return answer
