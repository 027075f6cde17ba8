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

"""Tests of how errors are answered."""

from __future__ import annotations

import inspect
import json
import logging
import string

import fixtures
from microversion_parse import Version
from oslo_config import cfg
from oslo_db import exception as db_exc
import testtools
import webob
import webob.exc

from nova_shares import exception
from nova_shares.api import faults

MAXIMUM = Version(2, 97)
#: Errors of ours that no request ends in.
INTERNAL = {
    exception.NovaSharesError,
    exception.Conflict,
    exception.StateUnavailable,
    exception.ForeignDatabase,
    exception.StepFailed,
}


class TestAnswer(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))

    def _answer(self, error):
        environ = {"HTTP_OPENSTACK_API_VERSION": "compute 2.97"}
        return faults.answer(error, environ, MAXIMUM)

    def test_every_error_of_a_request_is_in_the_table(self):
        errors = {
            error
            for _, error in inspect.getmembers(exception, inspect.isclass)
            if issubclass(error, exception.NovaSharesError)
        }
        self.assertEqual(
            errors - INTERNAL,
            set(faults.TABLE) - {db_exc.DBError, cfg.ConfigFileValueError},
        )

    def test_every_sentence_is_made_of_data_that_the_error_has(self):
        for error, (_, sentence) in faults.TABLE.items():
            for _, field, _, _ in string.Formatter().parse(sentence):
                if field:
                    self.assertIn(
                        field,
                        (error.__doc__ or "")
                        + " action server_id state attribute",
                    )

    def test_format_and_headers(self):
        response = self._answer(exception.ShareNotFound(share_id="{x}"))
        self.assertEqual(404, response.status_int)
        self.assertEqual(
            {
                "itemNotFound": {
                    "code": 404,
                    "message": "Share {x} could not be found.",
                }
            },
            response.json,
        )
        self.assertEqual(
            "application/json; charset=UTF-8",
            response.headers["Content-Type"],
        )
        self.assertEqual(
            "compute 2.97", response.headers["OpenStack-API-Version"]
        )
        self.assertNotIn("Retry-After", response.headers)

    def test_unexpected(self):
        try:
            raise KeyError("secret")
        except KeyError as e:
            response = self._answer(e)
        self.assertEqual(500, response.status_int)
        self.assertEqual(
            {
                "computeFault": {
                    "code": 500,
                    "message": "The server has either erred or is incapable"
                    " of performing the requested operation.",
                }
            },
            response.json,
        )
        self.assertIn("Traceback", self.log.output)
        self.assertIn("KeyError: 'secret'", self.log.output)

    def test_service_unavailable_keeps_the_detail_for_the_log(self):
        response = self._answer(
            exception.ServiceUnavailable(
                service="compute", detail="http://internal:8774"
            )
        )
        self.assertEqual(503, response.status_int)
        self.assertEqual("10", response.headers["Retry-After"])
        self.assertEqual(["serviceUnavailable"], list(response.json))
        self.assertIn("compute", response.text)
        self.assertNotIn("internal", response.text)
        self.assertIn("http://internal:8774", self.log.output)

    def test_database_is_away(self):
        for error in (
            db_exc.DBConnectionError(Exception("mysql://root:pw@db")),
            db_exc.DBNonExistentTable("share_mappings"),
            db_exc.DBError("SELECT 1"),
        ):
            response = self._answer(error)
            self.assertEqual(503, response.status_int)
            self.assertIn("Retry-After", response.headers)
            self.assertIn("server shares", response.text)
            self.assertNotIn("SELECT", response.text)
            self.assertNotIn("mysql", response.text)

    def test_too_large(self):
        response = self._answer(webob.exc.HTTPRequestEntityTooLarge())
        fault = response.json["overLimit"]
        self.assertEqual(413, fault["code"])
        self.assertEqual(response.headers["Retry-After"], fault["retryAfter"])

    def test_method_not_allowed(self):
        response = self._answer(faults.method_not_allowed(["POST", "GET"]))
        self.assertEqual("GET, POST", response.headers["Allow"])
        self.assertEqual(["badMethod"], list(response.json))


class TestWrapper(testtools.TestCase):
    def _get(self, app):
        request = webob.Request.blank("/")
        return request.get_response(faults.Wrapper(app, MAXIMUM))

    def test_good_answers_pass(self):
        response = self._get(webob.Response("hello", headers={"X-A": "b"}))
        self.assertEqual("hello", response.text)
        self.assertEqual("b", response.headers["X-A"])

    def test_faults_pass(self):
        content = json.dumps({"error": {"code": 401}}).encode()
        unauthorized = webob.Response(
            status=401, body=content, content_type="application/json"
        )
        self.assertEqual(content, self._get(unauthorized).body)

    def test_html_is_translated(self):
        response = self._get(webob.exc.HTTPRequestEntityTooLarge())
        self.assertEqual(413, response.status_int)
        self.assertEqual(["overLimit"], list(response.json))

    def test_keystone_is_away(self):
        response = self._get(webob.exc.HTTPServiceUnavailable("keystone"))
        self.assertEqual(503, response.status_int)
        self.assertIn("Retry-After", response.headers)
        self.assertIn(
            "identity", response.json["serviceUnavailable"]["message"]
        )

    def test_exception(self):
        self.useFixture(fixtures.FakeLogger())

        def app(environ, start_response):
            raise RuntimeError("inside")

        response = self._get(app)
        self.assertEqual(500, response.status_int)
        self.assertEqual(["computeFault"], list(response.json))
        self.assertNotIn("inside", response.text)
