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
from collections.abc import Sequence
import os
import time
from typing import Any
from typing import Callable

from oslo_config import cfg

from nova_shares import audit
from nova_shares import context
from nova_shares import exception
from nova_shares import mapping
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.db import store as db_store

#: So that cron tells what is wrong from what could not be looked at.
FOUND = 3
#: How many removals are done without a yes.
_FEW = 10
_COLUMNS = ("kind", "id", "host", "share_id", "detail")

Show = Callable[[argparse.Namespace, Sequence[dict[str, Any]]], None]


class Failed(Exception):
    """The command can't be done; the message says why."""


def add(nouns: Any, show: Show) -> None:
    """Add ``audit`` to the command's nouns.

    :param show: prints rows as ``args.format`` wants them
    """
    help_ = (
        "compare the database with Manila and Nova; exits with 3 on findings"
    )
    parser = nouns.add_parser("audit", help=help_, description=help_)
    parser.set_defaults(run=lambda conf, args: _audit(conf, args, show))
    parser.add_argument("--host", help="audit this compute host only")
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
        help=f"correct findings of these kinds: {', '.join(audit.FIXABLE)}",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help=f"permit more than {_FEW} removals",
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def add_force_detach(verbs: Any, add_verb: Any) -> None:
    """Add ``mapping force-detach``."""
    verb = add_verb(
        verbs,
        "force-detach",
        _force_detach,
        "detach a share from a compute host that has failed",
    )
    verb.add_argument("uuid", type=str.lower, help="UUID of the share mapping")
    verb.add_argument(
        "--host-is-fenced",
        action="store_true",
        required=True,
        help="confirm that the host is powered off or cut off from the"
        " storage; two hosts that write to one share can destroy its data",
    )


def _audit(conf: cfg.ConfigOpts, args: argparse.Namespace, show: Show) -> int:
    store = db_store.Store.from_conf(conf)
    looked = audit.Audit(
        store,
        manila.Shares(conf),
        nova.rest_servers(conf).find,
        max_age=args.older_than,
        agent_down_time=conf.api.agent_down_time,
    )
    try:
        found = looked.run(args.host)
        fixed = _fix(conf, args, looked, found) if args.fix else []
    except exception.ServiceUnavailable as e:
        raise Failed(_unavailable(e)) from e
    except manila.Refused as e:
        raise Failed(f"Manila refuses: {e.data['message']}") from e
    rows = [
        {column: getattr(finding, column) for column in _COLUMNS}
        for finding in found
    ]
    if args.fix:
        for row, finding in zip(rows, found):
            row["fixed"] = finding in fixed
    if rows or args.format == "json":
        show(args, rows)
    return FOUND if len(found) > len(fixed) else 0


def _fix(
    conf: cfg.ConfigOpts,
    args: argparse.Namespace,
    looked: audit.Audit,
    found: list[audit.Finding],
) -> list[audit.Finding]:
    _check_database(conf, looked, found)
    removals = [f for f in found if f.kind in audit.FIXABLE]
    if len(removals) > _FEW and not args.yes:
        raise Failed(
            f"{len(removals)} removals are more than {_FEW}; review them "
            "without --fix, then use --yes"
        )
    if any(f.kind == audit.NO_SERVER for f in removals):
        # Nova must say twice that a server is gone.
        time.sleep(conf.compute.server_gone_interval)
    again = {(f.kind, f.id) for f in looked.run(args.host)} if removals else ()
    return list(looked.fix(f for f in removals if (f.kind, f.id) in again))


def _check_database(
    conf: cfg.ConfigOpts,
    looked: audit.Audit,
    found: list[audit.Finding],
) -> None:
    """Refuse to mend with a database that is not the cloud's.

    Its id is in the reason of every lock that we make, and in the file that
    agents keep.
    """
    foreign = [f for f in found if f.kind == audit.FOREIGN]
    if foreign:
        raise Failed(
            "Manila has locks that belong to another database than [database]"
            f" connection ({foreign[0].detail}); nothing is changed"
        )
    path = os.path.join(conf.state_path, "database-id")
    if not os.path.exists(path):
        return
    with open(path) as f:
        known = f.read().strip()
    if known not in ("", looked.database):
        raise Failed(
            f"the database ID is {looked.database}, but {path} contains "
            f"{known}; nothing is changed"
        )


def _force_detach(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    store = db_store.Store.from_conf(conf)
    shares = manila.Shares(conf)
    m = store.get(args.uuid)
    if m is None:
        raise Failed(f"share mapping {args.uuid} does not exist")
    agent = store.agent(m.host)
    if agent is not None and not agent.is_down(conf.api.agent_down_time):
        raise Failed(
            f"the agent of {m.host} is up; a fenced host has no running agent"
        )
    context.act_for(m.request_id, m.user_id, m.project_id)
    try:
        _until_gone(conf, store, shares, m)
    except exception.ServiceUnavailable as e:
        raise Failed(_unavailable(e)) from e
    except manila.Refused as e:
        raise Failed(f"Manila refuses: {e.data['message']}") from e
    print(
        f"Share {m.share_id} is detached from server {m.instance_uuid}; "
        f"{m.host} unmounts it when its agent starts."
    )


def _until_gone(
    conf: cfg.ConfigOpts,
    store: db_store.Store,
    shares: manila.Shares,
    m: mapping.ShareMapping,
) -> None:
    end = time.monotonic() + conf.manila.share_apply_policy_timeout
    while True:
        current = store.get(m.uuid)
        try:
            if not current or not audit.force_detach(store, shares, current):
                return
        except exception.Conflict:
            # Its user has asked for the same just now: look again.
            pass
        if time.monotonic() > end:
            raise Failed(
                "Manila has not revoked access yet; the mapping is detaching;"
                " run the command again later"
            )
        time.sleep(0.5)


def _unavailable(error: exception.ServiceUnavailable) -> str:
    return (
        f"the {error.data['service']} service is not available: "
        f"{error.data.get('detail')}"
    )
