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

"""Options of the agent's libvirt driver.

The group is not called libvirt: Nova has one of that name, and means
something else by it.
"""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("hypervisor", title="Guests by libvirt")
OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "connection_uri",
        default="qemu:///system",
        help="Where libvirt is reached: on this host.",
    ),
    cfg.StrOpt(
        "mount_helper",
        default="sudo -n nova-shares-mount-helper",
        help="""
The command by which shares are mounted and unmounted as root. Where the
agent itself is root it needs no sudo.
""",
    ),
    cfg.StrOpt(
        "mount_helper_config",
        default="/etc/nova-shares/mount-helper.conf",
        help="""
The mount helper's own configuration, which root alone writes: read by the
agent to know where shares are mounted. The helper reads no other file.
""",
    ),
    cfg.StrOpt(
        "file_backed_memory",
        default="auto",
        choices=[
            ("auto", "as ``nova_conf`` says"),
            ("yes", "every guest of this host has shared memory"),
            ("no", "only guests with huge pages have"),
        ],
        help="""
Whether the memory of all guests of this host is shared with the host, which
virtiofs needs: Nova's ``[libvirt] file_backed_memory`` is above 0. Without
it only servers whose flavor asks for huge pages can have shares.
""",
    ),
    cfg.StrOpt(
        "nova_conf",
        default="/etc/nova/nova.conf",
        help="""
The configuration of this host's nova-compute, for ``file_backed_memory =
auto``. If it can't be read, guests' memory is taken not to be shared.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
