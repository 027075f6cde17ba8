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

"""Options of the libvirt driver of the agent.

The group is not called libvirt, because Nova has a group of that name with
other options.
"""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("hypervisor", title="Guests of libvirt")
OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "connection_uri",
        default="qemu:///system",
        help="The connection URI of libvirt on this host.",
    ),
    cfg.StrOpt(
        "mount_helper",
        default="sudo -n nova-shares-mount-helper",
        help="""
The command that mounts and unmounts shares as root. If the agent runs as
root, omit sudo.
""",
    ),
    cfg.StrOpt(
        "mount_helper_config",
        default="/etc/nova-shares/mount-helper.conf",
        help="""
The configuration file of the mount helper, which only root can write. The
agent reads it to learn where shares are mounted. The helper always reads the
default path.
""",
    ),
    cfg.StrOpt(
        "file_backed_memory",
        default="auto",
        choices=[
            ("auto", "read ``nova_conf``"),
            ("yes", "all guests of this host have shared memory"),
            ("no", "only guests with huge pages have shared memory"),
        ],
        help="""
Whether all guests of this host share their memory with the host, which
virtiofs requires: ``[libvirt] file_backed_memory`` of nova.conf is greater
than 0. Otherwise only servers whose flavor requests huge pages can have
shares.
""",
    ),
    cfg.StrOpt(
        "nova_conf",
        default="/etc/nova/nova.conf",
        help="""
The configuration file of nova-compute on this host, for
``file_backed_memory = auto``. If the agent cannot read it, it assumes that
guests have no shared memory.
""",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
