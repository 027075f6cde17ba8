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

"""A host to install on: this one, of which nothing is changed."""

import glob
import os
import signal
import subprocess

import fixtures

#: Mounts this host's root as the lower layer, and what is not on it beside.
_MAKE = """
set -e
layer() { mkdir -p "$1/upper" "$1/work"
    mount -t overlay overlay \\
        -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$3"; }
mount -t tmpfs tmpfs "$1"
mkdir "$1/merged"
layer "$1/whole" / "$1/merged"
cut -d" " -f2 /proc/self/mounts | cut -d/ -f2 | sort -u | while read -r top; do
    [ -z "$top" ] || [ "$top" = tmp ] || mount --rbind "/$top" "$1/merged/$top"
done
mount --bind /tmp "$1/merged/tmp"
layer "$1/venv" "$2" "$1/merged$2"
echo made
exec chroot "$1/merged" sleep infinity
"""
_APT = """\
APT::Get::Assume-Yes "true";
DPkg::Lock::Timeout "300";
"""
#: As on a host without an init system: what a unit says is started once.
_SYSTEMCTL = """\
#!/usr/bin/python3
import configparser, os, shlex, subprocess, sys
if sys.argv[1] == "daemon-reload":
    sys.exit()
name = sys.argv[sys.argv.index("--now") + 1]
unit = configparser.ConfigParser(strict=False, interpolation=None)
with open(f"/etc/systemd/system/{name}.service") as file:
    unit.read_string(file.read().replace("\\\\\\n", " "))
user = unit["Service"]["User"]
with open(f"/var/log/{name}.log", "ab") as log:
    subprocess.Popen(
        ["/usr/bin/setpriv", "--reuid", user, "--regid", user,
         "--init-groups", *shlex.split(unit["Service"]["ExecStart"])],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
        start_new_session=True,
    )
"""


class Host(fixtures.Fixture):
    """A root file system of its own, and what runs in it.

    :param venv: a virtual environment that is this host's own as well
    """

    def __init__(self, venv):
        super().__init__()
        self._venv = os.path.abspath(venv)

    def _setUp(self):
        directory = self.useFixture(fixtures.TempDir()).path
        self._holder = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-c", _MAKE, "sh", directory, self._venv),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(self._kill_all)
        assert self._holder.stdout.readline() == "made\n"
        self.write("/etc/apt/apt.conf.d/99test", _APT)
        self.write("/usr/local/sbin/systemctl", _SYSTEMCTL, 0o755)

    def _kill_all(self):
        """Kill all that runs with this root."""
        ours = os.readlink(f"/proc/{self._holder.pid}/ns/mnt")
        for path in glob.glob("/proc/[0-9]*/ns/mnt"):
            try:
                if os.readlink(path) == ours:
                    os.kill(int(path.split("/")[2]), signal.SIGKILL)
            except OSError:
                continue
        self._holder.wait()
        self._holder.stdout.close()

    def enter(self, *command):
        """Make a command one that runs on this host."""
        where = ["nsenter", "--target", str(self._holder.pid), "--mount"]
        return [*where, "--root", "--wd", *command]

    def environ(self, *programs):
        """Make the environment of root's shell.

        :param programs: directories of commands that come first
        """
        system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {
            **{k: v for k, v in os.environ.items() if k.startswith("PIP_")},
            "DEBIAN_FRONTEND": "noninteractive",
            "HOME": "/root",
            # To compile all that is installed takes longer than to install.
            "PIP_NO_COMPILE": "1",
            "PATH": ":".join([*programs, system]),
        }

    def run(self, line, *programs):
        """Type a line in root's home; returns exit code and output."""
        done = subprocess.run(
            self.enter("sh", "-c", f"cd && {line}"),
            env=self.environ(*programs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def write(self, path, text, mode=None):
        """Edit a file: what it has is replaced, its owner and mode stay."""
        subprocess.run(
            self.enter("tee", path),
            input=text,
            stdout=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        if mode is not None:
            self.run(f"chmod {mode:o} {path}")
