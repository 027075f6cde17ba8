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

"""The main job for real: through the API and the agent, into the guest."""

import functools
import grp
import os
import subprocess

from nova_shares.tests import documents
from nova_shares.tests.functional.cloud import wait_for
from nova_shares.tests.functional_libvirt import lab
from nova_shares.tests.functional_libvirt import world


class MainJobTest(world.StoryTest):
    def test_a_guest_reads_what_the_share_holds_and_writes(self):
        self.attached()
        self.start()
        self.guest.says("ready")
        self.assertIn("GUEST read what the share holds", self.guest.console())
        self.assertEqual(
            "written by the guest\n", self.files.read("from-guest")
        )
        self.see("active")
        m = self.w.mapping(self.server, self.share)
        self.assertEqual([m.uuid], lab.mounts())
        (rule,) = self.w.cloud.rules()
        self.assertEqual(
            [(rule.access_to, self.files.path)],
            [s for s in self.w.ceph.sessions() if s[0].startswith("shares-")],
        )
        self.assertNotIn(rule.access_key, self.w.log())
        self.stop()
        self.see("inactive")
        self.assertEqual([], lab.mounts())
        self.detach()
        self.see(None)
        self.guest.tag = None
        self.start()
        code, _ = self.guest.run("mount -t virtiofs data /mnt")
        self.assertNotEqual(0, code)
        self.nothing_left()
        self.stop()

    def test_a_guest_mounts_as_documented(self):
        files = self.useFixture(lab.Share(self.w.ceph))
        share = self.w.new_share(files)
        self.attached(tag="verify")
        self.attached(share=share, tag="website")
        self.guest.tag = None
        self.start()
        self.see("active")
        self.see("active", share=share)
        self.guest.run("mkdir -p /mnt /srv/website")
        typed = [
            command
            for page in ("install/verify", "user/index")
            for prompt, command in documents.commands(page)
            if prompt == "#" and "mount" in command.split()[0]
        ]
        self.assertEqual(3, len(typed), typed)
        for command in typed:
            self.assertEqual((0, ""), self.guest.run(command))
        _, mounted = self.guest.run("grep virtiofs /proc/mounts")
        self.assertIn("website /srv/website", mounted)
        self.stop()

    def test_two_guests_on_one_share(self):
        other, guest = self.w.new_server(tag="data")
        for server in (self.server, other):
            self.attached(server)
            self.start(server)
        for server in (self.server, other):
            self.see("active", server)
        self.assertEqual(2, len(self.w.rules()))
        self.guest.run("echo from the first > /mnt/data/first; sync")
        self.assertEqual(
            (0, "from the first"), guest.run("cat /mnt/data/first")
        )
        # That one goes is nothing to the other.
        self.stop()
        self.detach()
        self.see(None)
        guest.run("echo still here > /mnt/data/second; sync")
        self.assertEqual("still here\n", self.files.read("second"))
        self.stop(other)
        self.detach(other)
        self.see(None, other)
        self.nothing_left()

    def test_two_shares_in_one_guest(self):
        files = self.useFixture(lab.Share(self.w.ceph))
        files.write("from-host", "another")
        share = self.w.new_share(files)
        self.attached()
        self.attached(share=share, tag="more")
        self.start()
        self.see("active")
        self.see("active", share=share)
        self.guest.mount("more")
        self.assertEqual(
            (0, "another"), self.guest.run("cat /mnt/more/from-host")
        )
        # The one is taken from the running guest, the other stays.
        self.in_error()
        self.detach(share=share)
        self.see(None, share=share)
        self.assertEqual(["data"], self.guest.tags())
        self.assertEqual(0, self.guest.run("ls /mnt/data/from-host")[0])
        self.w.cloud.set_server(self.server, vm_state="active")
        self.stop()
        self.detach()
        self.see(None)
        self.nothing_left()


class DetachTest(world.StoryTest):
    """Out of a running guest, as a server in error allows."""

    def running(self):
        self.attached()
        self.start()
        self.see("active")
        self.in_error()

    def test_files_are_open(self):
        self.running()
        self.guest.run("(sleep 1000 > /mnt/data/open &)")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_the_guest_boots(self):
        self.guest.tag = None
        self.guest.start = functools.partial(self.guest.start, paused=True)
        self.running()
        self.detach()
        # It boots from here on.
        self.guest.domain.resume()
        self.see(None, limit=60)
        self.nothing_left()

    def test_the_guest_is_paused(self):
        self.running()
        self.guest.says("ready")
        self.guest.domain.suspend()
        self.detach()
        wait_for(lambda: "asking the guest" in self.w.log(), self.w.log)
        self.see("detaching")
        m = self.w.mapping(self.server, self.share)
        self.assertEqual([m.uuid], lab.mounts())
        self.assertEqual(1, len(self.w.rules()))
        self.guest.domain.resume()
        self.see(None)
        self.nothing_left()


HOSTILE = (
    "127.0.0.1:16789:/x;touch /tmp/nova-shares-hostile",
    "127.0.0.1:16789:/x\ntouch /tmp/nova-shares-hostile",
    "127.0.0.1:16789:/x,exec,suid",
    "127.0.0.1:16789:/x/../..",
    "-o exec:/x",
    "$(touch /tmp/nova-shares-hostile):/x",
)


class HostTest(world.StoryTest):
    def test_hostile_export_locations_mount_nothing_and_run_nothing(self):
        shares = []
        for number, path in enumerate(HOSTILE):
            share = self.w.share(proto="CEPHFS", paths=[path])
            self.assertEqual(409, self.w.attach(self.server, share))
            # One that has got into the database all the same.
            share = self.w.share(proto="CEPHFS", paths=["127.0.0.1:1:/x"])
            self.w.ceph_of[share] = "/"
            self.attached(share=share, tag=f"hostile{number}")
            self.w.store.relocate(self.w.mapping(self.server, share), path)
            shares.append(share)
        self.start()
        for share in shares:
            self.see("error", share=share)
            fault = self.w.mapping(self.server, share).fault
            self.assertEqual("mount", fault.step)
            self.assertIn("export location", fault.message)
        self.stop()
        for share in shares:
            self.see("inactive", share=share)
            self.detach(share=share)
            self.see(None, share=share)
        done = subprocess.run(["ls", "/tmp/nova-shares-hostile"], stderr=-3)
        self.assertNotEqual(0, done.returncode)
        self.nothing_left()

    def test_an_agent_with_mounts_of_its_own_plugs_nothing(self):
        self.w.stop_agent()
        self.w.start_agent("unshare", "-m", "--propagation", "private")
        self.attached()
        self.guest.tag = None
        self.start()
        self.see("error")
        self.assertEqual("plug", self.fault().step)
        self.assertIn("libvirt does not see", self.fault().message)
        self.assertIsNone(self.fault().next_try)
        self.assertEqual([], self.guest.tags())
        self.stop()
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_an_agent_that_is_not_root(self):
        """As it is deployed: it mounts by sudo, and sees little of others."""
        self.w.stop_agent()
        lab.remove_base()
        command = self.w.helper.command
        self.w.allow_sudo("nobody", command)
        with open(self.w.config_file, "a") as f:
            f.write(f"[hypervisor]\nmount_helper = sudo -n {command}\n")
        subprocess.run(["chmod", "-R", "a+rwX", self.w.aio.directory])
        self.w.start_agent(
            *("setpriv", "--reuid", "nobody", "--regid", "libvirt"),
            # The interpreter may be in a place of root's own.
            *("--clear-groups", "--inh-caps", "+dac_read_search"),
            *("--ambient-caps", "+dac_read_search"),
        )
        self.attached()
        self.start()
        self.guest.says("ready")
        self.assertIn("GUEST read what the share holds", self.guest.console())
        self.see("active")
        base = os.stat(lab.BASE)
        self.assertEqual(
            (0o40750, 0, grp.getgrnam("libvirt").gr_gid),
            (base.st_mode, base.st_uid, base.st_gid),
        )
        with open(f"/proc/{self.w.agent.pid}/status") as f:
            self.assertIn("Uid:\t65534\t65534\t65534\t65534", f.read())
        self.stop()
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_no_shared_memory_is_not_tried_again(self):
        server, guest = self.w.new_server(memory="")
        self.attached(server)
        self.start(server)
        self.see("error", server)
        fault = self.w.mapping(server, self.share).fault
        self.assertIn("file_backed_memory", fault.message)
        self.not_tried_again(fault)
        self.assertEqual([], guest.tags())
        self.stop(server)
        self.see("inactive", server)
        self.detach(server)
        self.see(None, server)
        self.nothing_left()

    def test_libvirt_keeps_what_virtiofs_can_not_do_off(self):
        """A managed save, and a migration, that somebody starts past us."""
        self.attached()
        self.start()
        self.see("active")
        self.guest.says("ready")
        for move in (
            lambda: self.guest.domain.managedSave(0),
            lambda: self.guest.domain.migrate3(
                self.guest.conn, {}, lab.libvirt.VIR_MIGRATE_LIVE
            ),
        ):
            error = self.assertRaises(lab.libvirt.libvirtError, move)
            self.assertRegex(str(error), "virtiofs|vhost-user-fs")
        self.see("active")
        self.assertEqual(0, self.guest.run("ls /mnt/data/from-host")[0])
        self.stop()
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def test_left_over_mounts_are_undone_at_start(self):
        self.attached()
        self.start()
        self.see("active")
        named = self.w.mapping(self.server, self.share)
        self.w.stop_agent()
        # One of no row, and one of no row that a guest names.
        left = lab.make_mapping(self.guest, self.files)
        identity = lab.make_identity(self.w.ceph, self.files, left)
        self.addCleanup(self.w.ceph.deny, identity.name)
        self.w.driver().mount(left, identity)
        self.assertEqual(sorted([named.uuid, left.uuid]), lab.mounts())
        access_id = named.access_id
        self.w.forget(named)
        self.w.start_agent()
        wait_for(lambda: lab.mounts() == [named.uuid], self.w.log, 30)
        self.assertEqual(["data"], self.guest.tags())
        self.guest.says("ready")
        self.assertEqual(0, self.guest.run("ls /mnt/data/from-host")[0])
        self.w.cloud.manila._remove_rule(
            self.w.cloud.manila.find_rule(access_id)
        )
