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
"""Manila's client, against devcloud: real HTTP, and every wrong answer."""

import logging
import threading
import time

import fixtures
from oslo_context import context
import requests
import testtools

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.clients import lock_reason
from nova_shares.clients import manila
from nova_shares.clients import manila_session
from nova_shares.tests import fixtures_db
from nova_shares_devcloud import server
from nova_shares_devcloud import state

_CONF = """
[manila]
auth_type = password
auth_url = {url}/identity/v3
username = nova-shares
password = devcloud
project_name = service
user_domain_name = Default
project_domain_name = Default
timeout = 1
"""


class ManilaTest(testtools.TestCase):
    share_max = "2.82"
    options = ""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.cloud = state.Cloud(share_max=self.share_max)
        self.addCleanup(server.serve(self.cloud).stop)
        directory = self.useFixture(fixtures.TempDir())
        path = directory.join("nova-shares.conf")
        with open(path, "w") as f:
            f.write(_CONF.format(url=self.cloud.url) + self.options)
        self.shares = manila.Shares(nova_shares_conf.load(files=[path]))
        self.share = self.cloud.create_share("share").id
        self.cloud.forget_requests()

    def caller(self, user="member"):
        return context.RequestContext(
            auth_token=self.cloud.token_of(user),
            project_id=self.cloud.projects["demo"].id,
            overwrite=False,
        )

    def find(self, user="member", seconds=1.0):
        deadline = time.monotonic() + seconds
        return self.shares.find(self.caller(user), self.share, deadline)

    def allow(self, to="192.0.2.1", level="rw"):
        return self.shares.allow(self.share, "ip", to, level, "because")

    def paths(self):
        return [
            f"{request.method} {request.path}"
            for request in self.cloud.requests("manila")
        ]


class UserTest(ManilaTest):
    def test_find(self):
        found = self.find()
        self.assertEqual(self.share, found.id)
        self.assertEqual(
            ("available", "NFS", self.cloud.projects["demo"].id),
            (found.status, found.proto, found.project_id),
        )

    def test_the_user_does_not_see_it(self):
        self.assertRaises(exception.ShareNotFound, self.find, "other")

    def test_once_warm_nobody_asks_keystone(self):
        self.find()
        caller = self.caller()
        self.cloud.forget_requests()
        deadline = time.monotonic() + 1
        self.shares.find(caller, self.share, deadline)
        self.shares.export_locations(self.share, caller, deadline)
        self.assertEqual(2, len(self.paths()))
        self.assertEqual([], self.cloud.requests("keystone", "POST"))

    def test_the_request_is_named(self):
        caller = self.caller()
        self.shares.find(caller, self.share, time.monotonic() + 1)
        [request] = self.cloud.requests("manila")
        self.assertEqual(caller.request_id, request.global_request_id)

    def test_what_is_no_answer(self):
        self.find()
        for wrong in (
            {"status": 401},
            {"status": 403},
            {"status": 429},
            {"status": 500},
            {"status": 503},
            {"html": True},
            {"html": True, "status": 502},
            {"refuse": True},
        ):
            fault = self.cloud.fail("manila", **wrong)
            self.assertRaises(exception.ServiceUnavailable, self.find)
            fault.clear()
        self.find()

    def test_a_manila_that_hangs_has_the_time_that_is_left(self):
        self.find()
        self.cloud.fail("manila", hang=30)
        began = time.monotonic()
        self.assertRaises(exception.ServiceUnavailable, self.find, seconds=0.3)
        self.assertLess(time.monotonic() - began, 1)

    def test_a_keystone_that_hangs_has_the_same_time_of_all(self):
        self.cloud.fail("keystone", hang=30)
        caller, took = self.caller(), []

        def find():
            began = time.monotonic()
            self.assertRaises(
                exception.ServiceUnavailable,
                self.shares.find,
                caller,
                self.share,
                began + 1,
            )
            took.append(time.monotonic() - began)

        threads = [threading.Thread(target=find) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(5, len(took))
        self.assertLess(max(took), 3)

    def test_keystone_is_away(self):
        self.cloud.fail("keystone")
        self.assertRaises(exception.ServiceUnavailable, self.find)


class RuleTest(ManilaTest):
    def test_allow_look_and_deny(self):
        rule = self.allow()
        self.assertTrue(rule.ours)
        self.assertEqual(rule.id, self.shares.rule(rule.id).id)
        self.assertEqual(
            [("ip", "192.0.2.1", "rw")],
            [
                (r.access_type, r.access_to, r.access_level)
                for r in self.shares.rules(self.share)
            ],
        )
        self.assertTrue(self.shares.deny(self.share, rule.id))
        self.assertIsNone(self.shares.rule(rule.id))
        self.assertFalse(self.shares.deny(self.share, rule.id))

    def test_locks(self):
        rule = self.allow()
        self.assertEqual(
            {
                ("access_rule", "delete"),
                ("access_rule", "show"),
                ("share", "delete"),
            },
            {(lock.kind, lock.action) for lock in self.shares.locks()},
        )
        locks = self.shares.locks(rule.id)
        self.assertEqual({"because"}, {lock.reason for lock in locks})
        for lock in self.shares.locks():
            self.shares.unlock(lock.id)
            self.shares.unlock(lock.id)
        self.assertEqual([], self.shares.locks())

    def test_locks_that_are_none(self):
        good = {
            "id": "lock",
            "resource_type": "share",
            "resource_id": "share",
            "resource_action": "delete",
            "lock_reason": None,
        }
        self.assertEqual("", manila._lock(good).reason)
        for field in good:
            self.assertRaises(TypeError, manila._lock, {**good, field: [7]})

    def test_an_equal_rule_is_refused_in_manilas_words(self):
        self.allow()
        for level in ("rw", "ro"):
            refused = self.assertRaises(
                manila.Refused, self.allow, level=level
            )
            self.assertIn("192.0.2.1", refused.data["message"])

    def test_whose_rule_it_is(self):
        self.allow()
        headers = {"X-Auth-Token": self.cloud.token_of("member")}
        headers["X-OpenStack-Manila-API-Version"] = "2.82"
        theirs = {
            "access_type": "ip",
            "access_to": "192.0.2.7",
            "access_level": "rw",
        }
        answer = requests.post(
            f"{self.cloud.url}/share/v2/shares/{self.share}/action",
            json={"allow_access": theirs},
            headers=headers,
            timeout=5,
        )
        self.assertEqual(200, answer.status_code)
        self.assertEqual(
            {"192.0.2.1": True, "192.0.2.7": False},
            {r.access_to: r.ours for r in self.shares.rules(self.share)},
        )

    def test_a_share_that_is_gone(self):
        self.share = "00000000-0000-4000-8000-000000000000"
        self.assertFalse(self.shares.share_exists(self.share))
        for call in (
            self.allow,
            lambda: self.shares.rules(self.share),
            lambda: self.shares.export_locations(self.share),
        ):
            self.assertRaises(exception.ShareNotFound, call)
        self.assertFalse(self.shares.deny(self.share, self.share))

    def test_to_who_is_no_administrator_a_404_proves_nothing(self):
        self.cloud.assign("nova-shares", "service", "service")
        for call in (
            lambda: self.shares.share_exists(self.share),
            lambda: self.shares.rules(self.share),
            self.shares.must_see_all,
        ):
            self.assertRaises(exception.ServiceUnavailable, call)
        self.assertIn("needs the admin role", self.log.output)
        # It is seen at once when it is one again.
        self.cloud.assign("nova-shares", "service", "admin")
        self.shares.must_see_all()

    def test_from_a_manila_that_fails_then_a_404_proves_nothing(self):
        self.cloud.remove_share(self.share)
        self.cloud.fail("manila", "/services", status=503)
        self.assertRaises(
            exception.ServiceUnavailable, self.shares.share_exists, self.share
        )
        self.assertNotIn("admin role", self.log.output)

    def test_a_404_of_somebody_else_proves_nothing(self):
        self.cloud.fail("manila", status=404, html=True)
        for call in (
            lambda: self.shares.share_exists(self.share),
            lambda: self.shares.rules(self.share),
            lambda: self.shares.rule(self.share),
            lambda: self.shares.export_locations(self.share),
            lambda: self.shares.deny(self.share, self.share),
            self.shares.locks,
        ):
            self.assertRaises(exception.ServiceUnavailable, call)
        self.assertRaises(manila.Refused, self.shares.unlock, self.share)


class OlderManilaTest(ManilaTest):
    share_max = "2.75"

    def test_it_works_without_locks_and_says_so_once(self):
        rule = self.allow()
        self.assertTrue(rule.ours)
        self.assertFalse(self.shares.makes_locks())
        self.assertEqual([], self.shares.locks())
        self.allow("192.0.2.2")
        self.assertTrue(self.shares.deny(self.share, rule.id))
        self.find()
        # Below 2.47 Manila lists the replicas of a share too.
        self.assertEqual("2.75", str(self.shares._session.version))
        self.assertEqual(1, self.log.output.count("Manila does not support"))

    def test_it_is_not_taken_for_older_for_ever(self):
        believed = fixtures.MockPatchObject(manila_session, "_BELIEVED", 0)
        with believed:
            self.allow()
        self.assertTrue(self.shares.makes_locks())
        self.allow("192.0.2.2")
        self.assertFalse(self.shares.makes_locks())


class LockReasonTest(testtools.TestCase):
    def test_what_is_written_can_be_read(self):
        m = fixtures_db.new_mapping(request_id="req-1", user_id="u")
        text = lock_reason.write(m, "database")
        for part in ("request req-1", "user u", f"project {m.project_id}"):
            self.assertIn(part, text)
        self.assertEqual(
            lock_reason.Reason("database", m.uuid, m.instance_uuid, m.host),
            lock_reason.read(text),
        )
        self.assertIsNone(lock_reason.read("Lock by nova"))
