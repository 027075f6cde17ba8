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


"""Nova 30, whose maximum is 2.96, together with us: 2.97."""

from nova_shares.tests.functional_nova import base

#: Where Nova tells its versions, and whether it wants a token there.
DOCUMENTS = ("/", "/v2.1", "/v2.1/", "/v2.1/{project}/", "/v2.1/versions/v2.1")
ROUTES = (
    ("GET", "/servers", None),
    ("GET", "/servers/detail", None),
    ("GET", "/flavors", None),
    ("GET", "/os-keypairs", None),
    ("GET", "/limits", None),
    ("GET", "/nope", None),
    ("GET", "/servers/nope", None),
    ("GET", "/servers?nonsense=1", None),
    ("POST", "/servers", {"server": {}}),
    ("POST", "/os-keypairs", b"{nope"),
    ("DELETE", "/os-keypairs/nope", None),
)


class Cases:
    """What either deployment answers; ``self.url`` is where."""

    def pair(
        self, method, path, body=None, theirs="2.96", ours="2.97", **sent
    ):
        """Ask Nova without us, and with us."""
        return tuple(
            self.answer(self.ask(method, path, body, url=url, version=version))
            for url, version in (
                (self.nova.plain.url, theirs),
                (self.url, ours),
            )
        )

    def test_documents(self):
        project = self.nova.cloud.projects["demo"].id
        for document in DOCUMENTS:
            path = document.format(project=project)
            for method in ("GET", "HEAD"):
                answers = [
                    self.answer(
                        self.nova.ask_root(method, path, url=url, version=None)
                    )
                    for url in (self.nova.plain.url, self.url)
                ]
                theirs, ours = answers
                if method == "GET":
                    self.assertEqual(200, ours[0], path)
                self.assertEqual(theirs[0], ours[0])
                self.assertEqual(theirs[2], ours[2])
                self.assertEqual(
                    theirs[1].replace(
                        '"version": "2.96"', '"version": "2.97"'
                    ),
                    ours[1],
                )
                if method == "GET":
                    self.assertIn('"version": "2.97"', ours[1])

    def test_a_document_at_our_version(self):
        for path in ("/v2.1/", "/v2.1/versions/v2.1"):
            response = self.nova.ask_root(
                "GET", path, url=self.url, version="2.97"
            )
            self.assertEqual(200, response.status_code, response.text)
            self.assertEqual("2.97", response.json()["version"]["version"])
            response = self.nova.ask_root(
                "GET", path, url=self.url, version="2.98"
            )
            self.assertEqual(406, response.status_code)
            self.assertIn("maximum is 2.97.", response.text)

    def test_novas_routes_at_our_version(self):
        for asked in ("2.97", "latest"):
            for method, path, body in ROUTES:
                theirs, ours = self.pair(method, path, body, ours=asked)
                self.assertEqual(theirs[:2], ours[:2], path)
                self.assertEqual(
                    {
                        name: value.replace("2.96", "2.97")
                        for name, value in theirs[2].items()
                    },
                    ours[2],
                )

    def test_novas_versions_are_novas(self):
        for version in ("2.96", "2.1", None, "abc", "2", "1.0"):
            for method, path, body in ROUTES:
                theirs, ours = self.pair(
                    method, path, body, theirs=version, ours=version
                )
                self.assertEqual(theirs, ours)

    def test_above(self):
        for version in ("2.98", "2.105", "3.0", "2.970"):
            response = self.ask(
                "GET", "/servers", url=self.url, version=version
            )
            self.assertEqual(406, response.status_code)
            self.assertEqual(
                f"Version {version} is not supported by the API. Minimum is"
                " 2.1 and maximum is 2.97.",
                response.json()["computeFault"]["message"],
            )
            self.assertEqual(
                f"compute {version}", response.headers["OpenStack-API-Version"]
            )

    def test_ways_to_ask(self):
        for header, legacy, version in (
            ("compute 2.97", None, "2.97"),
            ("COMPUTE   2.97", None, "2.97"),
            ("volume 3.0, compute 2.97", None, "2.97"),
            ("compute 2.96, compute 2.97", None, "2.97"),
            ("compute 2.97, compute 2.96", None, "2.96"),
            ("volume 3.0,compute latest", "2.1", "2.97"),
            (None, "2.97", "2.97"),
            (None, "latest", "2.97"),
            ("volume 3.0", "2.97", "2.97"),
            ("volume 3.0", None, "2.1"),
            ("compute 2.1", "2.97", "2.1"),
            ("compute 2.97", "2.1", "2.97"),
            ("2.97", None, "2.1"),
        ):
            response = self.ask(
                "GET",
                "/servers",
                url=self.url,
                version=None,
                OpenStack_API_Version=header,
                X_OpenStack_Nova_API_Version=legacy,
            )
            self.assertEqual(200, response.status_code, (header, legacy))
            self.assertEqual(
                (f"compute {version}", version),
                (
                    response.headers["OpenStack-API-Version"],
                    response.headers["X-OpenStack-Nova-API-Version"],
                ),
                (header, legacy),
            )
            response = self.ask(
                "GET",
                f"/servers/{self.stopped()}/shares",
                url=self.url,
                version=None,
                OpenStack_API_Version=header,
                X_OpenStack_Nova_API_Version=legacy,
            )
            self.assertEqual(
                200 if version == "2.97" else 404,
                response.status_code,
                (header, legacy),
            )

    def test_the_old_api_has_no_shares(self):
        path = f"/v2/{self.nova.cloud.projects['demo'].id}/servers"
        for below in ("", f"/{self.stopped()}/shares"):
            theirs, ours = (
                self.answer(self.nova.ask_root("GET", path + below, url=url))
                for url in (self.nova.plain.url, self.url)
            )
            self.assertEqual(theirs, ours)


class TestFilter(Cases, base.TestCase):
    @property
    def url(self):
        return self.nova.api.url

    def test_not_advertised(self):
        api = self.filtered("[api]\nadvertise = false\n")
        document = self.nova.ask_root(
            "GET", "/v2.1/", url=api.url, version=None
        )
        self.assertEqual("2.96", document.json()["version"]["version"])
        response = self.ask("GET", "/servers", url=api.url)
        self.assertEqual(406, response.status_code)
        self.assertIn("maximum is 2.96.", response.text)
        response = self.ask(
            "GET", f"/servers/{self.stopped()}/shares", url=api.url
        )
        self.assertEqual(200, response.status_code, response.text)

    def test_auto(self):
        api = self.filtered("[api]\nserve = auto\n")
        path = f"/servers/{self.stopped()}/shares"
        response = self.ask("GET", path, url=api.url)
        self.assertEqual(200, response.status_code, response.text)
        response = self.ask("GET", "/servers", url=api.url)
        self.assertEqual(200, response.status_code, response.text)

    def test_never(self):
        api = self.filtered("[api]\nserve = never\n")
        path = f"/servers/{self.stopped()}/shares"
        for version in ("2.97", "2.96"):
            theirs = self.ask(
                "GET", path, url=self.nova.plain.url, version=version
            )
            ours = self.ask("GET", path, url=api.url, version=version)
            self.assertEqual(self.answer(theirs), self.answer(ours))
