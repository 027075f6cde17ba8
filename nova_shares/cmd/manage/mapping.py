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
"""nova-shares-manage mapping: the shares of servers."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg

from nova_shares import context
from nova_shares import mapping
from nova_shares.cmd.manage import command
from nova_shares.cmd.manage import force_detach
from nova_shares.db import store as db_store

#: Seconds that a message to an agent may take; a broker that accepts and says
#: nothing is given up after five.
_MESSAGE_TIMEOUT = 10

#: The columns of ``mapping list``, as attributes of a mapping.
_LISTED = ("uuid", "instance_uuid", "share_id", "tag", "host", "wanted")


def add(groups: Any) -> None:
    """Add the group to the command line."""
    group = command.add_group(groups, "mapping", "the shares of servers")
    force_detach.add(group)
    listing = command.add(group, "list", _list, "list share mappings")
    listing.add_argument("--host", help="show mappings of this compute host")
    listing.add_argument(
        "--status",
        choices=mapping.STATUSES,
        help="show mappings in this status",
    )
    listing.add_argument(
        "--project", help="show mappings of servers of this project ID"
    )
    listing.add_argument(
        "--server", type=str.lower, help="show mappings of this server ID"
    )
    listing.add_argument(
        "--limit",
        type=command.positive,
        help="show at most this number of mappings; default: all",
    )
    listing.add_argument(
        "--marker",
        type=str.lower,
        metavar="UUID",
        help="show the mappings after this one, the last one of the previous"
        " page",
    )
    command.add_format(listing)
    for name, run, help_ in (
        ("show", _show, "show a share mapping and its fault"),
        ("retry", _retry, "retry a mapping in error now"),
        (
            "reset",
            _reset,
            "clear the fault of a mapping in error and start over",
        ),
    ):
        parser = command.add(group, name, run, help_)
        parser.add_argument(
            "uuid", type=str.lower, help="UUID of the share mapping"
        )
        command.add_format(parser)


def _list(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    store = db_store.Store.from_conf(conf)
    found = store.each(
        host=args.host,
        status=args.status,
        project_id=args.project,
        instance_uuid=args.server,
        after=_get(store, args.marker).id if args.marker else None,
        limit=args.limit,
    )
    view = _details if args.format == "json" else _listed
    command.show(args, map(view, found))


def _show(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _print_mapping(_get(db_store.Store.from_conf(conf), args.uuid), args)


def _retry(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _change(conf, args, db_store.Store.retry)


def _reset(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _change(conf, args, db_store.Store.reset)


def _change(
    conf: cfg.ConfigOpts,
    args: argparse.Namespace,
    change: Callable[[db_store.Store, str], Optional[mapping.ShareMapping]],
) -> None:
    """Change a mapping in error and tell the agent of its host."""
    store = db_store.Store.from_conf(conf)
    changed = change(store, args.uuid)
    if changed is None:
        status = _get(store, args.uuid).status
        raise command.Failed(
            f"share mapping {args.uuid} is {status}, not error"
        )
    _print_mapping(changed, args)
    # Costs a second and brings eventlet's complaints: only where needed.
    from nova_shares import rpc

    agent_api = rpc.AgentAPI(conf)
    agent_api.reconcile(context.service(), changed)
    # What can't be sent is logged, with what that means.
    agent_api.close(_MESSAGE_TIMEOUT)


def _get(store: db_store.Store, uuid: str) -> mapping.ShareMapping:
    found = store.get(uuid)
    if found is None:
        raise command.Failed(f"share mapping {uuid} does not exist")
    return found


def _listed(m: mapping.ShareMapping) -> command.Row:
    """Make a line of ``mapping list``."""
    return {
        **{name: getattr(m, name) for name in _LISTED},
        "status": m.status,
        "fault": f"{m.fault.step}: {m.fault.message}" if m.fault else None,
    }


def _details(m: mapping.ShareMapping) -> command.Row:
    """Make all of a mapping, its fault with it, printable."""
    found = {**dataclasses.asdict(m), **_fault(m.fault)}
    del found["read_at"]
    return {name: _plain(value) for name, value in found.items()}


def _fault(fault: Optional[mapping.Fault]) -> command.Row:
    if fault is None:
        return {"fault": None}
    values = dataclasses.asdict(fault)
    del values["due"]
    return {"fault": {name: _plain(v) for name, v in values.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value


def _print_mapping(m: mapping.ShareMapping, args: argparse.Namespace) -> None:
    found = _details(m)
    if args.format == "json":
        command.print_json(found)
        return
    fault = found.pop("fault") or {}
    for name, value in fault.items():
        found[f"fault {name}"] = value
    command.print_table([{"field": k, "value": v} for k, v in found.items()])
