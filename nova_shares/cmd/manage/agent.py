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
"""nova-shares-manage agent: the agents of compute hosts."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from oslo_config import cfg

from nova_shares.cmd.manage import command
from nova_shares.db import store as db_store


def add(groups: Any) -> None:
    """Add the group to the command line."""
    group = command.add_group(groups, "agent", "the agents of compute hosts")
    command.add_format(command.add(group, "list", _list, "list the agents"))


def _list(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
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
    command.show(args, found)
