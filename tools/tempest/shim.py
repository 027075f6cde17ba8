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

"""What manila-tempest-plugin's scenarios require and a fake hypervisor lacks.

Their files stay as they are: some methods of their base class are replaced
when they are loaded. Each use of a replacement is recorded for the report.
"""

import os
import pathlib

import guest
from tempest.lib.common.utils import data_utils

#: What is replaced, and by what. The report prints it.
SHIMMED = {
    "skip_checks": "runs without Neutron",
    "create_security_group": "no security group is created",
    "create_network": "no network is created",
    "create_subnet": "no subnet is created",
    "get_router": "no router is looked up",
    "_create_router_interface": "no router interface is created",
    "create_keypair": "no keypair is created",
    "create_server": "the server is created without network, security group "
    "and keypair",
    "init_remote_client": "a shell on the devices that the fake hypervisor of "
    "the server's host has, instead of a floating IP and SSH",
}


def directory():
    """Return the directory of the run."""
    return pathlib.Path(os.environ["NOVA_SHARES_TEMPEST_DIR"])


def record(name):
    """Note that a replacement was used."""
    with open(directory() / "shimmed", "a") as file:
        file.write(f"{name}\n")


def install():
    """Put the replacements in place."""
    from manila_tempest_tests.tests.scenario import manager
    from manila_tempest_tests.tests.scenario import manager_share
    from tempest.scenario import manager as tempest_manager

    case = manager_share.ShareScenarioTest
    for name, function in {
        **_network(),
        "create_keypair": _create_keypair,
        "create_server": _create_server(case.create_server),
        "init_remote_client": _init_remote_client,
    }.items():
        setattr(case, name, _recorded(name, function))

    def skip_checks(cls):
        record("skip_checks")
        # Past this check for Neutron, and past tempest's own.
        super(tempest_manager.NetworkScenarioTest, cls).skip_checks()

    manager.NetworkScenarioTest.skip_checks = classmethod(skip_checks)


def _recorded(name, function):
    def replacement(self, *args, **kwargs):
        record(name)
        return function(self, *args, **kwargs)

    return replacement


def _network():
    def made(kind):
        name = data_utils.rand_name(f"shim-{kind}")
        return {"id": data_utils.rand_uuid(), "name": name}

    return {
        "create_security_group": lambda self, **_: made("security-group"),
        "create_network": lambda self, **_: made("network"),
        "create_subnet": lambda self, **_: made("subnet"),
        "get_router": lambda self, **_: made("router"),
        "_create_router_interface": lambda self, **_: None,
    }


def _create_keypair(self, client=None, **kwargs):
    name = data_utils.rand_name("shim-keypair")
    return {"name": name, "private_key": None}


def _create_server(create):
    def create_server(self, **kwargs):
        for name in ("key_name", "security_groups"):
            kwargs.pop(name)
        return create(self, **{**kwargs, "networks": "none"})

    return create_server


def _init_remote_client(self, instance):
    show = self.os_admin.servers_client.show_server
    server = instance["id"]

    def host():
        return show(server)["server"]["OS-EXT-SRV-ATTR:host"]

    return guest.Guest(server, host, directory())
