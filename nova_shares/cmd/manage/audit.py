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
"""nova-shares-manage audit, and what is done for a host that is dead."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from oslo_config import cfg

from nova_shares import exception
from nova_shares.audit import findings
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.cmd.manage import command
from nova_shares.db import store as db_store

#: So that cron tells what is wrong from what could not be looked at.
FOUND = 3
#: How many removals are done without a yes.
_FEW = 10
_COLUMNS = ("kind", "id", "host", "share_id", "detail")


def add(groups: Any) -> None:
    """Add the command to the command line."""
    help_ = (
        "compare the database with Manila and Nova; exits with 3 on findings"
    )
    parser = command.add(groups, "audit", _audit, help_)
    parser.add_argument("--host", help="audit this compute host only")
    parser.add_argument(
        "--all-shares",
        action="store_true",
        help="also look for access rules at shares that neither a mapping nor"
        " a lock names, with one request for each share",
    )
    parser.add_argument(
        "--older-than",
        type=float,
        default=600,
        metavar="SECONDS",
        help="report mappings that are in a transitional status or in error"
        " for longer; default: 600",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help=f"correct findings of these kinds: {', '.join(findings.FIXABLE)}",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help=f"permit more than {_FEW} removals",
    )
    command.add_format(parser)


def _audit(conf: cfg.ConfigOpts, args: argparse.Namespace) -> int:
    if args.yes and not args.fix:
        raise command.UsageError("--yes requires --fix")
    store = db_store.Store.from_conf(conf)
    looked = findings.Audit(
        store,
        manila.Shares(conf),
        nova.rest_servers(conf).find,
        max_age=args.older_than,
        agent_down_time=conf.api.agent_down_time,
    )
    try:
        found = looked.run(args.host, args.all_shares)
        fixed = _fix(conf, args, looked, found) if args.fix else []
    except findings.NoLocks as e:
        raise command.Failed(
            "--all-shares requires resource locks (Manila 2023.2 or later): "
            "without them, an access rule may belong to another database"
        ) from e
    except exception.ServiceUnavailable as e:
        raise command.Failed(exception.explain(e)) from e
    except manila.Refused as e:
        raise command.Failed(f"Manila refuses: {e.data['message']}") from e
    rows = [
        {column: getattr(finding, column) for column in _COLUMNS}
        for finding in found
    ]
    if args.fix:
        for row, finding in zip(rows, found):
            row["fixed"] = finding in fixed
    command.show(args, rows)
    if not rows and args.format == "table":
        print("No findings.")
    return FOUND if len(found) > len(fixed) else 0


def _fix(
    conf: cfg.ConfigOpts,
    args: argparse.Namespace,
    looked: findings.Audit,
    found: list[findings.Finding],
) -> list[findings.Finding]:
    _check_database(conf, looked, found)
    removals = [f for f in found if f.kind in findings.FIXABLE]
    if len(removals) > _FEW and not args.yes:
        raise command.Failed(
            f"{len(removals)} removals are more than {_FEW}; review them "
            "without --fix, then use --yes"
        )
    if any(f.kind == findings.NO_SERVER for f in removals):
        # Nova must say twice that a server is gone.
        time.sleep(conf.compute.server_gone_interval)
    if not removals:
        return []
    again = {(f.kind, f.id) for f in looked.run(args.host, args.all_shares)}
    return list(looked.fix(f for f in removals if (f.kind, f.id) in again))


def _check_database(
    conf: cfg.ConfigOpts,
    looked: findings.Audit,
    found: list[findings.Finding],
) -> None:
    """Refuse to mend with a database that is not the cloud's.

    Its id is in the reason of every lock that we make, and in the file that
    agents keep.
    """
    foreign = [f for f in found if f.kind == findings.FOREIGN]
    if foreign:
        raise command.Failed(
            "Manila has locks that belong to another database than [database]"
            f" connection ({foreign[0].detail}); nothing is changed"
        )
    path = os.path.join(conf.state_path, "database-id")
    if not os.path.exists(path):
        return
    with open(path) as f:
        known = f.read().strip()
    if known not in ("", looked.database):
        raise command.Failed(
            f"the database ID is {looked.database}, but {path} contains "
            f"{known}; nothing is changed"
        )
