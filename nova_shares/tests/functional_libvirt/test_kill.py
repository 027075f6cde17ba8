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

"""Whatever of it is killed, and whenever, it gets where it should be."""

import contextlib
import os
import signal
import subprocess
import threading
import time

from nova_shares.tests.functional.cloud import wait_for
from nova_shares.tests.functional_libvirt import lab
from nova_shares.tests.functional_libvirt import world


class KillAgentTest(world.StoryTest):
    """The agent is killed between any two steps, and started again.

    The guest runs all the time: devcloud is told what state to show.
    """

    def setUp(self):
        super().setUp()
        self.guest.tag = None
        self.start()
        self.w.cloud.on_request("manila", self._request)
        self.killed = threading.Event()
        self.deadly = None

    def _request(self, phase, request):
        if self.deadly and self.deadly == (
            phase,
            next((w for w in ("allow", "deny") if w in request.body), None),
        ):
            self.deadly = None
            self._kill()

    def _kill(self):
        os.kill(self.w.agent.pid, signal.SIGKILL)
        self.killed.set()

    def _arm(self, step):
        """Have the agent killed at a step."""
        self.killed.clear()
        kind, phase, what = step
        if kind == "manila":
            self.deadly = (phase, what)
        elif kind == "helper":
            # Before: neither does anything. After: the one has done it.
            command = f"kill -9 {self.w.agent.pid}"
            if phase == "before":
                command += " $PPID"
            self.w.helper.at(phase, what, command)
        else:
            threading.Thread(target=self._watch, args=(what,)).start()

    def _watch(self, tags):
        while self.guest.tags() != tags:
            time.sleep(0.002)
        self._kill()

    def _again(self):
        """Wait until the agent has been killed, and start another."""
        self.assertEqual(-signal.SIGKILL, self.w.agent.wait(30))
        self.w.start_agent()

    def test_attaching(self):
        for step in (
            ("manila", "before", "allow"),
            ("manila", "after", "allow"),
            ("helper", "before", "mount"),
            ("helper", "after", "mount"),
            ("guest", "after", ["data"]),
        ):
            with self.subTest_(step):
                self._arm(step)
                self._attach_running()
                self._again()
                self.see("active")
                m = self.w.mapping(self.server, self.share)
                self.assertEqual([m.uuid], lab.mounts())
                self.assertEqual(["data"], self.guest.tags())
                self.assertEqual(1, len(self.w.rules()))
                self._detach_running()
                self.see(None)
                self.nothing_left()

    def test_detaching(self):
        for step in (
            ("guest", "after", []),
            ("helper", "before", "unmount"),
            ("helper", "after", "unmount"),
            ("manila", "before", "deny"),
            ("manila", "after", "deny"),
        ):
            with self.subTest_(step):
                self._attach_running()
                self.see("active")
                # The driver of a guest that still boots lets go of nothing.
                self.guest.says("ready")
                self._arm(step)
                self._detach_running()
                self._again()
                self.see(None, limit=60)
                self.nothing_left()

    def subTest_(self, step):
        """Say in a failure at which step the agent was killed."""
        return _At(step)

    def _attach_running(self):
        self.w.cloud.set_server(self.server, vm_state="stopped")
        self.assertEqual(201, self.w.attach(self.server, self.share, "data"))

    def _detach_running(self):
        self.w.cloud.set_server(self.server, vm_state="stopped")
        self.detach()


class _At:
    def __init__(self, step):
        self._step = step

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            raise AssertionError(f"killed at {self._step}: {error}") from error


class KillOthersTest(world.StoryTest):
    def running(self):
        self.attached()
        self.start()
        self.see("active")
        self.guest.says("ready")

    def over(self):
        self.stop()
        self.see("inactive")
        self.detach()
        self.see(None)
        self.nothing_left()

    def kill_virtiofsd(self):
        """Kill it under the guest, which waits for an answer."""
        self.signal_virtiofsd(signal.SIGSTOP)
        self.guest.run("(ls /mnt/data >/dev/null 2>&1 &); sleep 1")
        self.signal_virtiofsd(signal.SIGKILL)

    def signal_virtiofsd(self, number):
        for process in lab.running("virtiofsd"):
            # They are two, and the one ends with the other.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def test_virtiofsd_under_a_guest_that_uses_it(self):
        self.running()
        self.guest.run("(cat /mnt/data/from-host >/dev/null)")
        self.kill_virtiofsd()
        self.see("error")
        fault = self.fault()
        self.assertIn("virtiofsd", fault.message)
        # It is asked to give the device back, and nothing is unmounted.
        m = self.w.mapping(self.server, self.share)
        self.assertEqual([m.uuid], lab.mounts())
        # It heals when the guest is reset.
        self.guest.domain.reset()
        self.see("active", limit=90)
        self.assertEqual(["data"], self.guest.tags())
        self.assertEqual(2, len(lab.running("virtiofsd")))
        self.over()

    def test_virtiofsd_and_the_guest_stops(self):
        self.running()
        self.kill_virtiofsd()
        self.see("error")
        self.over()

    def test_the_client_of_the_source(self):
        self.running()
        (client,) = lab.running("ceph-fuse")
        os.kill(client.pid, signal.SIGKILL)
        self.replaced(client)

    def test_the_client_is_evicted(self):
        """As Manila does it when it denies an access rule."""
        self.running()
        (client,) = lab.running("ceph-fuse")
        self.w.ceph.evict()
        self.replaced(client)

    def replaced(self, client):
        """Another client takes over, and the guest can use the share."""
        wait_for(
            lambda: (
                [p.pid for p in lab.running("ceph-fuse")]
                not in ([], [client.pid])
            ),
            self.w.log,
            30,
        )
        self.see("active")
        self.guest.run("umount -l /mnt/data")
        self.guest.mount("data")
        self.assertEqual(
            (0, "what the share holds"),
            self.guest.run("cat /mnt/data/from-host"),
        )
        self.over()

    def test_libvirtd(self):
        self.attached()
        self.kill_libvirtd()
        self.see("inactive")
        self.start_libvirtd()
        self.start()
        self.see("active")
        self.guest.says("ready")
        # And with a running guest, which outlives it.
        before = self.w.log().count("Connected to libvirt")
        self.kill_libvirtd()
        self.start_libvirtd()
        wait_for(
            lambda: self.w.log().count("Connected to libvirt") > before,
            "the agent does not come back to it",
            30,
        )
        self.see("active")
        self.assertEqual(0, self.guest.run("ls /mnt/data/from-host")[0])
        self.over()

    # The mount is that quick that the guest still starts when it is done:
    # hence the sleep.

    def test_libvirtd_between_mount_and_plug(self):
        server, _ = self.w.new_server(numa=True)
        self.killed_before_plug(server)
        self.see("active", server)
        self.stop(server)
        self.see("inactive", server)
        self.detach(server)
        self.see(None, server)
        self.nothing_left()

    def test_libvirtd_forgets_that_memory_is_shared(self):
        """libvirt 9.0 does, of guests without NUMA cells."""
        self.killed_before_plug(self.server)
        # That libvirt can't be reached may be a fault before.
        wait_for(
            lambda: "start the server" in getattr(self.fault(), "message", ""),
            self.w.log,
        )
        self.see("error")
        self.not_tried_again(self.fault())
        self.stop()
        self.see("inactive")
        self.start()
        self.see("active")
        self.over()

    def killed_before_plug(self, server):
        self.attached(server)
        self.addCleanup(self.start_libvirtd)
        self.w.helper.at(
            "after", "mount", "sleep 2; kill -9 $(cat /run/libvirtd.pid)"
        )
        self.start(server)
        wait_for(
            lambda: self.w.helper.has_run("after", "mount"), self.w.log, 20
        )
        self.libvirtd_is_gone()
        self.start_libvirtd()

    def test_the_guest_between_mount_and_plug(self):
        self.attached()
        self.w.helper.at(
            "after", "mount", f"sleep 2; virsh destroy {self.server}"
        )
        self.start()
        wait_for(
            lambda: self.w.helper.has_run("after", "mount"), self.w.log, 20
        )
        wait_for(lambda: lab.mounts() == [], self.w.log, 20)
        self.see("inactive")
        self.over()

    def kill_libvirtd(self):
        with open("/run/libvirtd.pid") as f:
            os.kill(int(f.read()), signal.SIGKILL)
        self.addCleanup(self.start_libvirtd)
        # A process that is being killed is still seen for a moment.
        self.libvirtd_is_gone()

    def libvirtd_is_gone(self):
        wait_for(lambda: not lab.libvirtd_runs(), "it was not killed", 20)

    def start_libvirtd(self):
        if not lab.libvirtd_runs():
            subprocess.run(["libvirtd", "-d"], check=True, timeout=30)
        for guest in self.w.guests.values():
            guest.reconnect()
