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

"""HAProxy before a Nova that has server shares: it stays out of the way."""

from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import nova as real
from nova_shares.tests.functional_nova import standalone

_MAXIMUM = "2.104"


class TestStandalone(base.TestCase):
    def setUp(self):
        super().setUp()
        served = standalone.Standalone(self.nova, maximum=_MAXIMUM)
        self.url = self.useFixture(served).url

    def test_novas_documents_and_versions(self):
        for path in ("/", "/v2.1", "/v2.1/"):
            theirs, ours = (
                self.answer(
                    self.nova.ask_root("GET", path, url=url, version=None)
                )
                for url in (self.nova.plain.url, self.url)
            )
            self.assertEqual(theirs, ours)
        # HAProxy takes each server for up before it has looked.
        real.wait_for(
            lambda: (
                self.ask(
                    "GET", "/flavors", url=self.url, version="2.98"
                ).status_code
                == 200
            )
        )
        for version in ("2.96", "2.98", _MAXIMUM, "2.105"):
            theirs, ours = (
                self.answer(
                    self.ask("GET", "/flavors", url=url, version=version)
                )
                for url in (self.nova.plain.url, self.url)
            )
            self.assertEqual(theirs, ours)
        response = self.ask("GET", "/flavors", url=self.url)
        self.assertEqual(200, response.status_code)
        self.assertEqual(
            "compute 2.97", response.headers["OpenStack-API-Version"]
        )
        # What is attached by us stays in reach.
        response = self.ask(
            "GET", f"/servers/{self.stopped()}/shares", url=self.url
        )
        self.assertEqual({"shares": []}, response.json())
