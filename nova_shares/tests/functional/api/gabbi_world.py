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

"""What the YAML files have to themselves: a world each.

Its ids and tokens are in the process's environment, where a file finds them:
``$ENVIRON['SERVER_STOPPED']``, ``$ENVIRON['SHARE_NFS']``,
``$ENVIRON['TOKEN_MEMBER']``.
"""

from __future__ import annotations

import os

from gabbi import fixture

from nova_shares import mapping as m
from nova_shares.tests.functional.api import world

FILES = os.path.join(os.path.dirname(__file__), "gabbits")


def _fixture(deployment):
    class World(fixture.GabbiFixture):
        current = None

        def start_fixture(self):
            self._world = world.World(deployment)
            self._world.setUp()
            World.current = self._world
            for kind in ("server", "share", "token"):
                for name, value in getattr(self._world, f"{kind}s").items():
                    os.environ[f"{kind}_{name}".upper()] = value
            for name, user in self._world.cloud.users.items():
                os.environ[f"USER_{name}".upper()] = user.id
            for name, project in self._world.cloud.projects.items():
                os.environ[f"PROJECT_{name}".upper()] = project.id
            _populate(self._world)

        def stop_fixture(self):
            self._world.cleanUp()

    return World


def _populate(made):
    """Attach what a file begins with."""
    for n, (name, status) in enumerate(
        zip(("nfs3", "nfs", "nfs2", "cephfs", "several"), m.STATUSES)
    ):
        made.mapped("error", name, status, tag=f"tag-{9 - n}")
    for server in ("active", "locked", "busy", "error_busy", "stopped2"):
        made.mapped(server, "nfs", tag="data")
    made.mapped("other", "other", tag="theirs")


class _Module:
    """What gabbi takes for the module of a file's fixtures."""

    def __init__(self, deployment):
        self.World = _fixture(deployment)


def how(deployment):
    """Say to gabbi how the files are tested against a deployment."""
    module = _Module(deployment)

    def app(environ, start_response):
        # The files leave it out; a prefix of gabbi's would become the
        # mount point in some releases, and part of the path in others.
        environ["PATH_INFO"] = "/v2.1" + environ["PATH_INFO"]
        return module.World.current.app(environ, start_response)

    return {"intercept": lambda: app, "fixture_module": module}
