#!/bin/busybox sh
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

# The first program of a guest that has the root directory of this machine as
# its own: read by virtiofs, while what it writes stays in its memory. Its
# kernel has NFS, server and client. The second serial line takes commands.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /lib/order); do
    insmod "/lib/$module.ko" || echo "GUEST no module $module"
done
ip link set lo up
mkdir -p /machine /memory /new
mount -t virtiofs root /machine
mount -t tmpfs tmpfs /memory
mkdir /memory/upper /memory/work
mount -t overlay overlay /new \
    -o lowerdir=/machine,upperdir=/memory/upper,workdir=/memory/work
for directory in proc sys dev; do
    mount --move /$directory /new/$directory
done
mount -t tmpfs -o mode=755 tmpfs /new/run
exec switch_root /new /bin/sh -c '
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
    exec 3<>/dev/ttyS1
    stty -F /dev/ttyS1 raw -echo
    echo "GUEST ready"
    while read -r line <&3; do
        eval "$line" >&3 2>&1 </dev/null
    done
    while :; do
        sleep 3600
    done'
