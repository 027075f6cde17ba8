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

"""A served cloud, and keystoneauth1 sessions of its users."""

from __future__ import annotations

import fixtures
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3
import testtools

from nova_shares_devcloud import server
from nova_shares_devcloud import state

PROJECTS = {
    "admin": "admin",
    "member": "demo",
    "reader": "demo",
    "other": "other",
    "nova-shares": "service",
}


class Served(fixtures.Fixture):
    """A cloud over HTTP; arguments are those of Cloud and of serve."""

    def __init__(self, compute_app=None, **fields):
        super().__init__()
        self._compute_app = compute_app
        self.cloud = state.Cloud(**fields)

    def _setUp(self):
        served = server.serve(self.cloud, compute_app=self._compute_app)
        self.addCleanup(served.stop)
        self.url = served.url
        self.clouds_yaml = served.clouds_yaml

    def session(self, user="member", **scope):
        """Make a session that gets its tokens by password."""
        if not scope:
            scope = {
                "project_name": PROJECTS[user],
                "project_domain_id": "default",
            }
        auth = v3.Password(
            auth_url=f"{self.url}/identity/v3",
            username=user,
            password=self.cloud.password,
            user_domain_id="default",
            **scope,
        )
        return ks_session.Session(auth)


class TestCase(testtools.TestCase):
    """A test with a cloud of its own."""

    def setUp(self):
        super().setUp()
        served = self.useFixture(Served())
        self.served = served
        self.cloud = served.cloud
        self._sessions = {}

    def ask(self, service, method, path, body=None, user="member", **headers):
        """Send a request; headers with ``_`` for ``-``."""
        if user not in self._sessions:
            self._sessions[user] = self.served.session(user)
        options = {} if body is None else {"json": body}
        return self._sessions[user].request(
            f"{self.served.url}/{service}{path}",
            method,
            headers={k.replace("_", "-"): v for k, v in headers.items()},
            raise_exc=False,
            **options,
        )

    def nova(self, method, path, body=None, user="member", version="2.96"):
        return self.ask(
            "compute/v2.1",
            method,
            path,
            body,
            user,
            OpenStack_API_Version=f"compute {version}",
        )

    def manila(self, method, path, body=None, user="member", version="2.82"):
        return self.ask(
            "share/v2",
            method,
            path,
            body,
            user,
            X_OpenStack_Manila_API_Version=version,
        )
