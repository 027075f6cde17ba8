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
code is 0 on success, 1 if the command fails or there is nothing to show, 2 on
a usage error, and 3 if ``audit`` has findings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
import datetime
import json
import sys
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_log import log as logging
import prettytable

from nova_shares import conf as nova_shares_conf
from nova_shares import context
from nova_shares import exception
from nova_shares import mapping
from nova_shares.cmd.manage import audit
from nova_shares.cmd.manage import paste
from nova_shares.db import migrations
from nova_shares.db import store as db_store

#: Seconds that a hint to an agent may take; a broker that accepts and says
#: nothing is given up after five.
_HINT_TIMEOUT = 10

#: The columns of ``mapping list``, as attributes of a mapping.
_LISTED = ("uuid", "instance_uuid", "share_id", "tag", "host", "wanted")

_Row = dict[str, Any]


class _Failed(Exception):
    """The command can't be done; the message says why."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command of the operator, and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        conf = _load(args.config_file)
        code: Optional[int] = args.run(conf, args)
    except (_Failed, audit.Failed, paste.Failed, cfg.Error) as e:
        return _say(str(e))
    except exception.ForeignDatabase as e:
        return _say(
            f"the database of [database] connection has {e.data['found']}. "
            "It belongs to another program or to a newer nova_shares, and is "
            "not changed. Use a separate database for nova_shares."
        )
    except db_exc.DBError as e:
        # The lines below it are the statement.
        return _say(f"database error: {str(e).splitlines()[0]}")
    return code or 0


def _say(why: str) -> int:
    print(f"nova-shares-manage: {why}", file=sys.stderr)
    return 1


def _load(files: Optional[Sequence[str]]) -> cfg.ConfigOpts:
    conf = nova_shares_conf.new()
    logging.register_options(conf)
    nova_shares_conf.load(files=files, conf=conf)
    # The log is for the one who types, not for the file of a service.
    conf.set_override("log_file", None)
    conf.set_override("log_dir", None)
    conf.set_override("use_syslog", False)
    conf.set_override("use_journal", False)
    conf.set_override("use_stderr", True)
    levels = [*logging.get_default_log_levels(), "alembic=WARNING"]
    conf.set_default("default_log_levels", levels)
    logging.setup(conf, "nova-shares-manage")
    return conf


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nova-shares-manage",
        description="Manage the database, share mappings and agents",
    )
    parser.add_argument(
        "--config-file",
        action="append",
        metavar="FILE",
        help="configuration file, can be repeated; default: nova-shares.conf"
        " in /etc/nova-shares and the other standard directories",
    )
    nouns = parser.add_subparsers(dest="noun", metavar="NOUN", required=True)
    _add_db(_verbs(nouns, "db", "the database of nova_shares"))
    _add_mapping(_verbs(nouns, "mapping", "the shares of servers"))
    paste.add(_verbs(nouns, "paste", "the filters in Nova's pipeline"), _verb)
    audit.add(nouns, _show)
    agent = _verbs(nouns, "agent", "the agents of compute hosts")
    _format(_verb(agent, "list", _agent_list, "list the agents"))
    return parser


def _verbs(nouns: Any, name: str, help_: str) -> Any:
    noun = nouns.add_parser(name, help=help_, description=help_)
    return noun.add_subparsers(dest="verb", metavar="VERB", required=True)


def _verb(
    verbs: Any,
    name: str,
    run: Callable[[cfg.ConfigOpts, argparse.Namespace], None],
    help_: str,
) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_, description=help_
    )
    verb.set_defaults(run=run)
    return verb


def _format(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--format", choices=("table", "json"), default="table")


def _add_db(verbs: Any) -> None:
    _verb(verbs, "sync", _db_sync, "create or upgrade the tables")
    _verb(verbs, "version", _db_version, "show the revision of the tables")


def _add_mapping(verbs: Any) -> None:
    audit.add_force_detach(verbs, _verb)
    listing = _verb(verbs, "list", _mapping_list, "list share mappings")
    listing.add_argument("--host", help="show mappings of this compute host")
    listing.add_argument("--status", choices=mapping.STATUSES)
    listing.add_argument(
        "--project", help="show mappings of servers of this project ID"
    )
    listing.add_argument(
        "--server", type=str.lower, help="show mappings of this server ID"
    )
    _format(listing)
    for name, run, help_ in (
        ("show", _mapping_show, "show a share mapping and its fault"),
        ("retry", _mapping_retry, "retry a mapping in error now"),
        (
            "reset",
            _mapping_reset,
            "clear the fault of a mapping in error and start over",
        ),
    ):
        verb = _verb(verbs, name, run, help_)
        verb.add_argument(
            "uuid", type=str.lower, help="UUID of the share mapping"
        )
        _format(verb)


def _db_sync(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    print(f"The database is at revision {migrations.sync(conf)}.")


def _db_version(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    current, newest = migrations.version(conf)
    print(current or "none")
    if current != newest:
        raise _Failed(
            f"the newest revision is {newest}; run nova-shares-manage db sync"
        )


def _mapping_list(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    found = db_store.Store.from_conf(conf).list_all(
        host=args.host,
        status=args.status,
        project_id=args.project,
        instance_uuid=args.server,
    )
    if args.format == "json":
        _print_json([_details(m) for m in found])
    elif found:
        _print_table([_listed(m) for m in found])
    if not found:
        raise _Failed("no share mapping matches")


def _mapping_show(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _print_mapping(_get(db_store.Store.from_conf(conf), args.uuid), args)


def _mapping_retry(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _change(conf, args, db_store.Store.retry)


def _mapping_reset(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _change(conf, args, db_store.Store.reset)


def _change(
    conf: cfg.ConfigOpts,
    args: argparse.Namespace,
    change: Callable[[db_store.Store, str], Optional[mapping.ShareMapping]],
) -> None:
    """Change a failed mapping and hint at it to the agent of its host."""
    store = db_store.Store.from_conf(conf)
    changed = change(store, args.uuid)
    if changed is None:
        status = _get(store, args.uuid).status
        raise _Failed(f"share mapping {args.uuid} is {status}, not error")
    _print_mapping(changed, args)
    # Costs a second and brings eventlet's complaints: only where needed.
    from nova_shares import rpc

    agent_api = rpc.AgentAPI(conf)
    agent_api.reconcile(context.service(), changed)
    # What can't be sent is logged, with what that means.
    agent_api.close(_HINT_TIMEOUT)


def _get(store: db_store.Store, uuid: str) -> mapping.ShareMapping:
    found = store.get(uuid)
    if found is None:
        raise _Failed(f"share mapping {uuid} does not exist")
    return found


def _agent_list(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    down_time = conf.api.agent_down_time
    found = [
        {
            "host": agent.host,
            "state": "down" if agent.is_down(down_time) else "up",
            "age": round(agent.age, 1),
            **dataclasses.asdict(agent.capabilities),
        }
        for agent in db_store.Store.from_conf(conf).agents()
    ]
    if args.format == "json":
        _print_json(found)
    elif found:
        _print_table(found)
    if not found:
        raise _Failed("no agent is registered")


def _listed(m: mapping.ShareMapping) -> _Row:
    """Make a line of ``mapping list``."""
    return {
        **{name: getattr(m, name) for name in _LISTED},
        "status": m.status,
        "fault": f"{m.fault.step}: {m.fault.message}" if m.fault else None,
    }


def _details(m: mapping.ShareMapping) -> _Row:
    """Make all of a mapping, its fault with it, printable."""
    found = {**dataclasses.asdict(m), **_fault(m.fault)}
    del found["read_at"]
    return {name: _plain(value) for name, value in found.items()}


def _fault(fault: Optional[mapping.Fault]) -> _Row:
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
        _print_json(found)
        return
    fault = found.pop("fault") or {}
    for name, value in fault.items():
        found[f"fault {name}"] = value
    _print_table([{"field": k, "value": v} for k, v in found.items()])


def _show(args: argparse.Namespace, rows: Sequence[_Row]) -> None:
    if args.format == "json":
        _print_json(rows)
    else:
        _print_table(rows)


def _print_json(found: Any) -> None:
    print(json.dumps(found, indent=2))


def _print_table(found: Sequence[_Row]) -> None:
    table = prettytable.PrettyTable(list(found[0]))
    table.align = "l"
    for row in found:
        table.add_row([_cell(value) for value in row.values()])
    print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
