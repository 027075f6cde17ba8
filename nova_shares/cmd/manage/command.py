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
"""What the commands of nova-shares-manage have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import json
import textwrap
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg
import prettytable

Row = dict[str, Any]
#: Runs a command; returns its exit code, None: 0.
Run = Callable[[cfg.ConfigOpts, argparse.Namespace], Optional[int]]


class Failed(Exception):
    """The command failed; the message says why."""


class UsageError(Failed):
    """Options that do not go together; the message says which."""


def add_group(groups: Any, name: str, help_: str) -> Any:
    """Add a group of commands; commands are added to what it returns."""
    group = groups.add_parser(name, help=help_, description=help_)
    return group.add_subparsers(dest="verb", metavar="COMMAND", required=True)


def add(commands: Any, name: str, run: Run, help_: str) -> Any:
    """Add a command; returns its parser."""
    parser = commands.add_parser(name, help=help_, description=help_)
    parser.set_defaults(run=run)
    return parser


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option of what prints rows with :func:`show`."""
    parser.add_argument(
        "--format",
        choices=("table", "json"),
        default="table",
        help="output format; default: table",
    )


def positive(text: str) -> int:
    """Read a positive number; argparse makes another one a usage error."""
    number = int(text)
    if number <= 0:
        raise ValueError(text)
    return number


def show(args: argparse.Namespace, rows: Iterable[Row]) -> None:
    """Print rows as ``args.format`` says; JSON as they come."""
    if args.format != "json":
        table = list(rows)
        if table:
            print_table(table)
        return
    separator = "[\n"
    for row in rows:
        print(separator, end="")
        print(textwrap.indent(json.dumps(row, indent=2), "  "), end="")
        separator = ",\n"
    print("[]" if separator == "[\n" else "\n]")


def print_json(found: Any) -> None:
    print(json.dumps(found, indent=2))


def print_table(rows: Sequence[Row]) -> None:
    table = prettytable.PrettyTable(list(rows[0]))
    table.align = "l"
    for row in rows:
        table.add_row([_cell(value) for value in row.values()])
    print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)
