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

"""The compute host: its guests and its mounts."""

from __future__ import annotations

from oslo_config import cfg

from nova_shares.virt import driver
from nova_shares.virt import fake


def load(conf: cfg.ConfigOpts) -> driver.Driver:
    """Make the driver of ``[compute] virt_driver``.

    :raises oslo_config.cfg.RequiredOptError: when none is chosen
    """
    if conf.compute.virt_driver != "fake":
        raise cfg.RequiredOptError("virt_driver", cfg.OptGroup("compute"))
    if conf.compute.fake_hypervisor:
        return fake.FakeDriver(fake.connect(conf.compute.fake_hypervisor))
    return fake.FakeDriver(fake.Hypervisor())
