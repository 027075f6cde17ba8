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


"""Who serves where Nova has server shares itself."""

from nova_shares.tests.functional_nova import base

_BOTH = "2.104"


class TestServing(base.TestCase):
    def setUp(self):
        super().setUp()
        # Of a database of its own, since all depends on what is in it.
        self.fresh = self.nova.make_database()

    def auto(self, options=""):
        return self.filtered(
            f"[database]\nconnection = {self.fresh}\n"
            f"[api]\nserve = auto\n{options}"
        )

    def shares(self, api, server):
        response = self.ask("GET", f"/servers/{server}/shares", url=api.url)
        self.assertEqual(200, response.status_code, response.text)
        return [share["share_id"] for share in response.json()["shares"]]

    def test_auto(self):
        api = self.auto()
        server, share = self.nova.server(), self.nova.share()
        # Our table is empty: these are Nova's own calls.
        self.nova.attach(server, share, url=api.url)
        self.assertEqual([share], self.shares(api, server))
        self.assertEqual([share], self.shares(self.nova.plain, server))

    def test_auto_with_rows(self):
        server, share = self.nova.server(), self.nova.share()
        self.nova.insert(self.fresh, server, share)
        api = self.auto()
        self.assertEqual([share], self.shares(api, server))
        self.assertEqual([], self.shares(self.nova.plain, server))
        action = {"suspend": None}
        response = self.ask(
            "POST", f"/servers/{server}/action", action, url=api.url
        )
        self.assertIn("that have shares", response.text)
        with open(api.log) as log:
            text = log.read()
        self.assertEqual(
            1, text.count("keeps serving the calls"), text[-3000:]
        )

    def test_novas_own_calls_are_not_reached_by_a_newline(self):
        api = self.auto("serve = always\n")
        path = f"/servers/{self.nova.server()}/shares%0A"
        body = {"share": {"share_id": self.nova.share()}}
        for method, query in (("POST", ""), ("PUT", "?_method=POST")):
            response = self.ask(method, path + query, body, url=api.url)
            self.assertEqual(404, response.status_code, response.text)
            self.assertIn("itemNotFound", response.json())

    def test_never(self):
        server, share = self.nova.server(), self.nova.share()
        self.nova.insert(self.fresh, server, share)
        api = self.auto("serve = never\n")
        self.assertEqual([], self.shares(api, server))

    def test_always(self):
        server, share = self.nova.server(), self.nova.share()
        self.nova.attach(server, share, url=self.nova.plain.url)
        api = self.auto("serve = always\n")
        self.assertEqual([], self.shares(api, server))

    def test_the_database_is_away(self):
        # Nobody's attachments vanish: it can't be told whose they are.
        api = self.filtered(
            "[database]\nconnection = mysql+pymysql://u:p@127.0.0.1:1/x\n"
            "[api]\nserve = auto\n"
        )
        response = self.ask(
            "GET", f"/servers/{self.stopped()}/shares", url=api.url
        )
        self.assertEqual(503, response.status_code)

    def test_nova_tells_the_versions(self):
        api = self.auto("serve = always\n")
        for path in ("/", "/v2.1/"):
            answers = [
                self.answer(
                    self.nova.ask_root("GET", path, url=url, version=None)
                )
                for url in (self.nova.plain.url, api.url)
            ]
            self.assertEqual(*answers)
            self.assertIn(_BOTH, answers[1][1])
