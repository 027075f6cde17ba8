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

"""The compute host: its guests and its mounts.

The agent knows :class:`nova_shares.virt.driver.Driver` alone::

    driver           the interface
      |-- fake           guests in memory, for development and tests
      `-- libvirt        guests of libvirt and QEMU
            |-- connection   reconnects by itself
            |-- domain_xml   reads and writes the devices
            |-- nova_conf    reads nova-compute's configuration
            `-- mount        looks at mounts; root's helper makes them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_shares.virt import driver


def load(conf: cfg.ConfigOpts) -> driver.Driver:
    """Make the driver that ``[compute] virt_driver`` selects.

    A driver is imported when it is selected, because libvirt-python is not
    installed everywhere.

    :raises oslo_config.cfg.Error: if no driver is selected or available
    """
    chosen = conf.compute.virt_driver
    if chosen == "fake":
        from nova_shares.virt import fake

        address = conf.compute.fake_hypervisor
        return fake.FakeDriver(
            fake.connect(address) if address else fake.Hypervisor()
        )
    from oslo_config import cfg

    if chosen != "libvirt":
        raise cfg.RequiredOptError("virt_driver", cfg.OptGroup("compute"))
    try:
        from nova_shares.virt import libvirt
    except ImportError as e:
        raise cfg.Error(f"libvirt-python is not installed: {e}") from e
    return libvirt.LibvirtDriver(conf)
