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

"""What the API tests have in common: the calls, and how answers look."""

from tempest import config
import testtools

from nova_shares_tempest_plugin.tests import base

CONF = config.CONF
#: Of a test that expects what nova_shares answers other than Nova.
own_answer = testtools.skipUnless(
    CONF.nova_shares.own_answers, "[nova_shares] own_answers is False"
)
RULE = "os_compute_api:os-server-shares"


class ApiTest(base.ServerSharesTest):
    """Checks of answers; requests are made with ``ask``."""

    @staticmethod
    def calls(server_id, share_id):
        """List the calls: (rule, method, path, body)."""
        shares = f"servers/{server_id}/shares"
        body = {"share": {"share_id": share_id}}
        return (
            ("index", "GET", shares, None),
            ("show", "GET", f"{shares}/{share_id}", None),
            ("create", "POST", shares, body),
            ("delete", "DELETE", f"{shares}/{share_id}", None),
        )

    def ask_attach(self, server_id, share_id, client=None, **fields):
        """Ask for an attach; returns the answer, whatever it is."""
        body = {"share": {"share_id": share_id, **fields}}
        path = f"servers/{server_id}/shares"
        return (client or self.client).ask("POST", path, body)

    def ask_detach(self, server_id, share_id, client=None):
        """Ask for a detach; returns the answer, whatever it is."""
        path = f"servers/{server_id}/shares/{share_id}"
        return (client or self.client).ask("DELETE", path)

    def assert_headers(self, answer, version="2.97", about=""):
        """Check the headers that every answer has."""
        headers = answer.headers
        self.assertEqual(
            (f"compute {version}", version),
            (
                headers.get("openstack-api-version"),
                headers.get("x-openstack-nova-api-version"),
            ),
            about,
        )
        varies = ["X-OpenStack-Nova-API-Version"]
        if CONF.nova_shares.own_answers:
            # Nova sends it in a header of its own: tempest keeps the last.
            varies.insert(0, "OpenStack-API-Version")
        for name in varies:
            self.assertIn(name, headers.get("vary", "").split(", "), about)
        ids = {
            headers.get("x-openstack-request-id"),
            headers.get("x-compute-request-id"),
        }
        self.assertEqual(1, len(ids), f"{about} {ids}")
        self.assertTrue(ids.pop().startswith("req-"), about)

    def assert_fault(self, answer, status, name, message=None, about=""):
        """Check an error.

        :param message: the whole message; None: it is checked elsewhere
        """
        about = f"{about} {answer}"
        self.assertEqual(status, answer.status, about)
        content_type = answer.headers["content-type"].lower()
        self.assertTrue(content_type.startswith("application/json"), about)
        found = answer.fault
        self.assertEqual((name, status), found[:2], about)
        if message is not None:
            self.assertEqual(message, found[2], about)
        return found[2]

    def assert_forbidden(self, answer, rule):
        self.assert_fault(
            answer,
            403,
            "forbidden",
            f"Policy doesn't allow {RULE}:{rule} to be performed.",
            rule,
        )

    def assert_conflict(self, answer, message=None):
        return self.assert_fault(answer, 409, "conflictingRequest", message)

    def assert_bad_request(self, answer, message=None):
        return self.assert_fault(answer, 400, "badRequest", message)
