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

"""The HTTP server: all services on one port of loopback.

::

    http://127.0.0.1:PORT/identity   identity.Identity
                         /compute    compute.pipeline, or what is given
                         /share      share.make_app
                         /image      image.ImageApi
"""

from __future__ import annotations

from collections.abc import Iterable
import threading
from typing import Any
from typing import Callable
from typing import Optional

from cheroot import wsgi
from cheroot.workers import threadpool
from oslo_log import log as logging

from nova_shares_devcloud import compute
from nova_shares_devcloud import directory
from nova_shares_devcloud import identity
from nova_shares_devcloud import image
from nova_shares_devcloud import share
from nova_shares_devcloud import state
from nova_shares_devcloud import wire

LOG = logging.getLogger(__name__)

_USERS = (
    ("admin", "admin"),
    ("member", "demo"),
    ("reader", "demo"),
    ("other", "other"),
)
_CLOUD = """\
  {user}:
    region_name: {region}
    compute_api_version: '{version}'
    compute_default_microversion: '{version}'
    shared_file_system_api_version: '{share_version}'
    auth:
      auth_url: {url}/identity/v3
      username: {user}
      password: {password}
      user_domain_id: default
      project_name: {project}
      project_domain_id: default
"""


class _Pool(threadpool.ThreadPool):
    """A pool that grows instead of letting a request wait.

    A request to Nova makes requests to Keystone and Manila: to the same
    pool, so that one of a fixed size could wait for itself.
    """

    def put(self, obj: Any) -> None:
        super().put(obj)
        if self.qsize > self.idle:
            self.grow(self.min)


class Served:
    """A cloud that is being served.

    :ivar url: where, without a slash at the end
    """

    def __init__(self, cloud: state.Cloud, http: Any) -> None:
        self._cloud = cloud
        self._http = http
        self.url = cloud.url
        self._thread = threading.Thread(
            target=http.serve, name="devcloud", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; what hangs in a fault is let go."""
        self._cloud.close()
        self._http.stop()
        self._thread.join()

    def clouds_yaml(self, version: str = "2.97") -> str:
        """Write a clouds.yaml for the users.

        :param version: the compute microversion that clients use
        """
        clouds = [
            _CLOUD.format(
                user=user,
                project=project,
                url=self.url,
                region=directory.REGION,
                version=version,
                share_version=self._cloud.share_max,
                password=self._cloud.password,
            )
            for user, project in _USERS
        ]
        return "clouds:\n" + "".join(clouds)


def serve(
    cloud: state.Cloud,
    host: str = "127.0.0.1",
    port: int = 0,
    compute_app: Optional[
        Callable[[state.Cloud], wire.WSGIApplication]
    ] = None,
) -> Served:
    """Serve a cloud until it is stopped.

    :param port: 0 for any that is free
    :param compute_app: makes what is served as Nova, once ``cloud.url``
        says where; :func:`nova_shares_devcloud.compute.pipeline` by default
    :raises OSError: if it cannot listen there
    """
    http: Any = wsgi.Server((host, port), None, numthreads=10)
    http.requests = _Pool(http, min=10)
    http.shutdown_timeout = 2
    # Also how long it takes to stop.
    http.expiration_interval = 0.1
    http.keep_alive_conn_limit = 1000
    http.timeout = 60
    http.error_log = _log
    try:
        http.prepare()
    except OSError as e:
        raise OSError(
            f"cannot listen on {host}:{port}, which is in use or not permitted"
        ) from e
    cloud.keystone.url = f"http://{host}:{http.bind_addr[1]}"
    try:
        nova = (compute_app or compute.pipeline)(cloud)
        http.wsgi_app = _assemble(cloud, nova)
    except BaseException:
        http.stop()
        raise
    LOG.warning(
        "devcloud, a cloud for development and tests only, listens on %s",
        cloud.url,
    )
    return Served(cloud, http)


def _assemble(
    cloud: state.Cloud, nova: wire.WSGIApplication
) -> wire.WSGIApplication:
    watch = cloud.switches.watch
    services = {
        "/identity": watch("keystone", identity.Identity(cloud.keystone)),
        "/compute": watch("nova", nova),
        "/share": watch("manila", share.make_app(cloud)),
        "/image": watch(
            "glance", image.ImageApi(cloud.keystone, cloud.nova.images)
        ),
    }
    nowhere = wire.fault(404, "devcloud has no such service.")

    def dispatch(
        environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        name = "/" + environ["PATH_INFO"][1:].split("/", 1)[0]
        app = services.get(name, nowhere)
        environ["SCRIPT_NAME"] = name
        environ["PATH_INFO"] = environ["PATH_INFO"][len(name) :] or "/"
        return app(environ, start_response)

    return dispatch


def _log(message: str = "", level: int = 20, traceback: bool = False) -> None:
    """Take cheroot's log, which goes to stderr by default."""
    LOG.log(level, "%s", message, exc_info=traceback)
