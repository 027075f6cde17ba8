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

"""nova-shares-aio: run nova_shares and a development cloud in one process.

The standard library alone is imported before the arguments are read: what
the extras ``aio`` and ``demo`` bring may be missing.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING
from typing import Any
from typing import Optional
import warnings

if TYPE_CHECKING:
    from nova_shares_devcloud import aio

PROG = "nova-shares-aio"
SERVER = "demo-server"
SHARE = "demo-share"

_WELCOME = """
nova_shares is up, with a development cloud around it: {url}
Files are in {directory}

Try it in another shell:

  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=member
  export OS_COMPUTE_API_VERSION=2.97
  openstack server add share {server} {share} --tag data
  openstack server share list {server}
  openstack server start {server}
  openstack --os-cloud admin server share show {server_id} {share_id}
  openstack server stop {server}
  openstack server remove share {server} {share}

Press Ctrl-C to stop it.
"""


class CannotRun(Exception):
    """A reason not to run, as a sentence for the user."""


class Interrupted(Exception):
    """A signal asked for the end before everything was up."""


class Signals:
    """Hear SIGTERM and SIGINT without being torn out of what is going on.

    The second one ends the process, in case that a step never does.
    """

    def __init__(self) -> None:
        self._told = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self._told.is_set():
            raise Interrupted()

    def wait(self) -> None:
        """Wait for a signal."""
        while not self._told.wait(1):
            continue

    def _hear(self, number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._told.set()


def main() -> int:
    """Run until SIGTERM or SIGINT, or tell the story and end.

    :returns: 0; 1 when it cannot run, or a step of the story was not seen;
        130 when it is interrupted before that
    """
    signals = Signals()
    # Libraries warn their developers; who tries this reads what it prints.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    args = parser().parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="nova-shares-") as temporary:
            return _run(args, args.directory or temporary, signals)
    except CannotRun as e:
        print(f"{PROG}: {e}", file=sys.stderr)
        return 1
    except Interrupted:
        print(f"{PROG}: Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Who reads the output has enough of it. Python flushes at its end.
        sys.stdout = None  # type: ignore[assignment]
        return 1


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Run nova_shares and a development cloud in one process.",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="show an attach and a detach with the OpenStack SDK, then exit",
    )
    parser.add_argument(
        "--directory",
        help="the directory for all files; default: a temporary one",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="the port to listen on; default: a free port",
    )
    parser.add_argument(
        "--hypervisor-socket",
        default="",
        metavar="PATH",
        help="serve the fake hypervisor on a socket; default: do not",
    )
    parser.add_argument(
        "--debug", action="store_true", help="log debug messages"
    )
    return parser


def _run(args: argparse.Namespace, directory: str, signals: Signals) -> int:
    directory = os.path.abspath(directory)
    if not 0 <= args.port <= 65535:
        raise CannotRun(f"Port {args.port} does not exist: use 0 to 65535.")
    story = _load_story() if args.demo else None
    with _claim(directory):
        signals.check()
        world = _start(directory, args, signals)
        try:
            signals.check()
            if story is not None:
                return _tell(world, story)
            print(_welcome(world), flush=True)
            signals.wait()
            return 0
        finally:
            world.stop()


def _load_story() -> Any:
    try:
        from nova_shares_devcloud import demo
    except ModuleNotFoundError as e:
        raise CannotRun(_missing(e, "demo")) from e
    return demo


def _missing(error: ModuleNotFoundError, extra: str) -> str:
    return (
        f"The Python package {error.name} is not installed: install "
        f"nova-shares[{extra}]."
    )


def _claim(directory: str) -> Any:
    """Take a directory for this process; the file returned keeps it."""
    if set("?%$") & set(directory):
        raise CannotRun(
            f"Cannot use the directory {directory}: in a configuration file, "
            "'?', '%' and '$' have a meaning."
        )
    try:
        os.makedirs(directory, exist_ok=True)
        claim = open(os.path.join(directory, "lock"), "w")
    except OSError as e:
        raise CannotRun(
            f"Cannot use the directory {directory}: {e.strerror}."
        ) from e
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        claim.close()
        raise CannotRun(
            f"The directory {directory} is in use by another {PROG}."
        ) from e
    return claim


def _start(
    directory: str, args: argparse.Namespace, signals: Signals
) -> aio.AllInOne:
    """Start all of it; what was started is stopped when a step fails."""
    try:
        from nova_shares_devcloud import aio
    except ModuleNotFoundError as e:
        raise CannotRun(_missing(e, "aio")) from e
    world: Optional[aio.AllInOne] = None
    try:
        _set_up_logging(directory, args.debug)
        world = aio.AllInOne(
            directory, args.port, hypervisor_socket=args.hypervisor_socket
        )
        signals.check()
        world.sync()
        signals.check()
        world.start_agent()
        world.cloud.create_server(SERVER, vm_state="stopped")
        world.cloud.create_share(SHARE)
        return world
    except Exception as e:
        if world is not None:
            world.stop()
        if isinstance(e, Interrupted):
            raise
        # A database error has a page of its own below its first line.
        reason = str(e).partition("\n")[0]
        raise CannotRun(f"Cannot start: {reason}.") from e


def _log(directory: str) -> str:
    return os.path.join(directory, "nova-shares.log")


def _set_up_logging(directory: str, debug: bool) -> None:
    from oslo_config import cfg
    from oslo_log import log as logging

    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override("log_file", _log(directory))
    conf.set_override("debug", debug)
    logging.setup(conf, PROG)


def _welcome(world: aio.AllInOne) -> str:
    [server] = world.cloud.servers
    [share] = world.cloud.shares
    return _WELCOME.format(
        url=world.url,
        directory=world.directory,
        clouds=world.write_clouds(),
        server=SERVER,
        share=SHARE,
        # The clients find a name only in their own project.
        server_id=server,
        share_id=share,
    )


def _tell(world: aio.AllInOne, demo: Any) -> int:
    print(f"nova_shares in a development cloud at {world.url}", flush=True)
    # The story is nothing but waiting: Ctrl-C ends it at once.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        demo.Story(world.write_clouds()).tell(SERVER, SHARE)
    except demo.NotSeen as e:
        print(f"NOT SEEN: {e}", file=sys.stderr)
        with open(_log(world.directory)) as f:
            sys.stderr.writelines(f.readlines()[-40:])
        return 1
    except KeyboardInterrupt:
        raise Interrupted() from None
    print("Every step was seen.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
