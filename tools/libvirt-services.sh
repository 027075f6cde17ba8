#!/usr/bin/env bash
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

# The real things for the functional-libvirt tests: libvirt, QEMU, virtiofsd,
# a small guest and a CephFS on loopback. For a throw-away machine: runs as
# root, installs with apt what is missing, needs no init system and no KVM.
#
#   libvirt-services.sh up DIR     install, start; what it makes is in DIR
#   libvirt-services.sh down DIR   stop what "up" started
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
verb=${1:?usage: libvirt-services.sh up|down DIR}
dir=${2:?usage: libvirt-services.sh up|down DIR}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)

say() { echo "libvirt-services: $*"; }

# The process of that number may be another by now.
alive() {
    [ "$(cat "/proc/$(cat "/run/$1.pid" 2>/dev/null)/comm" \
        2>/dev/null)" = "$1" ]
}

install_packages() {
    local missing=() package
    for package in qemu-system-x86 qemu-utils libvirt-daemon-system \
        libvirt-clients libvirt-dev pkg-config gcc busybox-static cpio kmod \
        lz4 sudo nfs-common nfs-kernel-server ceph-mon ceph-mgr ceph-osd \
        ceph-mds ceph-fuse ceph-common; do
        dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${missing[*]}"
    "$here/apt-install.sh" "${missing[@]}"
}

# With the stock settings QEMU's capabilities are probed anew at each start
# where /dev/kvm is there and can't be used: 73 seconds a guest.
configure_qemu() {
    local conf=/etc/libvirt/qemu.conf
    [ -e $conf.stock ] || cp $conf $conf.stock
    cat >$conf <<'CONF'
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
CONF
}

# Who may use libvirt is asked of polkit, which needs a bus. The group does.
configure_libvirtd() {
    local conf=/etc/libvirt/libvirtd.conf
    [ -e $conf.stock ] || cp $conf $conf.stock
    cat >$conf <<'CONF'
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_rw = "none"
CONF
}

start_libvirt() {
    # As systemd has it: what is unmounted on the host is unmounted for the
    # guests' QEMUs too, which have mount namespaces of their own. Else each
    # keeps all mounts that were there when it started.
    mount --make-rshared /
    alive virtlogd || virtlogd -d
    alive libvirtd || libvirtd -d
    # Probes the capabilities, once.
    virsh -q -c qemu:///system domcapabilities --virttype qemu >/dev/null
}

case $verb in
up)
    install_packages
    configure_qemu
    configure_libvirtd
    start_libvirt
    "$here/libvirt/make-guest.sh" "$dir/guest"
    "$here/libvirt/ceph.sh" up "$dir/ceph"
    say "libvirt, the guest and CephFS are ready in $dir"
    ;;
down)
    "$here/libvirt/ceph.sh" down "$dir/ceph"
    for daemon in libvirtd virtlogd; do
        if alive "$daemon"; then
            kill "$(cat /run/$daemon.pid)"
        fi
    done
    for conf in /etc/libvirt/qemu.conf /etc/libvirt/libvirtd.conf; do
        if [ -e $conf.stock ]; then
            mv $conf.stock $conf
        fi
    done
    ;;
*)
    echo 'usage: libvirt-services.sh up|down DIR' >&2
    exit 2
    ;;
esac
