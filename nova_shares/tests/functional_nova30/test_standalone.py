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

"""The service of our own behind HAProxy, before Nova 30."""

import os
import subprocess
import sys

import requests
import testtools

from nova_shares.tests import documents
from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import nova as real
from nova_shares.tests.functional_nova import standalone
from nova_shares.tests.functional_nova30 import test_negotiation

_PROXIED = "[oslo_middleware]\nenable_proxy_headers_parsing = true\n"


class TestStandalone(test_negotiation.Cases, base.TestCase):
    """What the filter answers, HAProxy and the service answer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        nova = base.shared()
        api = nova.start_api("proxied", nova.paste_file, _PROXIED)
        cls.addClassCleanup(api.stop)
        cls.served = standalone.Standalone(nova, api.wait())
        cls.served.setUp()
        cls.addClassCleanup(cls.served.cleanUp)
        cls.url = cls.served.url

    def links(self, path, url=None, **headers):
        """List where a document says that version 2.1 is."""
        response = requests.get(
            (url or self.url) + path,
            headers={k.replace("_", "-"): v for k, v in headers.items()},
            verify=os.path.join(self.served.directory, "haproxy.pem"),
            timeout=60,
        )
        content = response.json()
        (version,) = [
            version
            for version in content.get("versions") or [content["version"]]
            if version["id"] == "v2.1"
        ]
        self.assertEqual("2.97", version["version"])
        return [x["href"] for x in version["links"] if x["rel"] == "self"]

    def test_the_page_as_it_stands(self):
        [block] = [
            block
            for block in documents.blocks("install/api")
            if (block.section, block.kind) == ("The load balancer", "console")
        ]
        put_in = {
            "haproxy -c": f"{standalone.HAPROXY} -c",
            "/etc/haproxy/haproxy.cfg": self.served.configuration,
            "http://controller:8774": self.url,
            "openstack ": f"{os.path.dirname(sys.executable)}/openstack ",
        }
        printed = []
        for _, command in block.commands():
            for before, after in put_in.items():
                command = command.replace(before, after)
            done = subprocess.run(
                command.split(),
                env={
                    **os.environ,
                    "OS_CLIENT_CONFIG_FILE": self.nova.clouds,
                    "OS_CLOUD": "member",
                    "PYTHONWARNINGS": "ignore",
                },
                capture_output=True,
                text=True,
            )
            self.assertEqual(0, done.returncode, done.stderr)
            printed.append(done.stdout)
        _, documents_, _ = printed
        self.assertIn('"version": "2.97"', documents_)

    def test_links(self):
        for path in ("/", "/v2.1", "/v2.1/"):
            self.assertEqual([f"{self.url}/v2.1/"], self.links(path))
            tls = self.served.tls_url
            self.assertEqual([f"{tls}/v2.1/"], self.links(path, tls))
            self.assertEqual(
                ["https://cloud.example.test/compute/v2.1/"],
                self.links(
                    path,
                    X_Forwarded_Proto="https",
                    X_Forwarded_Host="cloud.example.test",
                    X_Forwarded_Prefix="/compute",
                ),
            )

    def test_a_post_of_a_document_is_novas(self):
        theirs, ours = (
            self.answer(
                self.nova.ask_root(
                    "POST", "/v2.1/", {}, url=url, version="2.96"
                )
            )
            for url in (self.nova.plain.url, self.url)
        )
        self.assertEqual(theirs, ours)

    def test_paths_of_shares(self):
        server = self.stopped()
        project = self.nova.cloud.projects["demo"].id
        for path in (
            f"/v2.1/servers/{server}/shares",
            f"/v2.1/{project}/servers/{server}/shares",
            f"//v2.1//servers/{server}//shares",
            f"/v2.1/servers/{server}/%73hares",
        ):
            response = self.nova.ask_root("GET", path, url=self.url)
            self.assertEqual(200, response.status_code, path)
            self.assertEqual({"shares": []}, response.json())
        for below in ("shares/", "shares.json", "shares/a/b", "shares/nope"):
            response = self.ask(
                "GET", f"/servers/{server}/{below}", url=self.url
            )
            self.assertEqual(404, response.status_code)
            # In Nova's own words it would be text.
            self.assertIn("itemNotFound", response.json())

    def test_without_the_service(self):
        """Nova's own calls are answered as ever, at 2.97 too."""
        self.served.service.stop()
        self.addCleanup(self.served.wait_for_maximum, "2.97")
        self.addCleanup(self.served.start_service)
        self.served.wait_for_maximum("2.96", served=False)
        for version in ("2.97", "2.96", "latest"):
            response = self.ask(
                "GET", "/servers", url=self.url, version=version
            )
            self.assertEqual(200, response.status_code)
        response = self.ask(
            "GET", f"/servers/{self.stopped()}/shares", url=self.url
        )
        self.assertEqual(503, response.status_code)
        self.assertEqual(503, response.json()["serviceUnavailable"]["code"])
        self.assertEqual("10", response.headers["Retry-After"])

    def test_not_raised(self):
        """As with a Nova that has 2.97, its documents are shown as they are.

        What is above 2.97 is Nova's, then.
        """
        self.served.restart("[api]\nadvertise = false\n")
        self.addCleanup(self.served.wait_for_maximum, "2.97")
        self.addCleanup(self.served.restart)
        self.served.wait_for_maximum("2.96")
        real.wait_for(
            lambda: (
                "maximum is 2.96."
                in self.ask(
                    "GET", "/servers", url=self.url, version="2.98"
                ).text
            )
        )
        response = self.ask(
            "GET", f"/servers/{self.stopped()}/shares", url=self.url
        )
        self.assertEqual(200, response.status_code)


class TestConfiguration(testtools.TestCase):
    def test_is_valid(self):
        done = subprocess.run(
            [standalone.HAPROXY, "-c", "-f", str(standalone.CONFIGURATION)],
            capture_output=True,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        # "Configuration file is valid", and not a warning beside.
        self.assertNotIn("WARNING", done.stdout + done.stderr)
