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

"""Every answer comes in time, whatever a neighbour does."""

from __future__ import annotations

from concurrent import futures
import os
import time

from nova_shares import conf as nova_shares_conf
from nova_shares.api import deadline
from nova_shares.api import deploy
from nova_shares.tests import hostile
from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

#: For the machine.
NOISE = 1.0


#: What of the configuration leads to a neighbour.
NEIGHBORS = {
    "Manila": "[manila]\nendpoint_override = {url}/v2\n",
    "Keystone": "[manila]\nauth_url = {url}/v3\n[nova]\nauth_url = {url}/v3\n",
    "Nova": "[nova]\nendpoint_override = {url}/v2.1\n",
    "Keystone, for tokens": "[keystone_authtoken]\nauth_url = {url}/v3\n",
    "the database": "[database]\n"
    "connection = mysql+pymysql://u:p@127.0.0.1:{port}/d\n",
}


class TestService(base.Case):
    deployment = world.SERVICE

    def app(self, neighbor, answer):
        """Make a service one of whose neighbours is hostile."""
        peer = self.useFixture(hostile.Hostile(answer))
        path = os.path.join(self.world.directory, "nova-shares.conf")
        with open(path) as file:
            text = file.read()
        text += NEIGHBORS[neighbor].format(url=peer.url, port=peer.port)
        path = os.path.join(self.world.directory, "hostile.conf")
        with open(path, "w") as file:
            file.write(text)
        return deploy.make_service(nova_shares_conf.load(files=[path]))

    def ask(self, what, app, method, path, more):
        began = time.monotonic()
        response = self.world.ask(method, path, app=app, **more)
        return what, response, time.monotonic() - began

    def check(self, neighbor):
        """Make each call beside each of its answers, all at the same time."""
        calls = [
            (f"{neighbor} {how}: {method}", app, method, path, more)
            for how, answer in {**hostile.SLOW, **hostile.WRONG}.items()
            for app in [self.app(neighbor, answer)]
            for method, _, path, more in self.each_call("stopped")
        ]
        with futures.ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(lambda call: self.ask(*call), calls))
        for what, response, took in answers:
            self.assertLess(took, deadline.SECONDS + NOISE, what)
            self.assertIn(response.status_int, (200, 201, 404, 503), what)
            if what.endswith("POST") or neighbor == "the database":
                self.assertEqual(503, response.status_int, what)

    def test_manila(self):
        self.check("Manila")

    def test_keystone(self):
        self.check("Keystone")

    def test_nova(self):
        self.check("Nova")

    def test_keystone_for_tokens(self):
        self.check("Keystone, for tokens")

    def test_the_database(self):
        self.check("the database")
