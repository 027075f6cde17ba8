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
"""nova-shares-manage: the command of the operator.

Tables and JSON go to standard output, all else to standard error. The exit
code is 0 on success, 1 if the command fails, 2 on a usage error, and 3 if
``audit`` has findings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata
import sys
from typing import Optional

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log as logging

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.cmd.manage import agent
from nova_shares.cmd.manage import audit
from nova_shares.cmd.manage import command
from nova_shares.cmd.manage import db
from nova_shares.cmd.manage import mapping
from nova_shares.cmd.manage import paste
from nova_shares.db import engine as db_engine

#: A module a group of commands.
GROUPS = (db, mapping, paste, audit, agent)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command of the operator, and return its exit code."""
    args = parser().parse_args(argv)
    try:
        conf = _load(args.config_file)
        code: Optional[int] = args.run(conf, args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads the output has enough of it. Python flushes at its end.
        sys.stdout = None  # type: ignore[assignment]
        return 1
    except command.UsageError as e:
        return _fail(str(e), 2)
    except (command.Failed, cfg.Error, OSError) as e:
        return _fail(str(e))
    except exception.ForeignDatabase as e:
        return _fail(
            f"the database of [database] connection has {e.data['found']}. "
            "It belongs to another program or to a newer nova_shares, and is "
            "not changed. Use a separate database for nova_shares."
        )
    except db_exc.DBError as e:
        return _fail(f"database error: {db_engine.explain(e)}")
    return code or 0


def _fail(why: str, code: int = 1) -> int:
    print(f"nova-shares-manage: {why}", file=sys.stderr)
    return code


def _load(files: Optional[Sequence[str]]) -> cfg.ConfigOpts:
    conf = nova_shares_conf.new()
    logging.register_options(conf)
    nova_shares_conf.load(files=files, conf=conf)
    # The log is for whoever runs the command, not for a service's file.
    conf.set_override("log_config_append", None)
    conf.set_override("log_file", None)
    conf.set_override("log_dir", None)
    conf.set_override("use_syslog", False)
    conf.set_override("use_journal", False)
    conf.set_override("use_stderr", True)
    levels = [*logging.get_default_log_levels(), "alembic=WARNING"]
    conf.set_default("default_log_levels", levels)
    logging.setup(conf, "nova-shares-manage")
    return conf


def parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="nova-shares-manage",
        description="Manage the database, share mappings and agents",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"%(prog)s {metadata.version('nova-shares')}",
    )
    parser.add_argument(
        "--config-file",
        action="append",
        metavar="FILE",
        help="configuration file, can be repeated; default: nova-shares.conf"
        " in /etc/nova-shares and the other standard directories",
    )
    groups = parser.add_subparsers(dest="noun", metavar="GROUP", required=True)
    for group in GROUPS:
        group.add(groups)
    return parser
