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

"""nova-shares-aio: all of it in one process, on loopback, to try it out.

A development cloud (:mod:`nova_shares_devcloud`) with our filter in front of
its compute API, an agent with the fake hypervisor, an SQLite file and the
``fake://`` transport: nothing but Python.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_log import log as logging

from nova_shares import conf as nova_shares_conf
from nova_shares.api import deploy
from nova_shares.clients import manila
from nova_shares.clients import nova
from nova_shares.compute import service
from nova_shares.db import migrations
from nova_shares.db import store as db_store
from nova_shares.virt import fake
from nova_shares_devcloud import compute
from nova_shares_devcloud import server
from nova_shares_devcloud import state

LOG = logging.getLogger(__name__)

HOST = "aio"
SERVER = "demo-server"
SHARE = "demo-share"


class AllInOne:
    """The whole of it, from a directory of its own.

    :param directory: where its files go; kept from one start to the next
    :param port: where the cloud listens on loopback; 0: a free port
    :param options: lines of a configuration file, over the defaults
    """

    def __init__(
        self, directory: str, port: int = 0, options: str = ""
    ) -> None:
        self.directory = directory
        self.hypervisor = fake.Hypervisor()
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
        self.agent = service.Agent(
            self.conf,
            db_store.Store.from_conf(self.conf),
            manila.Shares(self.conf),
            fake.FakeDriver(self.hypervisor),
            nova.rest_servers(self.conf).find,
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
            wrap_router=lambda app: deploy.make_filter(self.conf, app),
            wrap_all=lambda app: deploy.make_versions_filter(self.conf, app),
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
_WELCOME = """
nova_shares is up, with a development cloud around it: {url}
Files are in {directory}

Try it in another shell:

  export OS_CLIENT_CONFIG_FILE={clouds} OS_CLOUD=member
  export OS_COMPUTE_API_VERSION=2.97
  openstack server add share {server} {share} --tag data
  openstack server share list {server}
  openstack server start {server}
  openstack --os-cloud admin server share show {server} {share}
  openstack server stop {server}
  openstack server remove share {server} {share}

Ctrl-C ends it.
"""


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nova-shares-aio",
        description="nova_shares in one process, in a development cloud.",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="tell the main job with the OpenStack SDK, then end",
    )
    parser.add_argument(
        "--directory", help="where its files go; default: a temporary one"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="default: a free port"
    )
    parser.add_argument("--debug", action="store_true", help="log all of it")
    return parser.parse_args()


def _set_up_logging(directory: str, debug: bool) -> str:
    conf = cfg.ConfigOpts()
    logging.register_options(conf)
    path = os.path.join(directory, "nova-shares.log")
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override("log_file", path)
    conf.set_override("debug", debug)
    logging.setup(conf, "nova-shares-aio")
    return path


def _serve_until_told(aio: AllInOne) -> None:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    print(
        _WELCOME.format(
            url=aio.url,
            directory=aio.directory,
            clouds=aio.write_clouds(),
            server=SERVER,
            share=SHARE,
        ),
        flush=True,
    )
    while not told.wait(1):
        continue


def main() -> int:
    """Run it until SIGTERM or SIGINT, or tell the story and end.

    :returns: 0; 1 when a step of the story was not seen
    """
    args = _parse()
    with tempfile.TemporaryDirectory(prefix="nova-shares-") as temporary:
        directory = os.path.abspath(args.directory or temporary)
        os.makedirs(directory, exist_ok=True)
        log = _set_up_logging(directory, args.debug)
        aio = AllInOne(directory, args.port)
        aio.sync()
        aio.start_agent()
        aio.cloud.create_server(SERVER, vm_state="stopped")
        aio.cloud.create_share(SHARE)
        try:
            if args.demo:
                return _tell(aio, log)
            _serve_until_told(aio)
            return 0
        finally:
            aio.stop()


def _tell(aio: AllInOne, log: str) -> int:
    # The SDK is there with the extra "demo" only.
    from nova_shares_devcloud import demo

    print(f"nova_shares in a development cloud at {aio.url}", flush=True)
    try:
        demo.Story(aio.write_clouds()).tell(SERVER, SHARE)
    except demo.NotSeen as e:
        print(f"NOT SEEN: {e}", file=sys.stderr)
        with open(log) as f:
            sys.stderr.writelines(f.readlines()[-40:])
        return 1
    print("Every step was seen.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
