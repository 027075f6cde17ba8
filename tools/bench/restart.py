#!/usr/bin/env python3
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

"""Measures how an agent settles that is started again on a full host.

usage: restart.py [MAPPINGS]

The fake driver and the real store (SQLite), devcloud's Manila. All mappings
are active and right: it must touch none of them, on the host or at Manila.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid

sys.path.insert(
    0, os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
)

from nova_shares.db import store as db_store
from nova_shares.mapping import ShareMapping
from nova_shares.tests.functional.cloud import wait_for
from nova_shares_devcloud import aio


def fill(world: aio.AllInOne, count: int) -> None:
    """Make so many active mappings, one a server."""
    store = db_store.Store.from_conf(world.conf)
    for _ in range(count):
        server = world.cloud.create_server("server", host=aio.HOST)
        share = world.cloud.create_share("share")
        world.hypervisor.define(server.id)
        world.hypervisor.start(server.id)
        store.insert(
            ShareMapping(
                uuid=str(uuid.uuid4()),
                instance_uuid=server.id,
                project_id=server.project_id,
                host=aio.HOST,
                share_id=share.id,
                share_proto="NFS",
                export_location=share.export_locations[0].path,
                tag="data",
            )
        )
    world.start_agent()
    wait_for(lambda: active(store) == count, "not all are active", 300)
    world.stop_agent()


def active(store: db_store.Store) -> int:
    found = store.list_all(host=aio.HOST)
    return sum(mapping.status == "active" for mapping in found)


def main() -> int:
    """Fill a host, start its agent again, and tell what it did.

    :returns: 1 if it touched anything, or took more than ten seconds
    """
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory:
        world = aio.AllInOne(directory)
        try:
            world.sync()
            fill(world, count)
            acts: list[str] = []
            requests: list[tuple[str, float]] = []
            world.hypervisor.hook = lambda *step: acts.append(" ".join(step))
            world.cloud.on_request(
                "manila",
                lambda phase, request: requests.append(
                    (request.method, time.monotonic())
                ),
            )
            began = time.monotonic()
            world.start_agent()
            started = time.monotonic() - began
            # It asks Manila for each rule, once, before it is content.
            wait_for(lambda: len(requests) >= count, "it asks nothing", 120)
            wait_for(lambda: time.monotonic() - requests[-1][1] > 2, "", 120)
            wait_for(world.agent.queue.is_idle, "it never settles", 120)
            settled = requests[-1][1] - began
        finally:
            world.stop()
    changes = [method for method, _ in requests if method != "GET"]
    # Each is told twice: before and after.
    asked = len(requests) // 2
    print(f"{count} active mappings, the agent is started again:")
    print(f"  up after {started:.2f} s, settled after {settled:.2f} s")
    print(f"  steps on the host: {len(acts)}; requests to Manila: {asked}")
    print(f"  changes at Manila: {len(changes)}")
    return 1 if acts or changes or settled > 10 else 0


if __name__ == "__main__":
    sys.exit(main())
