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
"""nova-shares-manage mapping force-detach: for a host that has failed."""

from __future__ import annotations

import argparse
import time
from typing import Any

from oslo_config import cfg

from nova_shares import context
from nova_shares import exception
from nova_shares import mapping
from nova_shares.audit import force_detach
from nova_shares.clients import manila
from nova_shares.cmd.manage import command
from nova_shares.db import store as db_store


def add(group: Any) -> None:
    """Add the command to its group."""
    verb = command.add(
        group,
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


def _force_detach(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    store = db_store.Store.from_conf(conf)
    shares = manila.Shares(conf)
    m = store.get(args.uuid)
    if m is None:
        raise command.Failed(f"share mapping {args.uuid} does not exist")
    agent = store.agent(m.host)
    if agent is not None and not agent.is_down(conf.api.agent_down_time):
        raise command.Failed(
            f"the agent of {m.host} is up; a fenced host has no running agent"
        )
    context.act_for(m.request_id, m.user_id, m.project_id)
    try:
        _until_gone(conf, store, shares, m)
    except exception.ServiceUnavailable as e:
        raise command.Failed(exception.explain(e)) from e
    except manila.Refused as e:
        raise command.Failed(f"Manila refuses: {e.data['message']}") from e
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
            if not current or not force_detach.force_detach(
                store, shares, current
            ):
                return
        except exception.Conflict:
            # Its user has asked for the same just now: look again.
            pass
        if time.monotonic() > end:
            raise command.Failed(
                "Manila has not revoked access yet; the mapping is detaching;"
                " run the command again later"
            )
        time.sleep(0.5)
