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

"""What holds for each of the four calls: cases S5, A31 and D14 say so."""

from tempest import clients
from tempest import config
from tempest.lib import decorators
from tempest.lib.common.utils import data_utils
import testtools

from nova_shares_tempest_plugin.tests.api import base
from nova_shares_tempest_plugin.tests.base import NOBODY

CONF = config.CONF


class AllCallsTest(base.ApiTest):
    """One server with one share, which no test changes."""

    credentials = (*base.ApiTest.credentials, "admin", "system_reader")

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.share = cls.make_share(cls.addClassResourceCleanup)
        cls.server = cls.make_server(cls.addClassResourceCleanup)
        cls.attach(cls.server, cls.share)

    def each(self, server_id=None, share_id=None):
        return self.calls(server_id or self.server, share_id or self.share)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f01")
    @decorators.attr(type=["negative"])
    def test_another_project(self):
        """Contract L5, S5, A31, D14: the server is of another project."""
        for rule, method, path, body in self.each():
            answer = self.alt_client.ask(method, path, body)
            self.assert_forbidden(answer, rule)
            self.assert_headers(answer)

    @testtools.skipIf(
        CONF.identity_feature_enabled.immutable_user_source,
        "Users cannot be created",
    )
    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f02")
    @decorators.attr(type=["negative"])
    def test_no_role(self):
        """Contract L4, S5, A31, D14: a role that no rule knows."""
        client = self.client_of_new_role()
        for rule, method, path, body in self.each():
            answer = client.ask(method, path, body)
            self.assert_forbidden(answer, rule)

    def client_of_new_role(self):
        """Make a client of a user with a new role in the project."""
        identity = self.os_admin.identity_v3
        password = data_utils.rand_password()
        role = identity.RolesClient().create_role(
            name=data_utils.rand_name("no-role")
        )["role"]["id"]
        self.addCleanup(identity.RolesClient().delete_role, role)
        member = self.os_project_member.credentials
        user = identity.UsersClient().create_user(
            name=data_utils.rand_name("no-role"),
            password=password,
            domain_id=member.user_domain_id,
        )["user"]["id"]
        self.addCleanup(identity.UsersClient().delete_user, user)
        identity.RolesClient().create_user_role_on_project(
            member.project_id, user, role
        )
        credentials = type(member)(
            user_id=user, password=password, project_id=member.project_id
        )
        services = clients.Manager(credentials=credentials)
        return services.nova_shares.ServerSharesClient()

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f03")
    def test_admin(self):
        """Contract L6, S5: an administrator of another project."""
        client = self.os_admin.nova_shares.ServerSharesClient()
        for _, method, path, body in self.each()[:2]:
            answer = client.ask(method, path, body)
            self.assertEqual(200, answer.status)
            self.assert_headers(answer)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f04")
    @decorators.attr(type=["negative"])
    def test_no_server(self):
        """Contract L7, S5, A31, D14: the server does not exist."""
        for server in (NOBODY, data_utils.rand_uuid(), "new"):
            for rule, method, path, body in self.each(server):
                answer = self.client.ask(method, path, body)
                message = f"Instance {server} could not be found."
                if not CONF.nova_shares.own_answers:
                    message = None
                self.assert_fault(answer, 404, "itemNotFound", message, rule)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f05")
    @decorators.attr(type=["negative"])
    def test_deleted_server(self):
        """Contract L8, S5, A31, D14: the server is deleted."""
        server = self.create_server()
        self.remove_server(server)
        for rule, method, path, body in self.each(server):
            answer = self.client.ask(method, path, body)
            message = f"Instance {server} could not be found."
            self.assert_fault(answer, 404, "itemNotFound", message, rule)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f06")
    @decorators.attr(type=["negative"])
    def test_older_microversion(self):
        """Contract L10, S5, A31, D14: a version without server shares."""
        bare = {"OpenStack-API-Version": "2.97"}
        for version, headers, used in (
            ("2.96", {}, "2.96"),
            ("2.1", {}, "2.1"),
            (None, {}, "2.1"),
            (None, bare, "2.1"),
        ):
            for rule, method, path, body in self.each():
                answer = self.client.ask(method, path, body, headers, version)
                about = f"{rule} {version} {headers}"
                message = "The resource could not be found."
                self.assert_fault(answer, 404, "itemNotFound", message, about)
                self.assert_headers(answer, used, about)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f07")
    def test_microversion_headers(self):
        """Contract L11, S5: each way to ask for the version."""
        highest = self.client.version_document()["version"]
        old, new = "X-OpenStack-Nova-API-Version", "OpenStack-API-Version"
        for headers, used in (
            ({new: "compute latest"}, highest),
            ({old: "latest"}, highest),
            ({new: "volume 3.0, compute 2.97"}, "2.97"),
            ({new: "COMPUTE  2.97"}, "2.97"),
            ({old: "2.97"}, "2.97"),
            ({new: "compute 2.97", old: "2.1"}, "2.97"),
        ):
            for rule, method, path, _ in self.each()[:2]:
                answer = self.client.ask(method, path, None, headers, None)
                self.assertEqual(200, answer.status, f"{rule} {headers}")
                self.assert_headers(answer, used, f"{rule} {headers}")

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f08")
    @decorators.attr(type=["negative"])
    def test_microversion_above_the_maximum(self):
        """Contract L12, S5, A31, D14: a version that is not there yet."""
        highest = self.client.version_document()["version"]
        major, minor = highest.split(".")
        version = f"{major}.{int(minor) + 1}"
        message = (
            f"Version {version} is not supported by the API. Minimum is 2.1 "
            f"and maximum is {highest}."
        )
        for rule, method, path, body in self.each():
            answer = self.client.ask(method, path, body, version=version)
            self.assert_fault(answer, 406, "computeFault", message, rule)
            self.assert_headers(answer, version, rule)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f09")
    @decorators.attr(type=["negative"])
    def test_invalid_microversion(self):
        """Contract L13, S5, A31, D14: what is not a version."""
        for version in ("abc", "2", "2.97.1", "2.-1"):
            message = (
                f"API Version String {version} is of invalid format. Must be "
                "of format MajorNum.MinorNum."
            )
            for rule, method, path, body in self.each():
                answer = self.client.ask(method, path, body, version=version)
                self.assert_fault(answer, 400, "badRequest", message, rule)
                self.assertNotIn("openstack-api-version", answer.headers)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0a")
    @decorators.attr(type=["negative"])
    def test_project_in_the_url(self):
        """Contract L14, S5, A31, D14: the project is another one."""
        own = self.client.project_id
        other = self.alt_client.project_id
        message = (
            f"Malformed request URL: URL's project_id '{other}' doesn't match "
            f"Context's project_id '{own}'"
        )
        for rule, method, path, body in self.each():
            answer = self.client.ask(method, path, body, project_id=other)
            self.assert_fault(answer, 400, "badRequest", message, rule)
        for rule, method, path, _ in self.each()[:2]:
            answer = self.client.ask(method, path, project_id=own)
            self.assertEqual(200, answer.status, rule)

    @base.own_answer
    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0b")
    @decorators.attr(type=["negative"])
    def test_method_not_allowed(self):
        """Contract L15, S5: a method that the path does not have."""
        collection = f"servers/{self.server}/shares"
        item = f"{collection}/{self.share}"
        for method, path, allowed in (
            ("PUT", collection, {"GET", "POST"}),
            ("PATCH", collection, {"GET", "POST"}),
            ("DELETE", collection, {"GET", "POST"}),
            ("PUT", item, {"GET", "DELETE"}),
            ("PATCH", item, {"GET", "DELETE"}),
            ("POST", item, {"GET", "DELETE"}),
        ):
            answer = self.client.ask(method, path, {})
            self.assert_fault(answer, 405, "badMethod", None, method)
            told = set(answer.headers["allow"].replace(" ", "").split(","))
            self.assertEqual(allowed, told, f"{method} {path}")
        self.assertEqual(405, self.client.ask("HEAD", collection).status)

    @base.own_answer
    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0c")
    @decorators.attr(type=["negative"])
    def test_no_route(self):
        """Contract L16, S5: a path beside those of the calls."""
        collection = f"servers/{self.server}/shares"
        for path in (
            f"{collection}/",
            f"{collection}.json",
            f"{collection}/{self.share}/",
            f"{collection}/{self.share}/more",
        ):
            answer = self.client.ask("GET", path)
            self.assert_fault(answer, 404, "itemNotFound", None, path)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0d")
    @decorators.attr(type=["negative"])
    def test_strange_ids(self):
        """Contract L17, S5, A31, D14: IDs that no server and no share has."""
        for strange in ("%ff%fe", "a%00b", "%F0%9F%A6%8A", "x" * 200):
            for _, method, path, body in self.each(server_id=strange):
                answer = self.client.ask(method, path, body)
                self.assertEqual(404, answer.status, f"{method} {path}")
                self.assertNotIn(b"\x00", answer.body)
            for rule, method, path, _ in self.each(share_id=strange):
                if rule in ("show", "delete"):
                    answer = self.client.ask(method, path)
                    self.assertEqual(404, answer.status, f"{method} {path}")

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0e")
    @decorators.attr(type=["negative"])
    def test_no_token(self):
        """Contract L18, S5, A31, D14: no token, or an invalid one."""
        for token in (None, "0123456789abcdef0123456789abcdef"):
            headers = {"X-Auth-Token": token}
            for version in ("2.97", "2.1", "abc"):
                for _, method, path, body in self.each():
                    answer = self.client.ask(
                        method, path, body, headers, version
                    )
                    self.assertEqual(401, answer.status, f"{method} {path}")
                    self.assertIn("www-authenticate", answer.headers)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f0f")
    @decorators.attr(type=["negative"])
    def test_system_scope(self):
        """Contract L19, S5, A31, D14: a token of the system."""
        token = self.os_system_reader.auth_provider.get_token()
        headers = {"X-Auth-Token": token}
        for rule, method, path, body in self.each():
            answer = self.client.ask(method, path, body, headers)
            self.assert_fault(answer, 403, "forbidden", None, rule)

    @decorators.idempotent_id("0a4a7d5c-5f1c-4b0e-9e52-6a6b8c0b6f10")
    def test_version_document(self):
        """Contract P5: the version document tells that the calls are there."""
        document = self.client.version_document()
        self.assertEqual("2.1", document["min_version"])
        major, minor = map(int, document["version"].split("."))
        self.assertGreaterEqual((major, minor), (2, 97))
