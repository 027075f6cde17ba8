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
"""What an agent may ask of the control plane.

It fills the ports of the agent (:mod:`nova_shares.compute.ports`), in the
agent's own process: with the database, Manila and Nova.
"""

from __future__ import annotations

from typing import NamedTuple
from typing import Optional

from oslo_config import cfg

from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.conductor import access as conductor_access
from nova_shares.conductor import rows as conductor_rows
from nova_shares.db import store as db_store
from nova_shares.virt import driver as virt_driver


class Local(NamedTuple):
    """The ports of an agent, filled in its own process."""

    rows: conductor_rows.Rows
    access: conductor_access.Access
    servers: nova.RestServers


def local(
    conf: cfg.ConfigOpts,
    driver: virt_driver.Driver,
    store: Optional[db_store.Store] = None,
    shares: Optional[manila.Shares] = None,
) -> Local:
    """Fill the ports of the agent of ``conf.host``; connects to nothing.

    :param driver: tells what is mounted on the host
    :param store, shares: default: as ``conf`` has them
    :raises oslo_config.cfg.Error: when ``[database] connection`` is missing
        or invalid
    """
    store = store or db_store.Store.from_conf(conf)
    access = conductor_access.Access(
        shares or manila.Shares(conf),
        store,
        host=conf.host,
        address=conf.compute.my_shared_fs_storage_ip or conf.my_ip,
        timeout=conf.manila.share_apply_policy_timeout,
    )
    return Local(conductor_rows.Rows(store), access, nova.rest_servers(conf))
