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
"""nova-shares-manage db: the database of nova_shares."""

from __future__ import annotations

import argparse
from typing import Any

from oslo_config import cfg

from nova_shares.cmd.manage import command
from nova_shares.db import migrations
from nova_shares.db import store as db_store


def add(groups: Any) -> None:
    """Add the group to the command line."""
    group = command.add_group(groups, "db", "the database of nova_shares")
    command.add(group, "sync", _sync, "create or upgrade the tables")
    command.add(group, "version", _version, "show the revision of the tables")
    command.add(
        group,
        "confirm-restore",
        _confirm_restore,
        "let agents work with a database that was restored from a backup",
    )


def _sync(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    print(f"The database is at revision {migrations.sync(conf)}.")


def _confirm_restore(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    db_store.Store.from_conf(conf).confirm_restore()
    print("Agents work with the database as it is now.")


def _version(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    current, newest = migrations.version(conf)
    print(current or "none")
    if current != newest:
        raise command.Failed(
            f"the newest revision is {newest}; run nova-shares-manage db sync"
        )
