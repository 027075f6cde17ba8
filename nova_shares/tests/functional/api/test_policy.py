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

"""What an operator changes by policy.yaml, without a restart."""

from __future__ import annotations

import os
import time

from nova_shares.tests.functional.api import base
from nova_shares.tests.functional.api import world

_RULE = '"os_compute_api:os-server-shares:{}": "{}"\n'


class TestService(base.Case):
    """The API as a service."""

    deployment = world.SERVICE

    def setUp(self):
        super().setUp()
        self.world.mapped("stopped", "nfs", tag="data")
        self.addCleanup(self.write, "{}\n")

    def policy(self, *rules):
        self.write("".join(_RULE.format(*rule) for rule in rules))

    def write(self, text):
        self.world.policy(text)
        # oslo.policy looks at the time of the last change, in seconds.
        path = os.path.join(self.world.directory, "policy.yaml")
        self.__class__.later = getattr(self, "later", 0) + 2
        when = time.time() + self.later
        os.utime(path, (when, when))

    def test_s3_the_admin_fields_given_to_readers(self):
        shown = self.world.show("stopped", "nfs", user="reader")
        self.assertNotIn("uuid", shown.json["share"])
        self.policy(("show:admin_fields", "role:reader"))
        shown = self.world.show("stopped", "nfs", user="reader")
        (row,) = self.rows()
        self.assertEqual(row.uuid, shown.json["share"]["uuid"])
        self.assertEqual(
            row.export_location, shown.json["share"]["export_location"]
        )
        made = self.world.attach("empty", "nfs").json["share"]
        self.assertIn("export_location", made)
        listed = self.world.list("stopped", user="reader").json["shares"]
        self.assertEqual(["share_id", "status", "tag"], list(listed[0]))

    def test_s3_taken_from_admins(self):
        self.policy(("show:admin_fields", "!"))
        shown = self.world.show("stopped", "nfs", user="admin")
        self.assertEqual(
            ["share_id", "status", "tag"], list(shown.json["share"])
        )

    def test_a22b_any_share(self):
        self.policy(("create:any_share", "role:member"))
        answer = self.world.attach("stopped", "public")
        self.assertEqual(201, answer.status_int)
        # What Manila does not show, nobody can attach.
        self.message(404, self.world.attach("stopped", "other"))

    def test_a_broken_file(self):
        self.policy(("show", "role:nobody"))
        self.message(403, self.world.show("stopped", "nfs"))
        self.write("a: [")
        for _ in range(2):
            self.message(403, self.world.show("stopped", "nfs"))
            self.assertEqual(200, self.world.list("stopped").status_int)
        self.assertLessEqual(
            4, self.log.output.count("Cannot load the policy file")
        )
        self.write("{}\n")
        self.assertEqual(200, self.world.show("stopped", "nfs").status_int)

    def test_who_is_to_be_asked_is_away(self):
        names = ("index", "show", "create", "delete")
        self.policy(*((name, "http://127.0.0.1:1/") for name in names))
        for _, answer in self.answers("stopped"):
            self.assertIn("server shares", self.message(503, answer))
        # An attach that is recorded is not answered by an error.
        self.policy(("show:admin_fields", "http://127.0.0.1:1/"))
        with self.nothing_written():
            self.message(503, self.world.attach("empty", "nfs"))

    def test_l5_with_a_rule_for_a_projects_own_administrators(self):
        names = ("index", "show", "create", "delete")
        check = "role:admin and project_id:%(project_id)s"
        self.policy(*((name, check) for name in names))
        for server in ("stopped", "empty"):
            for name, answer in self.answers(server, user="admin"):
                self.assertIn(f":{name} ", self.message(403, answer))

    def test_each_rule(self):
        for method, on_share, name in base.CALLS:
            self.policy((name, "role:guest"))
            path = self.world.path("stopped", "nfs" if on_share else None)
            body = {"share": {"share_id": self.world.shares["nfs2"]}}
            body = body if method == "POST" else None
            with self.nothing_written():
                answer = self.world.ask(method, path, body)
            self.assertIn(
                f"os_compute_api:os-server-shares:{name} to be performed",
                self.message(403, answer),
            )
            answer = self.world.ask(method, path, body, user="norole")
            # Manila shows the share to whoever is in its project.
            self.assertIn(answer.status_int, (200, 201), name)


class TestFilter(TestService):
    """The API as a filter."""

    deployment = world.FILTER


class TestBrokenService(base.Case):
    """P6: the file is broken when the first request comes."""

    deployment = world.SERVICE

    def test_p6(self):
        self.world.policy("a: [")
        for server in ("stopped", base.UNKNOWN):
            for _, answer in self.answers(server):
                self.message(503, answer)
        self.assertIn("Cannot start", self.log.output)
        path = f"/servers/{self.world.servers['stopped']}"
        answer = self.world.ask("POST", f"{path}/action", {"suspend": None})
        self.assertNotEqual(503, answer.status_int)
        self.world.policy("{}\n")
        self.assertEqual(200, self.world.list("stopped").status_int)


class TestBrokenFilter(TestBrokenService):
    """The same as a filter."""

    deployment = world.FILTER
