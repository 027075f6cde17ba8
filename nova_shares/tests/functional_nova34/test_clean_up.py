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

"""Nova's clean-up of access rules, beside ours."""

from nova_shares import mapping as m
from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova.nova import HOST
from nova_shares.tests.functional_nova.nova import wait_for
from nova_shares_devcloud import shares as devcloud_shares


class TestCleanUp(base.TestCase):
    def attached_both_ways(self, **fields):
        """Have a share in Nova's table and in ours; gives our mapping."""
        share = self.nova.share(**fields)
        theirs, ours = self.nova.server(), self.nova.server()
        self.nova.attach(theirs, share, url=self.nova.plain.url)
        self.nova.attach(ours, share)
        (mapping,) = self.nova.store.list_for_server(ours)
        return share, mapping

    def mapping(self, server):
        (mapping,) = self.nova.store.list_for_server(server)
        return mapping

    def detach_theirs(self, server, share):
        path = f"/servers/{server}/shares/{share}"
        response = self.ask("DELETE", path, url=self.nova.plain.url)
        self.assertEqual(200, response.status_code, response.text)

    def rules(self, share):
        return {rule.id for rule in self.nova.cloud.rules(share)}

    def stale(self, share, to):
        """Make a rule that Nova's clean-up takes for one of its own."""
        manila = self.nova.cloud.manila
        rule = devcloud_shares.AccessRule(
            id=f"stale-{to}",
            share_id=share,
            access_type="cephx",
            access_to=to,
            access_level="rw",
            metadata={},
        )
        manila.allow(rule)
        return rule.id

    def test_it_leaves_our_cephx_rules(self):
        share, mapping = self.attached_both_ways(proto="CEPHFS")
        stale = self.stale(share, f"nova-{HOST}-stale")
        wait_for(lambda: stale not in self.rules(share), limit=90)
        self.assertIn(mapping.access_id, self.rules(share))

    def test_an_nfs_rule_of_novas_is_left_to_nova(self):
        share = self.nova.share()
        theirs, ours = self.nova.server(), self.nova.server()
        self.nova.attach(theirs, share, url=self.nova.plain.url)
        rules = self.rules(share)
        body = {"share": {"share_id": share}}
        response = self.ask("POST", f"/servers/{ours}/shares", body)
        self.assertEqual(201, response.status_code, response.text)
        wait_for(lambda: self.mapping(ours).status == m.ERROR)
        self.assertIn("Nova", self.mapping(ours).fault.message)
        self.assertEqual(rules, self.rules(share))
        self.detach_theirs(theirs, share)
        wait_for(lambda: self.mapping(ours).status == m.INACTIVE, limit=90)
        self.assertEqual({self.mapping(ours).access_id}, self.rules(share))

    def test_an_nfs_rule_that_nova_revokes_is_made_again(self):
        share = self.nova.share()
        theirs, ours = self.nova.server(), self.nova.server()
        self.nova.attach(ours, share)
        self.nova.attach(theirs, share, url=self.nova.plain.url)
        before = self.rules(share)
        self.assertEqual({self.mapping(ours).access_id}, before)
        self.detach_theirs(theirs, share)
        wait_for(lambda: not before & self.rules(share))
        wait_for(
            lambda: (
                self.mapping(ours).status == m.INACTIVE
                and {self.mapping(ours).access_id} == self.rules(share)
            ),
            lambda: str(self.mapping(ours)),
        )
