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

"""Tests of how servers are looked up, in both ways."""

from __future__ import annotations

import copy
import io
import json
import logging

import fixtures
from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from oslo_context import context
import requests_mock
import testtools
import webob

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.clients import http
from nova_shares.clients import nova

SID = "aaaaaaaa-0000-4000-8000-00000000000a"
URL = "http://nova.example.test/v2.1"
BODY = {
    "server": {
        "id": SID,
        "tenant_id": "p1",
        "OS-EXT-SRV-ATTR:host": "host1",
        "OS-EXT-STS:vm_state": "stopped",
        "OS-EXT-STS:task_state": None,
        "locked": False,
        "flavor": {"ram": 64, "extra_specs": {"hw:mem_page_size": "large"}},
    }
}
SERVER = nova.Server(
    id=SID,
    project_id="p1",
    host="host1",
    vm_state="stopped",
    task_state=None,
    locked=False,
    extra_specs={"hw:mem_page_size": "large"},
)
NOT_FOUND = {"itemNotFound": {"code": 404, "message": "gone"}}


def _without(*path):
    body = copy.deepcopy(BODY)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return body


class TestParse(testtools.TestCase):
    def test_good(self):
        self.assertEqual(SERVER, nova.parse(BODY))

    def test_no_host(self):
        for host in (None, ""):
            body = copy.deepcopy(BODY)
            body["server"]["OS-EXT-SRV-ATTR:host"] = host
            self.assertIsNone(nova.parse(body).host)

    def test_hidden_fields_are_no_absent_host(self):
        for path, rule in (
            (
                ("server", "OS-EXT-SRV-ATTR:host"),
                "os_compute_api:os-extended-server-attributes",
            ),
            (
                ("server", "flavor", "extra_specs"),
                "os_compute_api:servers:show:flavor-extra-specs",
            ),
            (("server", "OS-EXT-STS:vm_state"), "os_compute_api:servers:show"),
        ):
            log = self.useFixture(fixtures.FakeLogger())
            error = self.assertRaises(
                exception.ServiceUnavailable, nova.parse, _without(*path)
            )
            self.assertEqual("compute", error.data["service"])
            self.assertIn(rule, log.output)

    def test_no_server(self):
        for body in (
            None,
            [],
            {},
            {"server": None},
            {"server": []},
            _without("server", "tenant_id"),
            {"server": {**BODY["server"], "flavor": "m1.tiny"}},
            {"server": {**BODY["server"], "flavor": {"extra_specs": None}}},
            {
                "server": {
                    **BODY["server"],
                    "flavor": {"extra_specs": {"a": 1}},
                }
            },
            {"server": {**BODY["server"], "id": None}},
            {"server": {**BODY["server"], "OS-EXT-STS:vm_state": {}}},
            {"server": {**BODY["server"], "OS-EXT-SRV-ATTR:host": 7}},
        ):
            self.assertRaises(exception.ServiceUnavailable, nova.parse, body)


class TestRestServers(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.mock = self.useFixture(Mock()).m
        auth = token_endpoint.Token(URL, "secret")
        self.servers = nova.RestServers(
            adapter.Adapter(session.Session(auth), service_type="compute"),
            http.Transport(),
            timeout=5,
        )

    def test_found(self):
        self.mock.get(f"{URL}/servers/{SID}", json=BODY)
        self.assertEqual(SERVER, self.servers.find(SID))
        headers = self.mock.last_request.headers
        self.assertEqual("compute 2.47", headers["OpenStack-API-Version"])
        self.assertEqual("secret", headers["X-Auth-Token"])

    def test_upper_case_is_asked_for_in_lower_case(self):
        self.mock.get(f"{URL}/servers/{SID}", json=BODY)
        self.assertEqual(SERVER, self.servers.find(SID.upper()))
        self.assertTrue(self.mock.last_request.url.endswith(SID))

    def test_not_found(self):
        self.mock.get(f"{URL}/servers/{SID}", status_code=404, json=NOT_FOUND)
        everybody = f"{URL}/servers?all_tenants=true&limit=1"
        self.mock.get(everybody, json={"servers": []})
        error = self.assertRaises(
            exception.ServerNotFound, self.servers.find, SID.upper()
        )
        self.assertEqual(SID.upper(), error.data["server_id"])

    def test_to_who_is_no_administrator_not_found_means_nothing(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.mock.get(f"{URL}/servers/{SID}", status_code=404, json=NOT_FOUND)
        self.mock.get(f"{URL}/servers?all_tenants=true", status_code=403)
        self.assertRaises(exception.ServiceUnavailable, self.servers.find, SID)
        self.assertIn("needs the admin role", log.output)

    def test_not_found_by_a_nova_that_fails_then_means_nothing(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.mock.get(f"{URL}/servers/{SID}", status_code=404, json=NOT_FOUND)
        self.mock.get(f"{URL}/servers?all_tenants=true", status_code=503)
        self.assertRaises(exception.ServiceUnavailable, self.servers.find, SID)
        self.assertNotIn("admin role", log.output)

    def test_a_404_that_is_not_novas_means_nothing(self):
        for answer in (
            {"text": "<h1>404 Not Found</h1>"},
            {"json": {"error": {"code": 404}}},
            {"json": []},
        ):
            self.mock.get(f"{URL}/servers/{SID}", status_code=404, **answer)
            self.assertRaises(
                exception.ServiceUnavailable, self.servers.find, SID
            )

    def test_any_other_answer_means_nothing(self):
        for status in (300, 400, 401, 403, 406, 409, 429, 500, 503):
            self.mock.get(
                f"{URL}/servers/{SID}", status_code=status, json=NOT_FOUND
            )
            self.assertRaises(
                exception.ServiceUnavailable, self.servers.find, SID
            )
        self.mock.get(f"{URL}/servers/{SID}", text="<h1>It works!</h1>")
        self.assertRaises(exception.ServiceUnavailable, self.servers.find, SID)
        another = {"server": {**BODY["server"], "id": "another"}}
        self.mock.get(f"{URL}/servers/{SID}", json=another)
        self.assertRaises(exception.ServiceUnavailable, self.servers.find, SID)

    def test_from_conf_connects_to_nothing(self):
        conf = nova_shares_conf.load(files=[])
        servers = nova.rest_servers(conf)
        error = self.assertRaises(
            exception.ServiceUnavailable, servers.find, SID
        )
        self.assertIn("MissingAuthPlugin", error.data["detail"])
        self.assertEqual(0, self.mock.call_count)


class Mock(fixtures.Fixture):
    """requests_mock as a fixture: nothing leaves the process."""

    def _setUp(self):
        self.m = requests_mock.Mocker()
        self.m.start()
        self.addCleanup(self.m.stop)


class Nova:
    """The wrapped application: answers, and keeps what it was asked."""

    def __init__(self, status=200, body=BODY):
        self.environ = None
        self.response = webob.Response(
            status=status,
            body=json.dumps(body).encode(),
            content_type="application/json",
        )
        self.error = None

    def __call__(self, environ, start_response):
        self.environ = environ
        # As Nova does: it writes into the context and leaves it in the
        # thread, and WebOb keeps attributes in the environment.
        environ["nova.context"].cell_uuid = "cell1"
        environ["nova.context"].update_store()
        webob.Request(environ).api_version_request = "2.47"
        if self.error:
            raise self.error
        return self.response(environ, start_response)


class TestInProcessLookup(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        self.caller = context.RequestContext(
            user_id="u1",
            project_id="p1",
            roles=["member"],
            system_scope="all",
            overwrite=True,
        )
        self.nova = Nova()
        self.environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/compute/v2.1",
            "PATH_INFO": f"/abc123/servers/{SID}/shares",
            "QUERY_STRING": "x=1",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": "2",
            "CONTENT_TYPE": "text/plain",
            "HTTP_IF_NONE_MATCH": "x",
            "HTTP_ACCEPT_ENCODING": "gzip",
            "HTTP_X_OPENSTACK_NOVA_API_VERSION": "2.97",
            "HTTP_OPENSTACK_API_VERSION": "compute 2.97",
            "wsgi.input": io.BytesIO(b"{}"),
            "wsgi.url_scheme": "http",
            "webob.adhoc_attrs": {"api_version_request": "2.97"},
            "nova.context": self.caller,
            "openstack.request_id": "req-1",
        }
        self.find = nova.InProcessLookup(self.nova, self.environ).find

    def test_found(self):
        self.assertEqual(SERVER, self.find(SID))
        asked = self.nova.environ
        self.assertEqual("GET", asked["REQUEST_METHOD"])
        self.assertEqual("/compute/v2.1", asked["SCRIPT_NAME"])
        self.assertEqual("req-1", asked["openstack.request_id"])
        self.assertEqual("compute 2.47", asked["HTTP_OPENSTACK_API_VERSION"])
        self.assertEqual("0", asked["CONTENT_LENGTH"])
        self.assertEqual("", asked["QUERY_STRING"])
        for key in (
            "CONTENT_TYPE",
            "HTTP_IF_NONE_MATCH",
            "HTTP_ACCEPT_ENCODING",
            "HTTP_X_OPENSTACK_NOVA_API_VERSION",
        ):
            self.assertNotIn(key, asked)

    def test_path_keeps_the_project(self):
        self.find(SID.upper())
        self.assertEqual(
            f"/abc123/servers/{SID}", self.nova.environ["PATH_INFO"]
        )
        self.environ["PATH_INFO"] = f"/servers/{SID}/shares/x"
        self.find(SID)
        self.assertEqual(f"/servers/{SID}", self.nova.environ["PATH_INFO"])

    def test_the_outer_request_is_untouched(self):
        before = dict(self.environ)
        self.find(SID)
        self.assertEqual(before, self.environ)
        self.assertEqual(
            {"api_version_request": "2.97"}, self.environ["webob.adhoc_attrs"]
        )
        self.assertEqual(b"{}", self.environ["wsgi.input"].read())

    def test_nova_gets_an_administrators_copy(self):
        self.find(SID)
        given = self.nova.environ["nova.context"]
        self.assertTrue(given.is_admin)
        self.assertEqual(["member", "admin"], given.roles)
        self.assertEqual("p1", given.project_id)
        self.assertIsNone(given.system_scope)
        self.assertFalse(self.caller.is_admin)
        self.assertEqual(["member"], self.caller.roles)
        self.assertEqual("all", self.caller.system_scope)
        self.assertFalse(hasattr(self.caller, "cell_uuid"))

    def test_the_threads_context_is_put_back(self):
        self.find(SID)
        self.assertIs(self.caller, context.get_current())
        self.nova.error = RuntimeError("boom")
        self.assertRaises(exception.ServiceUnavailable, self.find, SID)
        self.assertIs(self.caller, context.get_current())

    def test_no_administrator_is_left_where_there_was_nobody(self):
        other = context.RequestContext(user_id="u2", overwrite=False)
        self.environ["nova.context"] = other
        del context._request_store.context
        self.find(SID)
        self.assertIs(other, context.get_current())

    def test_an_exception_of_novas(self):
        self.nova.error = RuntimeError("boom")
        error = self.assertRaises(exception.ServiceUnavailable, self.find, SID)
        self.assertEqual("compute", error.data["service"])
        self.assertIn("RuntimeError: boom", self.log.output)

    def test_not_found(self):
        self.nova.response = Nova(404, NOT_FOUND).response
        self.assertRaises(exception.ServerNotFound, self.find, SID)

    def test_anything_else(self):
        for status in (400, 401, 403, 500, 503):
            self.nova.response = Nova(status, NOT_FOUND).response
            self.assertRaises(exception.ServiceUnavailable, self.find, SID)
        self.nova.response = webob.Response("<h1>It works!</h1>")
        self.assertRaises(exception.ServiceUnavailable, self.find, SID)
