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
"""A proxy in front of a real service: it counts, delays, fails and tells."""

import threading

from cheroot import wsgi
import fixtures
import requests
import webob
import webob.dec

from nova_shares_devcloud import state

#: Of one connection, not of the message.
_HOP_BY_HOP = ("connection", "content-length", "keep-alive", "host")


class Proxy(fixtures.Fixture):
    """Passes all on to ``target``.

    :param service: ``keystone`` or ``manila``
    :param target: where the service is, without a slash at the end
    :param rewrite: what is written anew in answers, e.g. in a catalog
    :ivar switches: a :class:`nova_shares_devcloud.switches.Switches`: the
        log of requests, hooks and faults
    """

    def __init__(self, service, target, rewrite=None):
        super().__init__()
        self._service = service
        self._target = target
        self._rewrite = rewrite or {}
        #: Called with the request and the response before it is given.
        self.hold = lambda request, response: None

    def _setUp(self):
        self.switches = state.Cloud().switches
        self.addCleanup(self.switches.clear_faults)
        app = self.switches.watch(self._service, self._app)
        http = wsgi.Server(("127.0.0.1", 0), app, numthreads=16)
        http.shutdown_timeout = 1
        http.expiration_interval = 0.1
        # A service that is away is no news.
        http.error_log = lambda *args, **kwargs: None
        http.prepare()
        self.url = f"http://127.0.0.1:{http.bind_addr[1]}"
        thread = threading.Thread(target=http.serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(http.stop)
        self._rewrite[self._target] = self.url

    def fail(self, *args, **kwargs):
        return self.switches.fail(self._service, *args, **kwargs)

    def on_request(self, hook):
        return self.switches.on_request(self._service, hook)

    def requests(self, match=""):
        return [
            f"{request.method} {request.path}"
            for request in self.switches.requests(self._service, match)
        ]

    def forget(self):
        self.switches.forget_requests()

    @webob.dec.wsgify
    def _app(self, request):
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP
        }
        try:
            answer = requests.request(
                request.method,
                self._target + request.path_qs,
                headers={**headers, "Accept-Encoding": "identity"},
                data=request.body or None,
                timeout=60,
                allow_redirects=False,
            )
        except requests.ConnectionError:
            raise ConnectionResetError("the service is away") from None
        response = webob.Response(status=answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                response.headers[name] = value
        body = answer.text
        for theirs, ours in self._rewrite.items():
            body = body.replace(theirs, ours)
        response.body = body.encode()
        self.hold(request, response)
        return response
