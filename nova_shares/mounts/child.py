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

"""Run a program, and give it up at its time limit.

A mount whose server is down hangs, and the process may not even be
killable: it is then left behind, and the caller continues.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import os
import signal
import subprocess
import time
from typing import Callable
from typing import Optional

#: The environment of programs that may run as root: the PATH of the caller
#: could name programs of its own.
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_LONGEST_OUTPUT = 65536
#: What the C library says of ENOTCONN, ESHUTDOWN and ESTALE.
_DEAD = (
    "Transport endpoint is not connected",
    "Cannot send after transport endpoint shutdown",
    "Stale file handle",
)


class TimedOut(Exception):
    """The program did not finish within its limit and was killed.

    :ivar child: may still run if it hangs in the kernel
    """

    def __init__(self, child: subprocess.Popen[bytes], name: str) -> None:
        super().__init__(name)
        self.child = child


@dataclasses.dataclass(frozen=True)
class Result:
    code: int
    output: str

    @property
    def last_line(self) -> str:
        """Return the last line of the output, shortened."""
        lines = [line.strip() for line in self.output.splitlines()]
        found = [line for line in lines if line] or ["no output"]
        return "".join(c if c.isprintable() else "?" for c in found[-1])[-300:]


def run(
    argv: Sequence[str],
    limit: float,
    stdin: bytes = b"",
    pass_fds: Sequence[int] = (),
    env: Optional[Mapping[str, str]] = None,
) -> Result:
    """Run a program without a shell and wait until it ends.

    Input and output are kept in memory because they may contain a secret.
    No pipe is waited on, because a daemon that the program starts may keep
    its output open.

    :param limit: seconds
    :raises TimedOut: if it runs longer
    :raises OSError: if it cannot be started
    """
    with (
        open(memory("stdin", stdin), "rb") as given,
        open(memory("output"), "rb+") as said,
    ):
        child = subprocess.Popen(  # noqa: S603
            list(argv),
            stdin=given,
            stdout=said,
            stderr=said,
            pass_fds=tuple(pass_fds),
            env=None if env is None else dict(env),
            start_new_session=True,
        )
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            _kill(child)
            raise TimedOut(child, argv[0]) from None
        said.seek(0)
        output = said.read(_LONGEST_OUTPUT).decode("utf-8", "replace")
    return Result(code, output)


def memory(name: str, content: bytes = b"") -> int:
    """Make a file that exists in memory only; returns its descriptor."""
    fd = os.memfd_create(name)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _kill(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # It has ended, or belongs to root and has its own limit.
    try:
        child.wait(1)
    except subprocess.TimeoutExpired:
        pass  # It hangs in the kernel.


def is_dead(
    path: str, hanging: dict[str, subprocess.Popen[bytes]], limit: float = 1
) -> bool:
    """Return whether a mount is dead: only a new mount helps.

    The client has ended (ENOTCONN) or is evicted (ESHUTDOWN), or the server
    no longer knows the export (ESTALE). A server that does not answer is
    not dead. An evicted client still answers what needs no server, so a
    name is looked up that does not exist.

    :param hanging: the processes that got no answer, by path: while one of
        them exists, no other is started for its path
    """
    before = hanging.get(path)
    if before is not None and before.poll() is None:
        return False
    hanging.pop(path, None)
    argv = ["stat", "--", f"{path}/.nova-shares"]
    try:
        said = run(argv, limit, env=ENV).output
    except TimedOut as e:
        hanging[path] = e.child
        return False
    return any(text in said for text in _DEAD)


def wait_for(true: Callable[[], object], limit: float) -> bool:
    """Wait until a condition is true; returns whether it is."""
    until = time.monotonic() + limit
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
