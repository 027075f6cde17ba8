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

"""That a guest's shell tells nothing but what the hypervisor has."""

import os
import pathlib
import tempfile
import unittest
import uuid

import guest
from tempest.lib import exceptions

from nova_shares import mapping
from nova_shares.virt import fake

MOUNT = "sudo mount -t virtiofs data /mnt"
WRITE = 'echo "some text" | sudo tee /mnt/file && sudo sync'


class GuestTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        socket = str(self.directory / "host1")
        self.hypervisor = fake.Hypervisor()
        self.addCleanup(fake.serve(self.hypervisor, socket))
        os.environ["NOVA_SHARES_HYPERVISOR"] = f"{self.directory}/{{host}}"
        self.share = f"192.0.2.1:/{uuid.uuid4()}"

    def guest(self):
        """Start a guest with a device; returns its shell and the device."""
        server = str(uuid.uuid4())
        device = mapping.ShareMapping(
            uuid=str(uuid.uuid4()),
            instance_uuid=server,
            project_id="project",
            host="host1",
            share_id="share",
            share_proto="NFS",
            export_location=self.share,
            tag="data",
        )
        self.hypervisor.define(server)
        self.boot(device)
        return guest.Guest(server, lambda: "host1", self.directory), device

    def boot(self, device):
        self.hypervisor.start(device.instance_uuid)
        self.hypervisor.act("mount", device)
        self.hypervisor.act("plug", device)

    def fails(self, shell, command):
        with self.assertRaises(exceptions.SSHExecCommandFailed):
            shell.exec_command(command)

    def test_two_guests_with_one_share(self):
        first, second = self.guest()[0], self.guest()[0]
        first.exec_command(MOUNT)
        self.assertEqual("some text\n", first.exec_command(WRITE))
        self.fails(second, "sudo cat /mnt/file")
        second.exec_command(MOUNT)
        self.assertEqual(
            "some text\n", second.exec_command("sudo cat /mnt/file")
        )
        second.exec_command("sudo rm -f /mnt/file")
        self.fails(first, "sudo cat /mnt/file")

    def test_another_share(self):
        first, _ = self.guest()
        first.exec_command(MOUNT)
        first.exec_command(WRITE)
        self.share = "192.0.2.1:/another"
        second, _ = self.guest()
        second.exec_command(MOUNT)
        self.fails(second, "sudo cat /mnt/file")

    def test_unmounted(self):
        shell, _ = self.guest()
        shell.exec_command(MOUNT)
        shell.exec_command(WRITE)
        shell.exec_command("sudo umount /mnt")
        self.fails(shell, "sudo cat /mnt/file")
        self.fails(shell, "sudo umount /mnt")

    def test_no_device(self):
        shell, device = self.guest()
        self.fails(shell, MOUNT.replace("data", "other"))
        shell.exec_command(MOUNT)
        self.hypervisor.act("unplug", device)
        for command in (WRITE, "sudo cat /mnt/file"):
            self.fails(shell, command)
        self.fails(shell, MOUNT)

    def test_the_host_has_lost_the_mount(self):
        shell, _ = self.guest()
        shell.exec_command(MOUNT)
        self.hypervisor.lose_mounts()
        self.fails(shell, WRITE)

    def test_reboot(self):
        shell, device = self.guest()
        shell.exec_command(MOUNT)
        shell.exec_command(WRITE)
        self.boot(device)
        self.fails(shell, "sudo cat /mnt/file")
        shell.exec_command(MOUNT)
        shell.exec_command("sudo cat /mnt/file")

    def test_it_does_not_run(self):
        shell, device = self.guest()
        self.hypervisor.stop(device.instance_uuid)
        with self.assertRaises(exceptions.SSHTimeout):
            shell.exec_command("true")
