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

"""Keystone's tokens, as keystoneauth1 and keystonemiddleware take them."""

from __future__ import annotations

import time

from keystoneauth1 import exceptions
from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3
import requests

from nova_shares.tests.functional.devcloud import base


class IdentityTest(base.TestCase):
    def test_versions(self):
        root = requests.get(f"{self.served.url}/identity/", timeout=5)
        self.assertEqual(300, root.status_code)
        one = requests.get(f"{self.served.url}/identity/v3", timeout=5)
        self.assertEqual("v3.14", one.json()["version"]["id"])
        self.assertEqual(
            [one.json()["version"]["id"]],
            [v["id"] for v in root.json()["versions"]["values"]],
        )

    def test_project_token(self):
        session = self.served.session("member")
        access = session.auth.get_access(session)
        self.assertEqual(self.cloud.projects["demo"].id, access.project_id)
        self.assertEqual({"member", "reader"}, set(access.role_names))
        for service, path in (
            ("compute", "/compute/v2.1"),
            ("sharev2", "/share/v2"),
            ("shared-file-system", "/share/v2"),
            ("identity", "/identity/v3"),
        ):
            self.assertEqual(
                self.served.url + path,
                access.service_catalog.url_for(service_type=service),
            )

    def test_system_token(self):
        session = self.served.session("admin", system_scope="all")
        access = session.auth.get_access(session)
        self.assertTrue(access.system_scoped)
        self.assertIn("admin", access.role_names)
        nobody = self.served.session("member", system_scope="all")
        self.assertRaises(exceptions.Unauthorized, nobody.get_token)

    def test_token_for_token(self):
        first = self.served.session("member").get_token()
        auth = v3.Token(
            f"{self.served.url}/identity/v3",
            first,
            project_name="demo",
            project_domain_name="Default",
        )
        second = ks_session.Session(auth).get_token()
        self.assertNotEqual(first, second)
        self.assertIsNotNone(self.cloud.keystone.find_token(second))

    def test_wrong_password(self):
        session = self.served.session("member")
        session.auth.auth_methods[0].password = "guessed"
        self.assertRaises(exceptions.Unauthorized, session.get_token)

    def test_wrong_project_or_domain(self):
        for scope in (
            {"project_name": "other", "project_domain_id": "default"},
            {"project_name": "none", "project_domain_id": "default"},
            {"project_name": "demo", "project_domain_id": "elsewhere"},
        ):
            session = self.served.session("member", **scope)
            self.assertRaises(exceptions.Unauthorized, session.get_token)

    def test_validate_and_revoke(self):
        admin, member = (
            self.served.session(user).get_token()
            for user in ("admin", "member")
        )
        url = f"{self.served.url}/identity/v3/auth/tokens"
        headers = {"X-Auth-Token": admin, "X-Subject-Token": member}
        seen = requests.get(url, headers=headers, timeout=5)
        self.assertEqual(200, seen.status_code)
        self.assertEqual(member, seen.headers["X-Subject-Token"])
        self.assertEqual("member", seen.json()["token"]["user"]["name"])
        gone = requests.delete(url, headers=headers, timeout=5)
        self.assertEqual(204, gone.status_code)
        again = requests.head(url, headers=headers, timeout=5)
        self.assertEqual(404, again.status_code)
        headers["X-Auth-Token"] = "no token"
        bad = requests.get(url, headers=headers, timeout=5)
        self.assertEqual(401, bad.status_code)
        self.assertEqual(
            {"code", "message", "title"}, set(bad.json()["error"])
        )

    def test_middleware_refuses_what_is_no_token(self):
        url = f"{self.served.url}/compute/v2.1/servers"
        for headers in ({}, {"X-Auth-Token": "no token"}):
            answer = requests.get(url, headers=headers, timeout=5)
            self.assertEqual(401, answer.status_code)
            self.assertEqual(
                {
                    "code": 401,
                    "title": "Unauthorized",
                    "message": "The request you have made requires "
                    "authentication.",
                },
                answer.json()["error"],
            )
            self.assertEqual(
                f'Keystone uri="{self.served.url}/identity/v3"',
                answer.headers["WWW-Authenticate"],
            )

    def test_a_client_renews_its_token(self):
        self.assertEqual(200, self.nova("GET", "/servers").status_code)
        self.cloud.keystone.revoke_all()
        self.assertEqual(200, self.manila("GET", "/shares").status_code)
        issued = self.cloud.requests("keystone", '"name": "member"')
        self.assertEqual(2, len(issued))

    def test_look_ups(self):
        demo = self.cloud.projects["demo"].id
        found = self.ask("identity/v3", "GET", "/projects?name=demo")
        self.assertEqual([demo], [p["id"] for p in found.json()["projects"]])
        one = self.ask("identity/v3", "GET", f"/projects/{demo}")
        self.assertEqual("demo", one.json()["project"]["name"])
        users = self.ask("identity/v3", "GET", "/users", user="admin")
        self.assertIn("other", [u["name"] for u in users.json()["users"]])
        none = self.ask("identity/v3", "GET", "/users")
        self.assertEqual(403, none.status_code)


class ShortLivedTest(base.TestCase):
    def test_tokens_expire(self):
        self.cloud.keystone.token_ttl = 0.2
        token = self.cloud.token_of("member")
        self.assertIsNotNone(self.cloud.keystone.find_token(token))
        time.sleep(0.25)
        self.assertIsNone(self.cloud.keystone.find_token(token))
