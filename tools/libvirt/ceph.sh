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

# ceph.sh up|down DIR: one Ceph monitor, manager, OSD in memory and metadata
# server on loopback, with a file system named cephfs. DIR/ceph.conf and
# DIR/keyring make one its administrator. "down" only after all clients have
# gone: a client whose servers are away hangs.
set -euo pipefail

verb=${1:?usage: ceph.sh up|down DIR}
dir=${2:?usage: ceph.sh up|down DIR}
port=${CEPH_PORT:-16789}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cd "$dir"

ceph() { command ceph -c "$dir/ceph.conf" -k "$dir/keyring" "$@"; }

alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

configure() {
    cat >ceph.conf <<CONF
[global]
fsid = $fsid
mon initial members = a
mon host = v1:127.0.0.1:$port
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
ms bind msgr2 = false
public addr = 127.0.0.1
keyring = $dir/keyring
run dir = $dir/run
admin socket = $dir/run/\$cluster-\$name.asok
log file = $dir/log/\$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
auth allow insecure global id reclaim = false
mon data avail crit = 1
mon data avail warn = 2
[mon]
pid file = $dir/mon.pid
mon data = $dir/mon
[mgr]
pid file = $dir/mgr.pid
mgr data = $dir/mgr
mgr initial modules =
[osd]
pid file = $dir/osd.pid
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 268435456
osd class update on start = false
[mds]
pid file = $dir/mds.pid
mds data = $dir/mds
mds cache memory limit = 67108864
CONF
}

make_keys() {
    ceph-authtool --create-keyring keyring --gen-key -n mon. \
        --cap mon 'allow *' >/dev/null
    ceph-authtool keyring --gen-key -n client.admin --cap mon 'allow *' \
        --cap osd 'allow *' --cap mds 'allow *' --cap mgr 'allow *'
    ceph-authtool keyring --gen-key -n mgr.x --cap mon 'allow profile mgr' \
        --cap osd 'allow *' --cap mds 'allow *'
    ceph-authtool keyring --gen-key -n osd.0 --cap mon 'allow profile osd' \
        --cap mgr 'allow profile osd' --cap osd 'allow *'
    ceph-authtool keyring --gen-key -n mds.a --cap mon 'allow profile mds' \
        --cap osd 'allow rwx' --cap mds 'allow *' \
        --cap mgr 'allow profile mds'
}

up() {
    if alive mon.pid; then
        return 0
    fi
    rm -rf mon mgr osd mds run log keyring
    mkdir -p mon mgr osd mds run log
    fsid=$(cat /proc/sys/kernel/random/uuid)
    configure
    make_keys
    monmaptool --create --clobber --fsid "$fsid" \
        --addv a "[v1:127.0.0.1:$port]" monmap >/dev/null
    ceph-mon -c ceph.conf --mkfs -i a --monmap monmap --keyring keyring
    ceph-mon -c ceph.conf -i a
    ceph-mgr -c ceph.conf -i x
    local osd
    osd=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$osd" 0 >/dev/null 2>&1
    ceph-osd -c ceph.conf -i 0 --mkfs --osd-uuid "$osd" >/dev/null 2>&1
    ceph-osd -c ceph.conf -i 0 >/dev/null 2>&1
    ceph-mds -c ceph.conf -i a >/dev/null
    ceph osd pool create cephfs_meta 1 >/dev/null 2>&1
    ceph osd pool create cephfs_data 1 >/dev/null 2>&1
    ceph fs new cephfs cephfs_meta cephfs_data >/dev/null 2>&1
    # Tests kill clients, and wait until they are forgotten.
    ceph fs set cephfs session_timeout 30 >/dev/null 2>&1
    ceph fs set cephfs session_autoclose 30 >/dev/null 2>&1
    local _
    for _ in $(seq 150); do
        ceph mds stat | grep -q up:active && return 0
        sleep 0.2
    done
    echo 'ceph.sh: the metadata server did not become active' >&2
    return 1
}

down() {
    local daemon
    for daemon in mds osd mgr mon; do
        if alive $daemon.pid; then
            kill "$(cat $daemon.pid)"
        fi
    done
}

case $verb in
up) up ;;
down) down ;;
*) echo 'usage: ceph.sh up|down DIR' >&2; exit 2 ;;
esac
