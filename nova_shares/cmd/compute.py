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

"""nova-shares-compute: the agent of a compute host."""

from __future__ import annotations

from importlib import metadata
import signal
import sys
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from nova_shares import conductor
from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares import virt
from nova_shares.cmd import check
from nova_shares.compute import service

LOG = logging.getLogger(__name__)
PROG = "nova-shares-compute"


def main() -> int:
    """Be the console script; see :func:`run`."""
    return run(sys.argv[1:])


def run(args: list[str]) -> int:
    """Run the agent until SIGTERM or SIGINT.

    :param args: command line arguments
    :returns: 0; 1 if it cannot start, 2 if it has to give up the host
    """
    conf = nova_shares_conf.new()
    logging.register_options(conf)
    conf.register_cli_opt(
        cfg.BoolOpt(
            "check",
            default=False,
            help="List the requirements of this host that are met or missing,"
            " and exit. The exit code is 1 if a requirement is missing.",
        )
    )
    try:
        nova_shares_conf.load(
            args,
            conf=conf,
            prog=PROG,
            version=metadata.version("nova-shares"),
        )
        logging.setup(conf, PROG)
    except (cfg.Error, logging.LogConfigError, OSError) as e:
        print(f"{PROG}: {e}", file=sys.stderr)
        return 1
    if conf.check:
        return _check(conf)
    try:
        return _run(conf)
    except (cfg.Error, exception.NovaSharesError, OSError) as e:
        why = _why(e)
    # Here, since oslo.log repeats an exception that is being handled.
    LOG.error("The agent cannot start: %s", why)
    return 1


def _why(error: Exception) -> str:
    """Return why the agent cannot start."""
    if isinstance(error, exception.NovaSharesError):
        return service.explain(error)
    return str(error)


def _check(conf: cfg.ConfigOpts) -> int:
    lacking = 0
    try:
        for well, sentence in check.findings(conf):
            print(f"{'ok     ' if well else 'MISSING'} {sentence}", flush=True)
            lacking += not well
    except BrokenPipeError:
        # Who reads the output has enough of it. Python flushes at its end.
        sys.stdout = None  # type: ignore[assignment]
        return 1
    return 1 if lacking else 0


def _run(conf: cfg.ConfigOpts) -> int:
    driver = virt.load(conf)
    agent = service.Agent(conf, driver, *conductor.local(conf, driver))

    def stop(number: int, frame: Any) -> None:
        agent.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    agent.start()
    return 0 if agent.wait() is None else 2


if __name__ == "__main__":
    sys.exit(main())
