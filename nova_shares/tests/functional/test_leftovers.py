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

"""Mounts that belong to no mapping, when the agent starts."""

import dataclasses
import datetime
import re
import uuid

import testtools

from nova_shares.clients import lock_reason
from nova_shares.mapping import ShareMapping
from nova_shares.tests.functional import cloud
from nova_shares_devcloud import shares as devcloud_shares


class LeftoverTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.c = self.useFixture(cloud.Cloud())
        self.server = self.c.server()

    def leave(self, count):
        """Leave mounts behind that no row names."""
        self.c.aio.stop_agent()
        left = [
            ShareMapping(
                uuid=str(uuid.uuid4()),
                instance_uuid=self.server,
                project_id="p",
                host="aio",
                share_id="s",
                share_proto="NFS",
                export_location="192.0.2.10:/x",
                tag="left",
            )
            for _ in range(count)
        ]
        for mapping in left:
            self.c.hypervisor.act("mount", mapping)
        return left

    def mounted(self):
        return set(self.c.hypervisor.mounts())

    def resynced(self):
        """Start the agent, and let it look over all a few times."""
        runs = []
        self.c.aio.start_agent()
        look = self.c.aio.agent.resync.run

        def run(**how):
            look(**how)
            runs.append(how)

        self.c.aio.agent.resync.run = run
        cloud.wait_for(lambda: len(runs) > 1, "no resync")

    def test_they_are_undone_and_no_other(self):
        share = self.c.share()
        self.c.attach(self.server, share)
        self.c.see(self.server, share, "inactive")
        self.c.act(self.server, "os-start")
        self.c.see(self.server, share, "active")
        _left, named = self.leave(2)
        self.c.hypervisor.act("plug", named)
        self.resynced()
        wanted = self.c.mapping(self.server, share).uuid
        self.assertEqual({named.uuid, wanted}, self.mounted())

    def test_many_are_told_of_and_left_alone(self):
        left = self.leave(11)
        self.resynced()
        self.assertEqual({m.uuid for m in left}, self.mounted())


class StaleLocksTest(cloud.StoryTest):
    """Manila goes on with a request after its mapping is gone."""

    def setUp(self):
        super().setUp()
        self.server, self.share = self.c.server(), self.c.share()
        self.manila, keystone = self.c.cloud.manila, self.c.cloud.keystone
        self.caller = keystone.issue(
            keystone.users["nova-shares"], keystone.projects["service"]
        ).context()

    def gone(self):
        """Have an attach that Manila does not answer, and detach it."""
        self.c.cloud.fail("manila", "/action", hang=60)
        self.attach()
        self.see("error")
        m = self.c.mapping(self.server, self.share)
        self.c.cloud.clear_faults()
        self.detached()
        cloud.wait_for(lambda: not self.c.rules(self.share))
        self.assertEqual({}, self.c.cloud.locks)
        return lock_reason.write(m, self.c.store.database_id())

    def lock(self, rule_id, reason):
        """Lock a rule, and its share, as Manila does."""
        add = self.manila.add_lock
        for action in ("show", "delete"):
            made = add(self.caller, "access_rule", rule_id, action, reason)
        why = devcloud_shares.locked_by(made)
        add(self.caller, "share", self.share, "delete", why)

    def rule(self):
        """Make an access rule as ours are."""
        rule = devcloud_shares.AccessRule(
            id=str(uuid.uuid4()),
            share_id=self.share,
            access_type="ip",
            access_to="127.0.0.1",
            access_level="rw",
            metadata={"made_by": "nova_shares"},
        )
        self.manila.allow(rule)
        return rule.id

    def test_locks_of_a_rule_that_is_gone(self):
        reason = self.gone()
        self.lock(str(uuid.uuid4()), reason)
        cloud.wait_for(lambda: not self.c.cloud.locks)

    def test_a_share_lock_alone(self):
        self.gone()
        self.manila.add_lock(
            self.caller,
            "share",
            self.share,
            "delete",
            f"Locked by access lock: {uuid.uuid4()}",
        )
        cloud.wait_for(lambda: not self.c.cloud.locks)

    def test_a_share_lock_that_is_listed_without_its_own(self):
        """That was made a moment before, and is not among the new ones."""
        reason = self.gone()
        other = self.c.share()
        self.attached(share=other)
        locks = self.c.cloud.locks
        for lock in list(locks.values()):
            if lock.resource_type == "access_rule":
                long_ago = lock.created - datetime.timedelta(hours=2)
                locks[lock.id] = dataclasses.replace(lock, created=long_ago)
        kept = set(locks)
        self.lock(str(uuid.uuid4()), reason)
        cloud.wait_for(lambda: set(locks) == kept)

    def test_a_rule_that_is_made_late(self):
        reason = self.gone()
        self.lock(self.rule(), reason)
        cloud.wait_for(lambda: not self.c.rules(self.share))
        cloud.wait_for(lambda: not self.c.cloud.locks)

    def test_a_rule_that_a_guest_may_use_stays(self):
        """Its mapping is missing, but was not detached by this agent."""
        reason = self.gone()
        other = re.sub(
            "mapping [0-9a-f-]{36}", f"mapping {uuid.uuid4()}", reason
        )
        self.lock(self.rule(), other)
        self.lock(str(uuid.uuid4()), reason)
        cloud.wait_for(lambda: len(self.c.cloud.locks) == 3)
        self.assertEqual(1, len(self.c.rules(self.share)))

    def test_what_is_anothers_stays(self):
        reason = self.gone()
        other = self.c.share()
        self.attached(share=other)
        database = self.c.store.database_id()
        for another in (
            reason.replace(" on aio,", " on elsewhere,"),
            reason.replace(database, str(uuid.uuid4())),
            "maintenance",
        ):
            self.lock(str(uuid.uuid4()), another)
        kept = set(self.c.cloud.locks)
        # It looks, since another one is found.
        self.lock(str(uuid.uuid4()), reason)
        cloud.wait_for(lambda: set(self.c.cloud.locks) == kept)
