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

import os
import tempfile
import unittest
from unittest import mock

from oslo_context import context

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares import policies
from nova_shares.policies import server_shares as rules

PROJECT = "11111111111111111111111111111111"
PERSONAS = {
    "admin": {"roles": ["admin", "member", "reader"], "project_id": "x"},
    "member": {"roles": ["member", "reader"], "project_id": PROJECT},
    "reader": {"roles": ["reader"], "project_id": PROJECT},
    "other": {"roles": ["member", "reader"], "project_id": "y"},
    "nobody": {"roles": [], "project_id": PROJECT},
    "system": {"roles": ["admin"], "system_scope": "all"},
}
ALLOWED = {
    rules.INDEX: {"admin", "member", "reader"},
    rules.SHOW: {"admin", "member", "reader"},
    rules.CREATE: {"admin", "member"},
    rules.DELETE: {"admin", "member"},
    rules.ADMIN_FIELDS: {"admin"},
    rules.ANY_SHARE: {"admin"},
}
#: Files of which oslo.policy can't make rules, at one step or another.
#: The last ones oslo.policy takes for rules that everybody passes.
BROKEN = (
    *("a: [", "- x\n", "\x00", f'"{rules.SHOW}": 5\n'),
    *(
        f'"{rules.CREATE}": "role:member"\n"{rules.SHOW}":{empty}\n'
        for empty in ("", " null", " ~", " []", " {}", " false", " 0")
    ),
)


class PolicyTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.file = os.path.join(self.directory.name, "policy.yaml")
        config = os.path.join(self.directory.name, "nova-shares.conf")
        with open(config, "w") as f:
            f.write(f"[oslo_policy]\npolicy_file = {self.file}\n")
        self.conf = nova_shares_conf.load(files=[config])
        self.policy = policies.Policy(self.conf)
        self.mtime = 1e9

    def _allowed(self, rule):
        return {
            name
            for name, who in PERSONAS.items()
            if self.policy.allows(
                context.RequestContext(overwrite=False, **who), rule, PROJECT
            )
        }

    def _write(self, text):
        with open(self.file, "w") as f:
            f.write(text)
        # oslo.policy reads a file again when it looks younger.
        self.mtime += 1
        os.utime(self.file, (self.mtime, self.mtime))

    def test_personas(self):
        for rule, allowed in ALLOWED.items():
            with self.subTest(rule):
                self.assertEqual(allowed, self._allowed(rule))

    def test_the_rule_is_named(self):
        caller = context.RequestContext(overwrite=False, **PERSONAS["reader"])
        with self.assertRaises(exception.NotAllowed) as caught:
            self.policy.authorize(caller, rules.CREATE, PROJECT)
        self.assertEqual({"rule": rules.CREATE}, caught.exception.data)

    def test_every_rule_can_be_overridden_and_is_reread(self):
        patch = mock.patch.object(policies, "REREAD_AFTER", 0)
        patch.start()
        self.addCleanup(patch.stop)
        for rule in ALLOWED:
            with self.subTest(rule):
                self._write(f'"{rule}": "role:nobody"\n')
                self.assertEqual(set(), self._allowed(rule))
                self._write(f'"{rule}": "@"\n# changed\n')
                self.assertEqual(
                    set(PERSONAS) - {"system"}, self._allowed(rule)
                )

    def test_a_broken_file_at_the_start(self):
        for text in BROKEN:
            self._write(text)
            with self.subTest(text):
                self.assertRaises(
                    (ValueError, AttributeError, TypeError),
                    policies.Policy,
                    self.conf,
                )
        self._write("")
        policies.Policy(self.conf)

    def test_a_broken_file_leaves_the_rules_of_before(self):
        patch = mock.patch.object(policies, "REREAD_AFTER", 0)
        patch.start()
        self.addCleanup(patch.stop)
        self._write(f'"{rules.SHOW}": "role:nobody"\n')
        before = [self._allowed(rule) for rule in ALLOWED]
        self.assertIn(set(), before)
        for text in BROKEN:
            self._write(text)
            with self.subTest(text):
                for _ in range(2):
                    with self.assertLogs(policies.LOG.logger, "ERROR"):
                        now = [self._allowed(rule) for rule in ALLOWED]
                    self.assertEqual(before, now)
        self._write("{}\n")
        for rule, allowed in ALLOWED.items():
            self.assertEqual(allowed, self._allowed(rule))

    def test_who_is_to_be_asked_is_away(self):
        self._write(f'"{rules.SHOW}": "http://127.0.0.1:1/"\n')
        caller = context.RequestContext(overwrite=False, **PERSONAS["reader"])
        for ask in (self.policy.allows, self.policy.authorize):
            with self.assertRaises(exception.ServiceUnavailable) as caught:
                ask(caller, rules.SHOW, PROJECT)
            self.assertIn(rules.SHOW, caught.exception.data["detail"])

    def test_a_policy_written_for_nova(self):
        self._write(f'"{rules.CREATE}": "rule:project_manager_or_admin"\n')
        self.assertEqual({"admin"}, self._allowed(rules.CREATE))

    def test_novas_policy_dirs_stay_away(self):
        self.assertEqual([], self.policy.enforcer.conf.oslo_policy.policy_dirs)
