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

"""Runs the parts of .ci/run, several at a time.

A part starts when the parts that it needs have passed, the machine has room
for it, and no earlier one of PARTS waits for room. What it prints goes to a
file, and is shown when the part ends.
"""

import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

#: All of it ends after this time, whatever hangs. In seconds.
LIMIT = 43 * 60
#: How many workers run at a time: most of them also wait for others.
ROOM = (os.cpu_count() or 1) + 2
_COUNTS = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Part:
    """A command, run by bash in the checkout; {work} is a new directory.

    :ivar needs: parts without which it cannot run
    :ivar workers: how many processes it keeps busy
    :ivar limit: in minutes
    :ivar counts: it prints how many tests passed and failed; another passes
        or fails as one
    :ivar undo: a command, run when all parts that need it have ended
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()
    workers: int = 1
    limit: int = 10
    counts: bool = False
    undo: str = ""


def suite(name, command, *needs, **fields):
    fields = {"limit": 20, **fields}
    return Part(name, command, needs, counts=True, **fields)


#: A name on PATH may be a shim that does not run: where else it may be.
_PYTHON_39 = (
    f"python3.9 {pathlib.Path.home()}/.pyenv/versions/3.9*/bin/python"
    " /opt/python3.9/bin/python /usr/local/bin/python3.9"
)
#: What takes long comes first, with what it needs.
PARTS = (
    Part("environment", "tools/venv.sh .venv test-requirements.txt"),
    Part("services", "tools/services.sh"),
    Part("nova-34", "tools/nova-venv.sh .venv-nova34 34"),
    Part("nova-30", "tools/nova-venv.sh .venv-nova30 30"),
    Part(
        "manila",
        "tools/manila-services.sh up {work}/manila",
        ("services",),
        undo="tools/manila-services.sh down {work}/manila",
    ),
    suite(
        "functional-nova34",
        "NOVA_SHARES_TEST_NOVA=$PWD/.venv-nova34"
        " tools/test.sh functional_nova34",
        *("environment", "services", "nova-34"),
        # The test, and a Nova that never rests.
        workers=2,
    ),
    suite(
        "functional-manila",
        "NOVA_SHARES_TEST_MANILA_DIR={work}/manila"
        " tools/test.sh functional_manila",
        *("environment", "manila"),
    ),
    # Beside the Manila of that suite: on other ports, with the same packages.
    Part(
        "cloud",
        "MANILA_VENV={work}/manila/venv tools/cloud.sh up {work}/cloud",
        ("manila", "nova-34"),
        undo="tools/cloud.sh down {work}/cloud",
    ),
    suite(
        "functional-cloud",
        "NOVA_SHARES_TEST_CLOUD_DIR={work}/cloud"
        " tools/test.sh functional_cloud",
        *("environment", "cloud"),
        workers=2,
    ),
    # It takes the cloud down, whose processes the suite before it stops.
    suite(
        "tox-tempest-cloud",
        "NOVA_SHARES_TEST_CLOUD_DIR={work}/cloud"
        " .venv-tox/bin/tox -q -e tempest-cloud",
        *("tox", "functional-cloud"),
        workers=2,
    ),
    Part(
        "libvirt",
        "tools/libvirt-services.sh up {work}/lab",
        undo="tools/libvirt-services.sh down {work}/lab",
    ),
    suite(
        "functional-libvirt",
        "NOVA_SHARES_LIBVIRT_LAB={work}/lab VENV=.venv-libvirt"
        " EXTRA=.[agent] tools/test.sh functional_libvirt",
        "libvirt",
    ),
    Part(
        "devstack",
        "NOVA_VENV=.venv-nova30 tools/devstack/run.sh {work}/devstack",
        ("environment", "manila", "nova-30"),
    ),
    suite(
        "functional-nova30",
        "NOVA_SHARES_TEST_NOVA=$PWD/.venv-nova30"
        " tools/test.sh functional_nova30",
        *("environment", "services", "nova-30"),
        workers=2,
    ),
    suite("tests", "tools/test.sh", "environment", workers=2),
    suite(
        "functional-services",
        "tools/test.sh functional_services",
        *("environment", "services"),
        workers=2,
    ),
    suite(
        "lower-constraints",
        f"PYTHON='{_PYTHON_39}' VENV=.venv-lower"
        " CONSTRAINTS=lower-constraints.txt tools/test.sh unit"
        # The database; the filter, the service and the agent.
        " 'functional:functional.db|test_gabbi|test_stories.LifeTest'"
        " functional_services/db",
        "services",
        workers=2,
    ),
    suite(
        "sqlalchemy-2.0",
        "VENV=.venv-sqlalchemy CONSTRAINTS=tools/sqlalchemy-2.0.txt"
        " tools/test.sh unit:tests.unit.db functional_services/db",
        "services",
    ),
    Part(
        "tox",
        "python3 -m venv .venv-tox &&"
        " .venv-tox/bin/pip install -qq --no-compile 'tox>=4'",
    ),
    Part("tox-pep8", ".venv-tox/bin/tox -q -e pep8", ("tox",)),
    Part("tox-docs", ".venv-tox/bin/tox -q -e docs", ("tox",)),
    suite(
        "tox-clients",
        "NOVA_SHARES_TEST_NOVA=$PWD/.venv-nova30 .venv-tox/bin/tox -q"
        " -e clients",
        *("tox", "services", "nova-30"),
        workers=2,
    ),
    suite("tox-tempest", ".venv-tox/bin/tox -q -e tempest", "tox", workers=2),
    Part("wheel", "tools/wheel-test.sh", ("environment",)),
    # The first command of README.rst; the second is "tests". It may install
    # into the environment, so it waits for those who use that.
    Part(
        "demo",
        "tools/demo.sh",
        ("tests", "functional-services", "functional-manila"),
    ),
)


class Run:
    """A part that runs, or has run.

    :ivar passed, failed: of its tests; of itself, if it has none
    """

    def __init__(self, part, work, end):
        self.part = part
        self.log = work / "logs" / f"{part.name}.log"
        self.began = time.monotonic()
        self.end = min(end, self.began + 60 * part.limit)
        self.cpu = self.wall = 0.0
        self.passed = self.failed = 0
        self.why = ""
        # What it starts is found by this, whatever session it is in.
        self._mark = f"NOVA_SHARES_CI_PART={part.name}"
        name, _, value = self._mark.partition("=")
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", part.command.replace("{work}", str(work))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, name: value},
                start_new_session=True,
            )

    def over(self):
        """Tell whether it has ended; one that is late is ended."""
        if time.monotonic() > self.end and not self.why:
            self.why = f"ended after {(self.end - self.began) / 60:.0f} min"
            self.kill()
        pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
        if not pid:
            return False
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        self.wall = time.monotonic() - self.began
        self._count()
        return True

    def kill(self):
        """End it, and whatever it has started."""
        for directory in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                environ = (directory / "environ").read_bytes()
                if self._mark.encode() in environ.split(b"\0"):
                    os.kill(int(directory.name), signal.SIGKILL)
            except OSError:
                pass

    def wait(self):
        self._process.wait()

    def _count(self):
        broken = self._process.returncode != 0 or bool(self.why)
        found = _COUNTS.findall(self.text()) if self.part.counts else []
        if found:
            self.passed, self.failed = map(int, found[-1])
            self.failed += broken and not self.failed
        else:
            broken = broken or self.part.counts
            self.passed, self.failed = int(not broken), int(broken)

    def text(self):
        return self.log.read_text(errors="replace")

    def show(self):
        """Print all of it if it failed, else its end."""
        lines = self.text().splitlines()
        said = f"{self.failed} failed {self.why}" if self.failed else "passed"
        say(f"{self.part.name}: {said} in {clock(self.wall)}")
        print(*(lines if self.failed else lines[-14:]), sep="\n", flush=True)

    def show_failures(self):
        """Print once more what failed, where it is read."""
        say(f"failed: {self.part.name} {self.why}")
        lines = self.text().splitlines()
        failed = [li for li in lines if li.endswith("... FAILED")][:8]
        for line in failed or lines[-12:]:
            print(line[:150])


class Scheduler:
    """Starts parts, and waits for them."""

    def __init__(self, parts, work):
        self.waiting = list(parts)
        self.running = []
        self.done = []
        self.left_out = []
        self._work = work
        self._began, self._busy = time.monotonic(), busy()
        self._undone = set()

    def run(self):
        while self.waiting or self.running:
            self._start()
            for run in [run for run in self.running if run.over()]:
                self.running.remove(run)
                self.done.append(run)
                run.show()
            self._undo()
            time.sleep(0.2)

    def _start(self):
        passed = {run.part.name for run in self.done if not run.failed}
        lost = {run.part.name for run in self.done if run.failed}
        lost |= {part.name for part in self.left_out}
        late = time.monotonic() > self._began + LIMIT
        is_full = False
        for part in list(self.waiting):
            if late or lost.intersection(part.needs):
                self.waiting.remove(part)
                self.left_out.append(part)
                lost.add(part.name)
            elif not passed.issuperset(part.needs) or is_full:
                continue
            elif not self._has_room(part):
                # A later one must not take the room that it waits for.
                is_full = True
            else:
                self.waiting.remove(part)
                say(f"{part.name}: begins")
                end = self._began + LIMIT
                self.running.append(Run(part, self._work, end))

    def _has_room(self, part):
        busy = sum(run.part.workers for run in self.running)
        return not busy or busy + part.workers <= ROOM

    def show_table(self):
        """Print how long each part took, and how busy the machine was."""
        print(f"{'part':20}{'began':>7}{'took':>7}{'CPU':>7}  passed  failed")
        for run in sorted(self.done, key=lambda run: run.began):
            print(
                f"{run.part.name:20}{clock(run.began - self._began):>7}"
                f"{clock(run.wall):>7}{clock(run.cpu):>7}"
                f"{run.passed:8}{run.failed:8}"
            )
        took, cpu = time.monotonic() - self._began, busy() - self._busy
        print(f"{'all':20}{'':7}{clock(took):>7}{clock(cpu):>7}")

    def end(self):
        """End what still runs, and undo what was made."""
        for run in self.running:
            run.kill()
            run.wait()
        self.done += self.running
        self.waiting, self.running = [], []
        self._undo()

    def _undo(self):
        needed = {
            name
            for part in (*self.waiting, *(run.part for run in self.running))
            for name in part.needs
        }
        for part in [run.part for run in self.done]:
            if part.undo and not {part.name} & (needed | self._undone):
                self._undone.add(part.name)
                undo = part.undo.replace("{work}", str(self._work))
                subprocess.run(["bash", "-c", undo], timeout=120)


def chosen(names):
    """List the parts of these names, with what they need; all, if none."""
    known = {part.name: part for part in PARTS}
    wanted, ask = set(), list(names) or list(known)
    while ask:
        name = ask.pop()
        if name not in known:
            sys.exit(f"no part {name}; there are: {' '.join(known)}")
        if name not in wanted:
            wanted.add(name)
            ask += known[name].needs
    return [part for part in PARTS if part.name in wanted]


def say(what):
    print(f"=== {time.strftime('%H:%M:%S')} {what}", flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def busy():
    """Tell for how long the machine's CPUs have worked, in seconds."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq = map(int, words[1:8])
    ticks = user + nice + system + irq + softirq
    return ticks / os.sysconf("SC_CLK_TCK")


def main():
    os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    # Nothing is compiled when it is installed: the first process that imports
    # it does so, or else every process would.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parts = chosen(sys.argv[1:])
    # A new one each time: what an earlier run left behind is not used. The
    # agent that is not root, in the tests with libvirt, reads it.
    work = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp", prefix="ns-ci."))
    work.chmod(0o755)
    (work / "logs").mkdir()
    scheduler = Scheduler(parts, work)
    try:
        scheduler.run()
        scheduler.show_table()
        runs = scheduler.done
        for run in runs:
            if run.failed:
                run.show_failures()
    finally:
        scheduler.end()
        shutil.rmtree(work, ignore_errors=True)
    passed = sum(run.passed for run in runs)
    failed = sum(run.failed for run in runs)
    if scheduler.left_out:
        names = " ".join(part.name for part in scheduler.left_out)
        say(f"not run: {names}")
        failed += failed == 0
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
