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

"""All of it in one process, on loopback, to try it out.

A development cloud (:mod:`nova_shares_devcloud`) with the filter in front of
its compute API, an agent with the fake hypervisor, an SQLite file and the
``fake://`` transport: nothing but Python. This module alone knows both
``nova_shares`` and the cloud around it.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg

from nova_shares import conductor
from nova_shares import conf as nova_shares_conf
from nova_shares.compute import service
from nova_shares.db import migrations
from nova_shares.pipeline import deploy
from nova_shares.pipeline import filters
from nova_shares.pipeline import negotiation
from nova_shares.virt import fake
from nova_shares_devcloud import compute
from nova_shares_devcloud import server
from nova_shares_devcloud import state

HOST = "aio"


class AllInOne:
    """The whole of it, from a directory of its own.

    :param directory: where its files go; kept from one start to the next
    :param port: where the cloud listens on loopback; 0: a free port
    :param options: lines of a configuration file, over the defaults
    :param hypervisor_socket: where the hypervisor is served to processes
        that look into its guests; by default, nowhere
    """

    def __init__(
        self,
        directory: str,
        port: int = 0,
        options: str = "",
        hypervisor_socket: str = "",
    ) -> None:
        self.directory = directory
        self.hypervisor = fake.Hypervisor()
        self._close_hypervisor: Callable[[], None] = lambda: None
        if hypervisor_socket:
            self._close_hypervisor = fake.serve(
                self.hypervisor, hypervisor_socket
            )
        self.cloud = state.Cloud(host=HOST, compute_max="2.96")
        self.cloud.on_power(self._power)
        self.conf: cfg.ConfigOpts = cfg.ConfigOpts()
        self.agent: Optional[service.Agent] = None
        self._agent_thread: Optional[threading.Thread] = None
        self._served = server.serve(
            self.cloud,
            port=port,
            compute_app=lambda cloud: self._compute(options),
        )
        self.url = self._served.url

    def sync(self) -> None:
        """Make the database."""
        migrations.sync(self.conf)

    def start_agent(self) -> None:
        """Start the agent of the one host."""
        driver = fake.FakeDriver(self.hypervisor)
        self.agent = service.Agent(
            self.conf, driver, *conductor.local(self.conf, driver)
        )
        self.agent.start()
        self._agent_thread = threading.Thread(target=self.agent.wait)
        self._agent_thread.start()

    def stop_agent(self) -> None:
        """Stop the agent in an orderly way."""
        if self.agent is not None and self._agent_thread is not None:
            self.agent.stop()
            self._agent_thread.join()
            self.agent = None

    def stop(self) -> None:
        """Stop all of it."""
        self.stop_agent()
        self._served.stop()
        self._close_hypervisor()

    def write_clouds(self) -> str:
        """Write a clouds.yaml for the clients; returns its path."""
        path = os.path.join(self.directory, "clouds.yaml")
        with open(path, "w") as f:
            f.write(self._served.clouds_yaml())
        return path

    def _compute(self, options: str) -> Any:
        # Where Keystone and Manila are is known only now.
        self.conf = self._configure(options)
        return compute.pipeline(
            self.cloud,
            wrap_router=lambda app: filters.Filter(
                app, lambda: deploy.embed(app, lambda: self.conf)
            ),
            wrap_all=lambda app: filters.VersionsFilter(
                app, lambda: negotiation.Negotiation(app, lambda: self.conf)
            ),
        )

    def _configure(self, options: str) -> cfg.ConfigOpts:
        path = os.path.join(self.directory, "nova-shares.conf")
        with open(path, "w") as f:
            f.write(_CONF.format(host=HOST, directory=self.directory))
            for group in ("manila", "nova"):
                f.write(_AUTH.format(group=group, url=self.cloud.url))
            f.write(options)
        return nova_shares_conf.load(files=[path])

    def _power(self, server_id: str, event: str) -> None:
        # What nova-compute does to a guest.
        act = {
            "create": self.hypervisor.define,
            "start": self.hypervisor.start,
            "stop": self.hypervisor.stop,
            "delete": self.hypervisor.delete,
        }[event]
        act(server_id)


_CONF = """[DEFAULT]
host = {host}
my_ip = 127.0.0.1
state_path = {directory}
transport_url = fake://
[database]
connection = sqlite:///{directory}/nova-shares.sqlite
[compute]
virt_driver = fake
"""
_AUTH = """[{group}]
auth_type = password
auth_url = {url}/identity/v3
username = nova-shares
password = devcloud
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
"""
