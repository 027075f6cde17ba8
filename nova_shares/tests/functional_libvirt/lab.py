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

"""Real guests, real mounts, a real CephFS.

``tools/libvirt-services.sh up DIR`` makes them; NOVA_SHARES_LIBVIRT_LAB says
where DIR is. Without them the tests fail: they are no use skipped.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import uuid

import fasteners
import fixtures
import libvirt

from nova_shares import conf as nova_shares_conf
from nova_shares import mapping
from nova_shares.mounts import process_table
from nova_shares.tests.functional.cloud import wait_for
from nova_shares.virt import driver as virt_driver

LAB = os.environ.get("NOVA_SHARES_LIBVIRT_LAB", "/var/tmp/nova-shares-lab")
#: Root's alone up to the top, as the helper wants it.
BASE = "/run/nova-shares-test-mounts"
MEMFD = (
    "<memoryBacking><source type='memfd'/><access mode='shared'/>"
    "</memoryBacking>"
)
MONITOR = "127.0.0.1:16789"

_DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>{size}</memory><vcpu>1</vcpu>{memory}
<os><type arch='x86_64' machine='q35'>hvm</type>
<kernel>{lab}/guest/vmlinux</kernel><initrd>{lab}/guest/{initrd}</initrd>
<cmdline>console=ttyS0 quiet nokaslr mitigations=off {words}</cmdline></os>
<features><acpi/></features>{numa}
<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<controller type='pci' model='pcie-root'/>{ports}{devices}
<controller type='usb' model='none'/><memballoon model='none'/>
<serial type='file'><source path='{console}.log'/><target port='0'/></serial>
<serial type='unix'><source mode='bind' path='{console}.sock'/>
<target port='1'/></serial></devices></domain>"""
_NUMA = (
    "<cpu><numa><cell id='0' cpus='0' memory='256' unit='MiB' "
    "memAccess='shared'/></numa></cpu>"
)
_PORT = "<controller type='pci' model='pcie-root-port'/>"


class Guest(fixtures.Fixture):
    """A guest, as Nova makes one: defined anew at each start.

    :param tag: what it mounts at boot
    :param ports: how many PCI ports are free for shares
    :param numa: give it a NUMA cell, as Nova does for huge pages
    """

    _size = 256
    _initrd = "initrd.img"
    _devices = ""

    def __init__(
        self, tag=None, ports=4, memory=MEMFD, numa=False, server=None
    ):
        super().__init__()
        self.uuid = server or str(uuid.uuid4())
        self.tag = tag
        self._ports = ports
        self._memory = memory
        self._numa = _NUMA if numa else ""
        self._shell = None
        self._commands = 0

    def _setUp(self):
        self.conn = libvirt.open("qemu:///system")
        directory = self.useFixture(fixtures.TempDir()).path
        self._console = os.path.join(directory, "console")
        self.addCleanup(self.remove)
        self.define()

    def reconnect(self):
        """Find it again at a libvirtd that has been restarted."""
        self.conn = libvirt.open("qemu:///system")
        self.domain = self.conn.lookupByUUIDString(self.uuid)

    def define(self):
        words = f"share.tag={self.tag}" if self.tag else ""
        self.domain = self.conn.defineXML(
            _DOMAIN.format(
                name=f"test-{self.uuid[:8]}",
                uuid=self.uuid,
                size=self._size,
                memory=self._memory,
                initrd=self._initrd,
                devices=self._devices,
                lab=LAB,
                words=words,
                ports=_PORT * self._ports,
                numa=self._numa,
                console=self._console,
            )
        )

    def start(self, paused=False):
        """Start it; returns when libvirt does, long before it has booted."""
        for end in ("log", "sock"):
            if os.path.exists(f"{self._console}.{end}"):
                os.unlink(f"{self._console}.{end}")
        self.define()
        self.domain.createWithFlags(
            libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
        )

    def stop(self):
        if self._shell is not None:
            self._shell.close()
            self._shell = None
        if self.domain.isActive():
            self.domain.destroy()

    def remove(self):
        if not self.conn.isAlive():
            self.reconnect()
        self.stop()
        self.domain.undefine()

    def console(self):
        with open(f"{self._console}.log", errors="replace") as f:
            return f.read()

    def says(self, text, limit=60):
        """Wait until it has said something on its console."""
        wait_for(
            lambda: f"GUEST {text}" in self.console(),
            lambda: f"no {text!r} in {self.console()[-1500:]}",
            limit,
        )

    def run(self, command, limit=30):
        """Run a command in it; returns the exit code and the output."""
        if self._shell is None:
            self.says("ready")
            self._shell = socket.socket(socket.AF_UNIX)
            self._shell.connect(f"{self._console}.sock")
        self._commands += 1
        mark = f"END{self._commands}="
        # So that what the line echoes of the command is no mark.
        self._shell.sendall(f'{command}; echo "{mark[:-1]}""=$?"\n'.encode())
        said, until = "", time.monotonic() + limit
        while True:
            match = re.search(rf"{mark}(\d+)\n", said)
            if match:
                return int(match.group(1)), said[: match.start()].strip()
            left = max(0, until - time.monotonic())
            if not select.select([self._shell], [], [], left)[0]:
                raise AssertionError(f"{command!r} hangs: {said!r}")
            received = self._shell.recv(65536).decode(errors="replace")
            said += received.replace("\r", "")

    def mount(self, tag):
        """Mount a tag in it, as soon as it sees it."""
        code, said = self.run(
            f"mkdir -p /mnt/{tag}; n=0; until mount -t virtiofs {tag} "
            f"/mnt/{tag}; do n=$((n+1)); [ $n -lt 40 ] || break; sleep 0.1; "
            f"done; grep -q ' /mnt/{tag} virtiofs' /proc/mounts"
        )
        assert code == 0, said

    def tags(self):
        """List the tags of its live devices."""
        if not self.domain.isActive():
            return []
        return re.findall(
            r"<filesystem.*?<target dir='(.*?)'", self.domain.XMLDesc(), re.S
        )


class Machine(Guest):
    """A guest that has this machine's root directory, and NFS.

    It writes to its own memory. Its programs, and this checkout, are those
    of this machine.
    """

    _size = 1024
    _initrd = "machine.img"
    _devices = (
        "<filesystem type='mount' accessmode='passthrough'>"
        "<driver type='virtiofs'/><binary>"
        "<cache mode='always'/><sandbox mode='chroot'/></binary>"
        "<source dir='/'/><target dir='root'/></filesystem>"
    )


class Ceph:
    """The lab's CephFS, as its administrator and Manila see it."""

    def __init__(self):
        self._admin = os.path.join(LAB, "ceph")

    def command(self, *words):
        """Run a command of the administrator's."""
        done = subprocess.run(
            [
                "ceph",
                *("-c", f"{self._admin}/ceph.conf"),
                *("-k", f"{self._admin}/keyring"),
                *words,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def allow(self, name, path):
        """Let an identity in to a path; returns its key."""
        self.command("fs", "authorize", "cephfs", f"client.{name}", path, "rw")
        return self.command("auth", "get-key", f"client.{name}").strip()

    def deny(self, name):
        """Take an identity away, and what it has mounted."""
        self.command("auth", "rm", f"client.{name}")

    def evict(self):
        """Cut off who has mounted something as an identity of ours."""
        for one in json.loads(self.command("tell", "mds.a", "session", "ls")):
            if _identity(one).startswith("shares-"):
                victim = f"id={one['id']}"
                self.command("tell", "mds.a", "client", "evict", victim)

    def sessions(self):
        """List who has mounted what: pairs of identity and path."""
        told = json.loads(self.command("tell", "mds.a", "session", "ls"))
        return sorted(
            (one["entity"]["name"]["type"] and _identity(one), _root(one))
            for one in told
            if _root(one) != "?"
        )


def _identity(session):
    return session["client_metadata"].get("entity_id", "?")


def _root(session):
    return session["client_metadata"].get("root", "?")


class Share(fixtures.Fixture):
    """A share of the lab's CephFS, open to its user on this host."""

    def __init__(self, ceph, name=None):
        super().__init__()
        self._ceph = ceph
        self.path = f"/volumes/{name or uuid.uuid4()}"
        self.export_location = f"{MONITOR}:{self.path}"

    def _setUp(self):
        top = self.useFixture(Administrator(self._ceph)).path
        self._files = f"{top}{self.path}"
        os.makedirs(self._files)
        self.write("from-host", "what the share holds")

    def write(self, name, text):
        with open(f"{self._files}/{name}", "w") as f:
            f.write(text)

    def read(self, name):
        with open(f"{self._files}/{name}") as f:
            return f.read()

    def names(self):
        return os.listdir(self._files)


class Administrator(fixtures.Fixture):
    """All of CephFS mounted, to see what guests do with their part."""

    def __init__(self, ceph):
        super().__init__()
        self._ceph = ceph

    def _setUp(self):
        self.path = self.useFixture(fixtures.TempDir()).path
        subprocess.run(
            [
                "ceph-fuse",
                *("--conf", f"{LAB}/ceph/ceph.conf"),
                *("-k", f"{LAB}/ceph/keyring", "--id", "admin", self.path),
            ],
            check=True,
            capture_output=True,
            timeout=30,
        )
        self.addCleanup(
            subprocess.run, ["umount", self.path], check=True, timeout=30
        )


_HELPER = """import os
import subprocess
import sys
from nova_shares.mounts import helper

def maybe(phase):
    path = "{directory}/" + phase + "-" + sys.argv[1]
    try:
        command = open(path).read()
        os.unlink(path)
    except FileNotFoundError:
        return
    subprocess.run(command, shell=True, check=True, stdout=sys.stderr)

maybe("before")
code = helper.main(config_path="{config}")
maybe("after")
sys.exit(code)
"""


class Helper(fixtures.Fixture):
    """The mount helper with a configuration for the tests.

    The real one reads one file and no other; this runs its code with
    another, as root. It does what the test wants to happen just before or
    just after the effect of a verb, see :meth:`at`.
    """

    def __init__(self, client="fuse", timeout=10, extra=""):
        super().__init__()
        self._text = (
            f"[mounts]\nbase = {BASE}\ntimeout = {timeout}\n"
            f"[cephfs]\nclient = {client}\n{extra}"
        )

    def _setUp(self):
        # Two runs of these tests would kill each other's libvirtd.
        lock = fasteners.InterProcessLock("/run/nova-shares-lab.lock")
        assert lock.acquire(timeout=900), "another run holds the lab"
        self.addCleanup(lock.release)
        directory = self.useFixture(fixtures.TempDir()).path
        self.config = os.path.join(directory, "mount-helper.conf")
        with open(self.config, "w") as f:
            f.write(self._text)
        program = os.path.join(directory, "helper.py")
        with open(program, "w") as f:
            f.write(_HELPER.format(directory=directory, config=self.config))
        self._directory = directory
        self.command = f"{sys.executable} {program}"
        self.options = (
            "[hypervisor]\n"
            f"mount_helper = {self.command}\n"
            f"mount_helper_config = {self.config}\n"
            "file_backed_memory = yes\n"
        )
        # So that what a failed test leaves does not fail the next.
        self.addCleanup(self._clean)

    def _clean(self):
        for name in points():
            subprocess.run(
                [*self.command.split(), "unmount"],
                input=json.dumps({"mapping": name}).encode(),
                check=True,
                timeout=60,
                stdout=subprocess.DEVNULL,
            )

    def at(self, phase, verb, command):
        """Have a shell command run once, ``before`` or ``after`` a verb."""
        with open(f"{self._directory}/{phase}-{verb}", "w") as f:
            f.write(command)

    def has_run(self, phase, verb):
        """Tell whether the command of :meth:`at` has run."""
        return not os.path.exists(f"{self._directory}/{phase}-{verb}")

    def conf(self):
        """Make a configuration of the agent that uses it."""
        path = self.config + ".agent"
        with open(path, "w") as f:
            f.write("[compute]\nvirt_driver = libvirt\n" + self.options)
        return nova_shares_conf.load(files=[path])


def make_mapping(guest, share, tag="data", **fields):
    """Make a mapping of a CephFS share."""
    return mapping.ShareMapping(
        **{
            "uuid": str(uuid.uuid4()),
            "instance_uuid": guest.uuid,
            "project_id": "p",
            "host": "h",
            "share_id": str(uuid.uuid4()),
            "share_proto": "CEPHFS",
            "export_location": share.export_location,
            "tag": tag,
            **fields,
        }
    )


def make_identity(ceph, share, m):
    """Let a mapping's identity in, as Manila does."""
    name = f"nova-shares-test-{m.uuid}"
    return virt_driver.CephxIdentity(name, ceph.allow(name, share.path))


def mounts():
    """List the mounts of mappings, by mapping."""
    found = [m.target for m in process_table.mounts() if m.target != BASE]
    return sorted(
        target[len(BASE) + 1 :] for target in found if target.startswith(BASE)
    )


def running(program, path=BASE):
    """List the processes of a program that name a path below one."""
    return [
        process
        for process in process_table.processes()
        if process.name == program and path in " ".join(process.argv)
    ]


def libvirtd_runs():
    """Tell whether the lab's libvirtd runs; there may be others."""
    try:
        with open("/run/libvirtd.pid") as f:
            pid = int(f.read())
    except FileNotFoundError:
        return False
    return any(
        process.pid == pid and process.name == "libvirtd"
        for process in process_table.processes()
    )


def make_base():
    """Make the directory of mount points as the helper does."""
    os.makedirs(BASE, 0o750, exist_ok=True)


def remove_base():
    """Remove the directory of mount points, in which there must be none."""
    assert points() == [], points()
    if os.path.isdir(BASE):
        for name in os.listdir(BASE):
            os.unlink(f"{BASE}/{name}")
        os.rmdir(BASE)


def points():
    """List what is left of mount points and key files."""
    if not os.path.isdir(BASE):
        return []
    return sorted(name for name in os.listdir(BASE) if name != ".lock")
