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

"""A guest's shell, as far as share attachment tests use it.

A guest of the fake hypervisor runs no code. Commands run on this machine, in
a directory that stands for the guest's /mnt: that of the share if a
virtio-fs device of it is mounted there, and the guest's own otherwise.
"""

import hashlib
import os
import re
import shlex
import subprocess

from tempest.lib import exceptions

from nova_shares.virt import fake

_MNT = re.compile(r"(?<![\w./])/mnt(?=[/\s\"']|$)")
_FUNCTIONS = 'sudo() { "$@"; }; sync() { :; }; set -e -o pipefail; '


class Guest:
    """A guest, with what tempest calls on an SSH client.

    :param host: returns the host that the server is on
    :param directory: for the files of guests and shares
    """

    #: What is mounted at /mnt, by server: (tag, mapping, which boot it was).
    _mounted: dict = {}  # noqa: RUF012

    def __init__(self, server, host, directory):
        self._server = server
        self._host = host
        self._directory = directory

    def exec_command(self, command, encoding="utf-8"):
        """Run a command.

        :raises SSHExecCommandFailed: it fails
        :raises SSHTimeout: the guest does not run
        """
        hypervisor = self._hypervisor()
        if not hypervisor.domains().get(self._server):
            raise exceptions.SSHTimeout(
                host=self._server, username="guest", password=None
            )
        words = shlex.split(command)
        if words[:4] == ["sudo", "mount", "-t", "virtiofs"]:
            tag, where = words[4:]
            self._check(where == "/mnt", command, "mounts at /mnt alone")
            self._mount(hypervisor, command, tag)
            return ""
        if words[:2] == ["sudo", "umount"]:
            mounted = self._mounted.pop(self._server, None)
            self._check(mounted, command, "not mounted")
            return ""
        return self._run(command, self._root(hypervisor, command))

    def _hypervisor(self):
        pattern = os.environ["NOVA_SHARES_HYPERVISOR"]
        host = self._host() if "{host}" in pattern else ""
        return fake.connect(pattern.replace("{host}", host))

    def _boot(self, hypervisor):
        """Tell which boot of the guest this is."""
        _, events = hypervisor.events(0, 0)
        return events.count(self._server)

    def _mount(self, hypervisor, command, tag):
        mapping = hypervisor.devices(self._server).get(tag)
        self._check(mapping, command, f"no virtio-fs device with tag {tag}")
        boot = self._boot(hypervisor)
        self._mounted[self._server] = (tag, mapping, boot)
        self._root(hypervisor, command)

    def _root(self, hypervisor, command):
        """Return what is at /mnt now; what a reboot unmounts is not."""
        tag, mapping, boot = self._mounted.get(self._server, ("", "", None))
        if boot != self._boot(hypervisor):
            self._mounted.pop(self._server, None)
            return self._make("guests", self._server)
        device = hypervisor.devices(self._server).get(tag)
        location = hypervisor.mounts().get(mapping)
        there = device == mapping and location
        self._check(there, command, "the device or its mount is gone")
        name = hashlib.sha256(location.encode()).hexdigest()
        return self._make("exports", name)

    def _make(self, *names):
        path = self._directory.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def _run(self, command, root):
        ran = subprocess.run(
            ["bash", "-c", _FUNCTIONS + _MNT.sub(root, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self._check(ran.returncode == 0, command, ran.stderr)
        return ran.stdout

    @staticmethod
    def _check(holds, command, message):
        if not holds:
            raise exceptions.SSHExecCommandFailed(
                command=command, exit_status=1, stderr=message, stdout=""
            )
