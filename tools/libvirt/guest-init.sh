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

# The only program of the tests' guest. What happens is told on the first
# serial line; the second takes commands.
#
#   share.tag=TAG   on the kernel's command line: mount TAG at boot, read
#                   from-host in it and write from-guest
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /mnt /tmp
for module in $(cat /lib/order); do
    insmod "/lib/$module.ko" || echo "GUEST no module $module"
done
for word in $(cat /proc/cmdline); do
    case $word in
    share.tag=*) tag=${word#share.tag=} ;;
    esac
done
if [ -n "$tag" ]; then
    mkdir -p "/mnt/$tag"
    tries=0
    until mount -t virtiofs "$tag" "/mnt/$tag" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || break
        sleep 0.1
    done
    echo "GUEST mounted $tag after $tries retries"
    echo "GUEST read $(cat "/mnt/$tag/from-host" 2>&1)"
    echo 'written by the guest' >"/mnt/$tag/from-guest" && echo 'GUEST wrote'
    sync
fi
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo
echo 'GUEST ready'
while read -r line <&3; do
    eval "$line" >&3 2>&1 </dev/null
done
while :; do
    sleep 3600
done
