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

# make-guest.sh DIR: the kernel and the initramfs of the tests' guest, as
# DIR/vmlinux and DIR/initrd.img, and that of a guest with this machine's root
# directory and with NFS, as DIR/machine.img.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: make-guest.sh DIR}"
cd "$1"
modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev
        virtio_pci fuse virtiofs'
nfs_modules='overlay netfs fscache sunrpc grace lockd nfs dns_resolver nfsv4
        nfs_acl auth_rpcgss nfsd'

if [ ! -e vmlinux ] || [ ! -e modules/nfsd.ko ]; then
    rm -rf package
    mkdir package
    name=$(apt-cache depends linux-image-cloud-amd64 |
        awk '/Depends: linux-image/ {print $2; exit}')
    (cd package && apt-get -qq -o APT::Sandbox::User=root download "$name" &&
        dpkg -x "$name"_*.deb .)
    # The kernel's own image inside the compressed one: QEMU boots it by PVH,
    # and nothing has to be unpacked in an emulated processor.
    image=$(echo package/boot/vmlinuz-*)
    start=$(LC_ALL=C grep -abo -P -m 1 '\x02\x21\x4c\x18' "$image" |
        head -1 | cut -d: -f1)
    tail -c "+$((start + 1))" "$image" | lz4 -d -q -c >vmlinux.new 2>/dev/null ||
        true  # What follows the image is no lz4.
    [ "$(head -c 4 vmlinux.new | tail -c 3)" = ELF ]
    mv vmlinux.new vmlinux
    mkdir -p modules
    for module in $modules $nfs_modules; do
        cp "$(find package/lib/modules -name "$module.ko")" modules/
    done
    rm -rf package
fi

# make_initramfs FILE INIT MODULES
make_initramfs() {
    rm -rf root
    mkdir -p root/bin root/lib root/proc root/sys root/dev
    cp /bin/busybox root/bin/busybox
    for module in $3; do
        cp "modules/$module.ko" root/lib/
    done
    echo "$3" >root/lib/order
    install -m 755 "$here/$2" root/init
    (cd root && find . | cpio -o -H newc --quiet) >"$1"
    rm -rf root
}

make_initramfs initrd.img guest-init.sh "$modules"
make_initramfs machine.img machine-init.sh "$modules $nfs_modules"
