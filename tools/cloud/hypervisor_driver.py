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

"""Nova's fake driver, with the guests in a hypervisor of hypervisors.py.

Loaded by nova-compute. The environment variable ``HYPERVISOR`` names the
socket. What the hypervisor is told, and in which order, is what Nova's
libvirt driver has libvirt do.
"""

import os

from nova.compute import power_state
from nova.virt import fake

from nova_shares.virt import fake as nova_shares_fake


class HypervisorDriver(fake.FakeDriverWithoutFakeNodes):
    """Define, start, stop and undefine guests in the hypervisor."""

    def __init__(self, virtapi, read_only=False):
        super().__init__(virtapi, read_only)
        self._hypervisor = nova_shares_fake.connect(os.environ["HYPERVISOR"])

    def init_host(self, host):
        """Find the guests that there are, as nova-compute starts."""
        super().init_host(host)
        for uuid, runs in self._hypervisor.domains().items():
            state = power_state.RUNNING if runs else power_state.SHUTDOWN
            self.instances[uuid] = fake.FakeInstance(uuid, state, uuid)

    def _create(self, instance):
        """Define a guest, and start it if this driver says that it runs."""
        self._hypervisor.define(instance.uuid)
        if self.instances[instance.uuid].state == power_state.RUNNING:
            self._hypervisor.start(instance.uuid)

    def _restart(self, instance):
        self._stop(instance)
        self.instances[instance.uuid].state = power_state.RUNNING
        self._create(instance)

    def _stop(self, instance):
        if self._hypervisor.domains().get(instance.uuid):
            self._hypervisor.stop(instance.uuid)

    def _undefine(self, instance):
        self._stop(instance)
        self._hypervisor.delete(instance.uuid)

    def spawn(self, context, instance, *args, **kwargs):
        super().spawn(context, instance, *args, **kwargs)
        self._create(instance)

    def destroy(self, context, instance, *args, **kwargs):
        super().destroy(context, instance, *args, **kwargs)
        self._undefine(instance)

    def power_on(self, context, instance, *args, **kwargs):
        """Make the guest anew, which a hard reboot does too."""
        super().power_on(context, instance, *args, **kwargs)
        self._undefine(instance)
        self._create(instance)

    def power_off(self, instance, *args, **kwargs):
        super().power_off(instance, *args, **kwargs)
        self._stop(instance)

    def reboot(self, context, instance, network_info, reboot_type, **kwargs):
        if reboot_type.lower() == "soft" and instance.uuid in self.instances:
            self._restart(instance)
        else:
            super().reboot(
                context, instance, network_info, reboot_type, **kwargs
            )

    def rescue(self, context, instance, *args, **kwargs):
        self._restart(instance)

    def unrescue(self, context, instance):
        self._restart(instance)

    def suspend(self, context, instance):
        self._hypervisor.save(instance.uuid)

    def resume(self, context, instance, *args, **kwargs):
        self._hypervisor.restore(instance.uuid)

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        self._stop(instance)

    def finish_revert_migration(self, context, instance, *args, **kwargs):
        super().finish_revert_migration(context, instance, *args, **kwargs)
        self._create(instance)
