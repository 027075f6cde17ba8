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

"""What tempest asks of a cloud: accounts, and what administrators may."""

from __future__ import annotations

import uuid

from keystoneauth1 import exceptions

from nova_shares.tests.functional.devcloud import base


class AccountsTest(base.TestCase):
    def keystone(self, method, path, body=None, user="admin"):
        return self.ask("identity/v3", method, path, body, user)

    def make(self, kind, name):
        body = {kind: {"name": name, "password": "guessed"}}
        answer = self.keystone("POST", f"/{kind}s", body)
        self.assertEqual(201, answer.status_code, answer.text)
        return answer.json()[kind]["id"]

    def session(self, name, password="guessed", **scope):
        session = self.served.session(name, **scope)
        session.auth.auth_methods[0].password = password
        return session

    def test_a_user_of_a_project(self):
        ids = [self.make(k, "new") for k in ("project", "user", "role")]
        project, user, role = ids
        scope = {"project_id": project}
        session = self.session("new", **scope)
        self.assertRaises(exceptions.Unauthorized, session.get_token)
        path = f"/projects/{project}/users/{user}/roles/{role}"
        self.assertEqual(204, self.keystone("PUT", path).status_code)
        access = session.auth.get_access(session)
        self.assertEqual(["new"], access.role_names)
        session = self.session("new", self.cloud.password, **scope)
        self.assertRaises(exceptions.Unauthorized, session.get_token)

    def test_implied_roles(self):
        project, user = self.make("project", "new"), self.make("user", "new")
        roles = self.keystone("GET", "/roles?name=member").json()["roles"]
        path = f"users/{user}/roles/{roles[0]['id']}"
        for where, scope in (
            (f"/projects/{project}", {"project_id": project}),
            ("/system", {"system_scope": "all"}),
        ):
            self.keystone("PUT", f"{where}/{path}")
            session = self.session("new", **scope)
            access = session.auth.get_access(session)
            self.assertEqual({"member", "reader"}, set(access.role_names))

    def test_removed(self):
        project = self.cloud.projects["demo"]
        session = self.served.session("member")
        token = session.get_token()
        user = self.cloud.users["member"].id
        self.assertEqual(
            204, self.keystone("DELETE", f"/users/{user}").status_code
        )
        self.assertIsNone(self.cloud.keystone.find_token(token))
        again = self.keystone("DELETE", f"/users/{user}")
        self.assertEqual(404, again.status_code)
        self.keystone("DELETE", f"/projects/{project.id}")
        shown = self.keystone("GET", f"/projects/{project.id}")
        self.assertEqual(404, shown.status_code)

    def test_a_role_is_taken_away(self):
        roles = self.keystone("GET", "/roles?name=reader").json()["roles"]
        self.keystone("DELETE", f"/roles/{roles[0]['id']}")
        session = self.served.session("reader")
        self.assertRaises(exceptions.Unauthorized, session.get_token)

    def test_refused(self):
        for kind in ("project", "user", "role"):
            self.make(kind, "twice")
            body = {kind: {"name": "twice"}}
            answer = self.keystone("POST", f"/{kind}s", body)
            self.assertEqual(409, answer.status_code)
            answer = self.keystone("POST", f"/{kind}s", {kind: {}})
            self.assertEqual(400, answer.status_code)
            answer = self.keystone("POST", f"/{kind}s", body, "member")
            self.assertEqual(403, answer.status_code)
            answer = self.keystone("DELETE", f"/{kind}s/{uuid.uuid4()}")
            self.assertEqual(404, answer.status_code)


class AdminActionsTest(base.TestCase):
    def share(self, name, value=None, user="admin"):
        path = f"/shares/{self.share_id}/action"
        return self.manila("POST", path, {name: value}, user).status_code

    def shown(self):
        path = f"/shares/{self.share_id}"
        return self.manila("GET", path).json()["share"]

    def test_shares(self):
        self.share_id = self.cloud.create_share("data").id
        self.assertEqual(202, self.share("reset_status", {"status": "error"}))
        self.assertEqual("error", self.shown()["status"])
        for action, there in (("soft_delete", True), ("restore", False)):
            self.assertEqual(202, self.share(action, user="member"))
            self.assertIs(there, self.shown()["is_soft_deleted"])
        for action in ("reset_status", "force_delete"):
            self.assertEqual(403, self.share(action, {}, "member"))
        self.assertEqual(202, self.share("force_delete"))
        self.assertEqual({}, self.cloud.shares)

    def test_share_type(self):
        kind = self.manila("GET", "/types/default").json()["share_type"]
        self.share_id = self.cloud.create_share("data").id
        self.assertEqual(kind["id"], self.shown()["share_type"])

    def test_servers(self):
        server = self.cloud.create_server("web").id
        path = f"/servers/{server}/action"
        for user, state, status in (
            ("member", "error", 403),
            ("admin", "paused", 400),
            ("admin", "error", 202),
        ):
            body = {"os-resetState": {"state": state}}
            answer = self.nova("POST", path, body, user)
            self.assertEqual(status, answer.status_code)
        self.assertEqual("error", self.cloud.servers[server].vm_state)
