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

"""The life of a mapping, as time goes: cases T and some of D and A."""

import dataclasses
import uuid

from nova_shares.tests.functional import cloud

ACTIVE_RULE = [("ip", "127.0.0.1", "active")]


class StoryTest(cloud.StoryTest):
    def setUp(self):
        super().setUp()
        self.server = self.c.server()
        self.share = self.c.share()

    def nothing_left(self):
        self.assertEqual([], self.c.rules())
        self.assertEqual({}, self.c.cloud.locks)
        self.assertEqual({}, self.c.hypervisor.mounts())
        self.assertEqual({}, self.c.hypervisor.devices(self.server))


class LifeTest(StoryTest):
    def test_t1_attaching_then_inactive(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.see("attaching")
        self.c.cloud.release("allow")
        self.see("inactive")
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_t1_cephfs_has_an_identity_for_each_mapping(self):
        share = self.c.share(proto="CEPHFS")
        other = self.c.server()
        for server in (self.server, other):
            self.assertEqual(201, self.c.attach(server, share))
            self.c.see(server, share, "inactive")
        self.assertEqual(2, len(self.c.rules(share)))
        for kind, to, state in self.c.rules(share):
            self.assertEqual(("cephx", "active"), (kind, state))
            self.assertRegex(to, "^shares-[0-9a-f-]+$")
        self.c.detach(self.server, share)
        self.c.see(self.server, share, None)
        self.assertEqual(1, len(self.c.rules(share)))

    def test_t2_start_and_stop(self):
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("active")
        mapping = self.c.mapping(self.server, self.share)
        self.assertEqual(
            {self.share: mapping.uuid}, self.c.hypervisor.devices(self.server)
        )
        self.c.act(self.server, "os-stop")
        self.see("inactive")
        self.assertEqual({}, self.c.hypervisor.mounts())

    def test_t2_reboot_rescue_and_unrescue(self):
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("active")
        for action in ("reboot", "rescue", "unrescue", "pause", "unpause"):
            self.c.act(self.server, action)
            self.see("active")
            cloud.wait_for(
                lambda: self.c.hypervisor.devices(self.server),
                f"no device after {action}",
            )

    def test_t2_the_guest_crashes(self):
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("active")
        self.c.hypervisor.stop(self.server)
        self.see("inactive")

    def test_t4_start_while_attaching(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.c.act(self.server, "os-start")
        self.see("attaching")
        self.c.cloud.release("allow")
        self.see("active")

    def test_t4_start_while_detaching(self):
        self.attached()
        self.c.cloud.hold("deny")
        self.detach()
        self.c.act(self.server, "os-start")
        self.see("detaching")
        self.c.cloud.release("deny")
        self.see(None)
        self.nothing_left()

    def test_t4_start_while_error(self):
        self.c.hypervisor.fail("mount", "no such export", -1)
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertEqual(("mount", "no such export"), fault_of(fault))
        self.c.hypervisor.fail("mount", "", 0)
        self.see("active")
        self.assertIsNone(self.c.mapping(self.server, self.share).fault)

    def test_t5_server_deleted(self):
        self.attached()
        response = self.c.ask("DELETE", f"/servers/{self.server}")
        self.assertEqual(204, response.status_code)
        self.see(None)
        self.assertIsNone(self.c.mapping(self.server, self.share))
        self.nothing_left()

    def test_t5_server_deleted_while_manila_is_down(self):
        self.attached()
        fault = self.c.cloud.fail("manila")
        self.c.ask("DELETE", f"/servers/{self.server}")
        cloud.wait_for(
            lambda: self.c.mapping(self.server, self.share).status == "error"
        )
        fault.clear()
        cloud.wait_for(lambda: self.c.mapping(self.server, self.share) is None)
        self.nothing_left()

    def test_nova_that_fails_is_no_deleted_server(self):
        self.attached()
        self.c.cloud.fail("nova")
        self.c.hypervisor.delete(self.server)
        before = len(self.c.cloud.requests("nova"))
        cloud.wait_for(lambda: len(self.c.cloud.requests("nova")) > before + 4)
        mapping = self.c.mapping(self.server, self.share)
        self.assertEqual("attached", mapping.wanted)
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))

    def test_who_is_no_administrator_takes_nothing_for_gone(self):
        """Of what is others' Nova and Manila tell a user that it isn't."""
        self.attached()
        self.c.stop_agent()
        self.c.cloud.assign("nova-shares", "service", "service")
        self.c.hypervisor.delete(self.server)
        self.c.start_agent()
        self.ask_for("nova", r"/servers\?")
        mapping = self.c.mapping(self.server, self.share)
        self.assertEqual("attached", mapping.wanted)
        self.detach()
        self.see("error")
        self.ask_for("manila", "/services")
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.c.cloud.assign("nova-shares", "service", "admin", "service")
        self.see(None)
        self.nothing_left()

    def ask_for(self, service, what):
        """Wait until the agent has asked some times."""
        asked = self.c.cloud.requests
        before = len(asked(service, what))
        cloud.wait_for(lambda: len(asked(service, what)) > before + 3)

    def test_a_guest_that_runs_keeps_its_shares(self):
        """Whatever Nova says: its database may be the backup of yesterday."""
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("active")
        gone = self.c.cloud.servers.pop(self.server)
        self.ask_for("nova", self.server)
        mapping = self.c.mapping(self.server, self.share)
        self.assertEqual("attached", mapping.wanted)
        self.c.cloud.servers[self.server] = gone
        self.see("active")
        self.c.act(self.server, "os-stop")
        self.see("inactive")

    def test_a_moved_server_has_a_fault(self):
        self.attached()
        self.c.hypervisor.delete(self.server)
        self.c.cloud.set_server(self.server, host="elsewhere")
        self.see("error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertEqual("server", fault.step)
        self.assertIn("elsewhere", fault.message)
        self.assertIsNone(fault.next_try)

    def test_t6_two_servers_one_rule(self):
        other = self.c.server()
        self.attached()
        self.c.attach(other, self.share)
        self.c.see(other, self.share, "inactive")
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.detach()
        self.see(None)
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.c.detach(other, self.share)
        self.c.see(other, self.share, None)
        self.nothing_left()

    def test_attach_while_the_last_rule_is_being_denied(self):
        other = self.c.server()
        self.attached()
        self.c.cloud.hold("deny")
        self.detach()
        cloud.wait_for(
            lambda: self.c.rules(self.share) != ACTIVE_RULE, "never denied"
        )
        self.assertEqual(201, self.c.attach(other, self.share))
        self.c.see(other, self.share, "attaching")
        self.c.cloud.release("deny")
        self.c.see(other, self.share, "inactive")
        self.see(None)
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))

    def test_a_rule_that_was_taken_away_is_made_anew(self):
        self.attached()
        [rule] = self.c.cloud.rules(self.share)
        self.c.cloud.deny(rule)
        cloud.wait_for(
            lambda: (
                rule not in self.c.cloud.rules(self.share)
                and self.c.rules(self.share) == ACTIVE_RULE
            ),
            "nobody minds",
        )
        self.see("inactive")


class SlowRuleTest(StoryTest):
    options = {"policy_timeout": 0.4}

    def test_t3_rule_never_becomes_active(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.see("error")
        fault = self.c.mapping(self.server, self.share).fault
        self.assertEqual("access", fault.step)
        self.assertIn("queued_to_apply", fault.message)
        cloud.wait_for(
            lambda: self.c.mapping(self.server, self.share).fault.attempts > 2,
            "not tried again",
        )
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_t3_and_then_it_does(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.see("error")
        self.c.cloud.release("allow")
        self.see("inactive")
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))

    def test_a_rule_in_error_is_made_anew(self):
        self.c.cloud.rule_error(self.share)
        self.attach()
        self.see("error")
        first = {rule.id for rule in self.c.cloud.rules(self.share)}
        self.c.cloud.rule_error(self.share, on=False)
        self.see("inactive")
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.assertNotEqual(
            first, {rule.id for rule in self.c.cloud.rules(self.share)}
        )


class DetachTest(StoryTest):
    def test_d4_while_attaching(self):
        self.c.cloud.hold("allow")
        self.attach()
        self.see("attaching")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_d5_again_while_detaching(self):
        self.attached()
        self.c.cloud.hold("deny")
        self.detach()
        self.see("detaching")
        self.detach()
        self.detach()
        self.c.cloud.release("deny")
        self.see(None)
        self.nothing_left()

    def test_d6_in_error(self):
        self.c.hypervisor.fail("mount", "no", -1)
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("error")
        self.c.act(self.server, "os-stop")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_d7_share_gone_from_manila(self):
        self.attached()
        self.c.cloud.remove_share(self.share)
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_d8_manila_down(self):
        self.attached()
        fault = self.c.cloud.fail("manila", refuse=True)
        self.detach()
        self.see("error")
        fault.clear()
        self.see(None)
        self.nothing_left()

    def test_d9_agent_down(self):
        self.attached()
        self.c.stop_agent()
        self.detach()
        self.see("detaching")
        self.c.start_agent()
        self.see(None)
        self.nothing_left()

    def test_a19_the_agent_has_stopped(self):
        self.c.stop_agent()
        # It has said so: nobody waits until it counts as down.
        status = self.c.attach(self.server, self.share, self.tag)
        self.assertEqual(409, status)
        self.c.start_agent()
        self.attached()

    def test_d9_never_undone_by_an_older_attach(self):
        self.c.kill_agent()
        self.attach()
        mapping = self.c.mapping(self.server, self.share)
        self.detach()
        self.c.start_agent()
        self.see(None)
        for _ in range(3):
            self.c.hint(mapping)
        self.c.idle()
        self.assertIsNone(self.c.mapping(self.server, self.share))
        self.nothing_left()

    def test_unplug_that_fails_keeps_the_mount_and_the_rule(self):
        self.attached()
        self.c.act(self.server, "os-start")
        self.see("active")
        self.c.hypervisor.fail("unplug", "the guest is busy", -1)
        self.c.cloud.set_server(self.server, vm_state="error")
        self.detach()
        self.see("error")
        self.assertEqual(1, len(self.c.hypervisor.mounts()))
        self.assertEqual(ACTIVE_RULE, self.c.rules(self.share))
        self.c.hypervisor.fail("unplug", "", 0)
        self.see(None)
        self.nothing_left()


#: Of a Manila that hangs: longer than what must not wait for it may take.
_PATIENCE = "[manila]\ntimeout = 20\n"


class HintTest(StoryTest):
    options = {"resync": 0, "options": _PATIENCE}

    def test_the_cast_arrives(self):
        self.c.idle()
        self.attached()
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_a_start_does_not_wait_for_the_keys_of_others(self):
        self.c.idle()
        self.attached()
        others = [self.c.server() for _ in range(12)]
        for other in others:
            share = self.c.share(proto="CEPHFS")
            self.assertEqual(201, self.c.attach(other, share))
            self.c.see(other, share, "inactive")
        self.c.cloud.fail("manila", hang=60)
        self.addCleanup(self.c.cloud.clear_faults)
        for other in others:
            self.c.act(other, "os-start")
        self.c.act(self.server, "os-start")
        self.c.see(self.server, self.share, "active", limit=10)


class EventTest(StoryTest):
    options = {"options": _PATIENCE}

    def test_a_start_does_not_wait_for_a_slow_manila(self):
        self.attached()
        self.c.cloud.forget_requests()
        self.c.cloud.fail("manila", hang=60)
        self.addCleanup(self.c.cloud.clear_faults)
        mapping = self.c.mapping(self.server, self.share)
        cloud.wait_for(
            lambda: self.c.cloud.requests(
                "manila", f"share-access-rules/{mapping.access_id}"
            ),
            "resync does not look at the rule",
        )
        for _ in range(10):
            other = self.c.store.insert(
                dataclasses.replace(
                    mapping,
                    uuid=str(uuid.uuid4()),
                    instance_uuid=self.c.server(),
                    share_id=self.c.share(),
                )
            )
            self.c.hint(other)
        self.c.act(self.server, "os-start")
        self.c.see(self.server, self.share, "active", limit=10)


def fault_of(fault):
    return (fault.step, fault.message)
