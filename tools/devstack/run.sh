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

# Runs the DevStack plugin in DevStack's phases, as far as that is possible
# without DevStack: a controller in each of its modes, with an agent, and a
# compute-only node. Keystone, Manila, MariaDB and RabbitMQ are those of
# tools/manila-services.sh, nova-api is that of tools/nova-venv.sh; guests are
# those of the driver "fake". As root, in namespaces of its own: /etc is a
# copy, and no process outlives the run. Nothing of the machine is changed but
# databases and a virtual host of RabbitMQ, which are removed.
#
#   run.sh DIR [filter|standalone|subnode...]    what is written is in DIR
#
# The compute-only node belongs to the controller of the case filter.
# environment:
#   VENV           an environment with the stock clients (.venv)
#   NOVA_VENV      an environment with Nova 30 (.venv-nova30)
#   PORT_KEYSTONE  of tools/manila-services.sh (25000)
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
if [ -z "${NOVA_SHARES_DEVSTACK_INSIDE:-}" ]; then
    export NOVA_SHARES_DEVSTACK_INSIDE=1
    exec unshare --mount --propagation private --pid --fork --kill-child \
        --mount-proc "$0" "$@"
fi

mkdir -p "${1:?usage: run.sh DIR [filter|standalone|subnode...]}"
dir=$(cd "$1" && pwd)
shift
venv=$(cd "${VENV:-$checkout/.venv}" && pwd)
nova_venv=$(cd "${NOVA_VENV:-$checkout/.venv-nova30}" && pwd)
keystone=http://127.0.0.1:${PORT_KEYSTONE:-25000}
name=nova_shares_devstack
nova=127.0.0.1:28774
port=28799
export OS_AUTH_URL=$keystone/v3 OS_PASSWORD=secret OS_REGION_NAME=RegionOne
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default
export OS_IDENTITY_API_VERSION=3 PYTHONWARNINGS=ignore

say() { printf "%4d s  %s\n" "$SECONDS" "$*"; }
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# The namespaces: what is written to /etc goes to memory.

make_host() {
    local layers=$dir/layers top
    mkdir -p "$layers"
    mount -t tmpfs tmpfs "$layers"
    for top in etc root; do
        mkdir -p "$layers/$top" "$layers/work/$top"
        mount -t overlay overlay -o \
            "lowerdir=/$top,upperdir=$layers/$top,workdir=$layers/work/$top" \
            "/$top"
    done
    # The Python of an environment may be below it.
    chmod 0711 ~root
    useradd --no-create-home --shell /bin/bash stack
    getent group libvirt >/dev/null || groupadd libvirt
    echo 'stack ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/stack
    chmod 0440 /etc/sudoers.d/stack
}

processes() { pgrep -f -a "$1" | grep -v -w "^$$" || true; }

end() {
    # What still runs ends with this shell, which is its init.
    drop_databases
    as_admin compute || true
}

# Nova, and who uses it.

as_admin() {
    OS_USERNAME=admin OS_PROJECT_NAME=admin \
        "$venv/bin/python" "$here/client.py" "$@"
}

as_member() { OS_USERNAME=member OS_PROJECT_NAME=demo "$@"; }
client() { as_member "$venv/bin/python" "$here/client.py" "$@"; }

sql() { mariadb -unova_shares -pnova_shares -h127.0.0.1 -N -e "$1"; }

drop_databases() {
    local database
    for database in $(sql "SHOW DATABASES LIKE '$name%'"); do
        sql "DROP DATABASE $database"
    done
    rabbitmqctl -q delete_vhost "$name" 2>/dev/null || true
}

make_nova() {
    local conf=$dir/nova-manage.conf base database
    base=mysql+pymysql://nova_shares:nova_shares@127.0.0.1/${name}_nova
    drop_databases
    for database in api cell0 cell1; do
        sql "CREATE DATABASE ${name}_nova_$database CHARACTER SET utf8mb3"
    done
    rabbitmqctl -q add_vhost "$name"
    rabbitmqctl -q set_permissions -p "$name" nova_shares '.*' '.*' '.*'
    cat >"$conf" <<CONF
[DEFAULT]
transport_url = rabbit://nova_shares:nova_shares@127.0.0.1/$name
[api_database]
connection = ${base}_api
[database]
connection = ${base}_cell1
CONF
    nova_manage api_db sync
    nova_manage cell_v2 map_cell0 --database_connection "${base}_cell0"
    nova_manage db sync
    nova_manage cell_v2 create_cell --name cell1
    as_admin compute "http://$nova/v2.1"
    rm -f "$dir/neutron"
    PYTHONPATH=$checkout "$venv/bin/python" "$here/neutron.py" \
        >"$dir/neutron" &
    until [ -s "$dir/neutron" ]; do
        sleep 0.1
    done
}

nova_manage() { "$nova_venv/bin/nova-manage" --config-file "$conf" "$@"; }

# A node: its directory, what is enabled on it, its mode.

make_node() { # name services mode [line...]
    node=$dir/$1
    rm -rf "$node"
    mkdir -p "$node"/{run,log,stack/data,stack/tempest/etc,bin,mounts}
    ln -s "$nova_venv"/bin/* "$node/bin"
    cat >"$node/localrc" <<RC
HARNESS_NAME=$name HARNESS_BIN=$node/bin HARNESS_CLIENT=$venv/bin/python
HARNESS_NOVA=$nova HARNESS_NEUTRON=$(cat "$dir/neutron")
DEST=$node/stack DATA_DIR=$node/stack/data DEVSTACK_VENV=$nova_venv
PATH=$node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
STACK_USER=stack LIBVIRT_GROUP=libvirt VIRT_DRIVER=libvirt os_PACKAGE=deb
ENABLED_SERVICES=$2 DISABLED_SERVICES= ENABLE_DEBUG_LOG_LEVEL=True
HOST_IP=203.0.113.7 SERVICE_HOST=127.0.0.1 SERVICE_LISTEN_ADDRESS=127.0.0.1
SERVICE_TIMEOUT=60 API_WORKERS=2 REGION_NAME=RegionOne
SERVICE_PASSWORD=secret SERVICE_PROJECT_NAME=service
SERVICE_DOMAIN_NAME=Default KEYSTONE_SERVICE_URI=$keystone
SSL_BUNDLE_FILE=$node/stack/data/ca-bundle.pem MEMCACHE_SERVERS=
DATABASE_TYPE=mysql DATABASE_USER=nova_shares DATABASE_PASSWORD=nova_shares
MYSQL_HOST=127.0.0.1
RABBIT_HOST=127.0.0.1 RABBIT_USERID=nova_shares RABBIT_PASSWORD=nova_shares
NOVA_CONF_DIR=/etc/nova-$1
NOVA_CONF=/etc/nova-$1/nova.conf NOVA_CPU_CONF=/etc/nova-$1/nova-cpu.conf
NOVA_API_PASTE_INI=/etc/nova-$1/api-paste.ini
TEMPEST_CONFIG=$node/stack/tempest/etc/tempest.conf
NOVA_SHARES_DIR=$checkout NOVA_SHARES_MODE=$3 NOVA_SHARES_VIRT_DRIVER=fake
NOVA_SHARES_DATABASE=${name} NOVA_SHARES_HOST=$1
NOVA_SHARES_CONF_DIR=/etc/nova-shares-$1
NOVA_SHARES_SERVICE_PORT=$port NOVA_SHARES_MOUNTS=$node/mounts
RC
    shift 3
    printf '%s\n' "$@" >>"$node/localrc"
    chown -R stack "$node"
}

devstack() { # stack|unstack|clean
    say "$(basename "$node"): $1.sh"
    if ! setpriv --reuid stack --regid stack --init-groups env -i \
            HOME=/nonexistent OS_AUTH_URL="$OS_AUTH_URL" OS_PASSWORD=secret \
            OS_USERNAME=admin OS_PROJECT_NAME=admin \
            OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default \
            OS_IDENTITY_API_VERSION=3 PYTHONWARNINGS=ignore \
            bash "$here/devstack.sh" "$1" "$node" >>"$node/log/$1.log" 2>&1; then
        tail -30 "$node/log/$1.log" >&2
        fail "$1.sh; see $node/log/$1.log"
    fi
    if [ -e "$node/faults" ]; then
        cat "$node/faults" >&2
        fail "$1.sh of $(basename "$node")"
    fi
}

# Files that phases write, with owner, mode and checksum.
files() {
    (cd "$dir/layers/etc" && find . -type f -o -type c) | sort |
        while read -r file; do
            [ ! -e "/etc/$file" ] ||
                echo "$(stat -c '%U %a' "/etc/$file") $(sha256sum "/etc/$file")"
        done
    (cd "$node/stack" && find . -path ./data/nova-shares -prune -o \
        -type f -exec sha256sum {} +) | sort
}

unchanged() { # before after what
    diff "$1" "$2" >&2 || fail "$3"
}

is_agent_up() { # node conf host
    "$nova_venv/bin/nova-shares-manage" --config-file "$1" agent list |
        tee "$dir/agents" | grep -w -- "$2" | grep -q -w up
}

wait_for_agent() { # conf host
    local _
    for _ in $(seq 120); do
        is_agent_up "$@" && return 0
        sleep 0.5
    done
    cat "$dir/agents" >&2
    tail -20 "$node/log/nova-shares-compute.log" >&2
    fail "no agent of host $2 is up"
}

# The cases.

controller() { # filter|standalone
    local mode=$1 conf=/etc/nova-shares-$1/nova-shares.conf
    make_node "$mode" key,n-api,n-cpu,tempest,mysql,rabbit "$mode"
    files >"$node.before"
    devstack stack
    files >"$node.once"
    check_configuration "$mode"
    wait_for_agent "$conf" "$mode"
    devstack stack
    files >"$node.twice"
    unchanged "$node.once" "$node.twice" 'the second stack.sh changes files'
    wait_for_agent "$conf" "$mode"
    attach "$mode"
    [[ "$cases" != *' subnode '* || "$mode" != filter ]] || subnode "$conf"
    node=$dir/$mode
    devstack unstack
    no_processes 'nova-shares-(api|compute)|nova-api'
    mkdir "$node/mounts/left"
    mount -t tmpfs tmpfs "$node/mounts/left"
    devstack clean
    check_clean
}

check_configuration() { # filter|standalone
    local paste=/etc/nova-$1/api-paste.ini option
    if [ "$1" = filter ]; then
        grep -q '^filter-with = nova_shares$' "$paste" || fail 'no filter'
        for option in share_attachments nova_shares; do
            grep -q "^$option = True$" \
                "$node/stack/tempest/etc/tempest.conf" || fail "$option"
        done
    else
        grep -q '^nova_shares = False$' \
            "$node/stack/tempest/etc/tempest.conf" || fail 'tempest'
        cmp "$nova_venv/etc/nova/api-paste.ini" "$paste" || fail 'paste file'
        curl -s "http://127.0.0.1:$port/healthcheck" >/dev/null ||
            fail 'no service'
    fi
    [ "$(stat -c '%U %a' "/etc/nova-shares-$1/nova-shares.conf")" = \
        'stack 640' ] || fail 'others can read the passwords'
}

attach() { # filter|standalone
    local project user server share
    read -r project user <<<"$(client ids)"
    server=$("$nova_venv/bin/python" "$here/server.py" \
        "/etc/nova-$1/nova.conf" "$project" "$user" "$1" 2>"$dir/server") ||
        { cat "$dir/server" >&2; fail 'no server'; }
    share=$(client share)
    if [ "$1" = filter ]; then
        as_member "$venv/bin/openstack" --os-compute-api-version 2.97 \
            server add share "$server" "$share" >"$dir/added"
        client wait "$server" "$share" inactive
        as_member "$venv/bin/openstack" --os-compute-api-version 2.97 \
            server share list "$server"
    else
        export OS_COMPUTE_ENDPOINT_OVERRIDE=http://127.0.0.1:$port/v2.1
        client attach "$server" "$share"
    fi
    say "$1: share $share is attached (driver fake: no guest)"
    client detach "$server" "$share"
    unset OS_COMPUTE_ENDPOINT_OVERRIDE
    client delete "$share"
    say "$1: share $share is detached"
}

no_processes() { # pattern
    local left
    left=$(processes "$1")
    [ -z "$left" ] || fail "unstack.sh leaves $left"
}

check_clean() {
    local of left
    of=$(basename "$node")
    if [ -e "/etc/nova-$of/api-paste.ini" ]; then
        cmp "$nova_venv/etc/nova/api-paste.ini" "/etc/nova-$of/api-paste.ini" ||
            fail 'the filters are left in the paste file'
    fi
    # The rest is lib/nova's and tempest's, which clean.sh removes.
    rm -f "/etc/nova-$of"/{api-paste.ini,nova.conf,nova-cpu.conf,uwsgi.ini} \
        "$node/stack/tempest/etc/tempest.conf"
    files >"$node.after"
    unchanged "$node.before" "$node.after" 'clean.sh leaves files'
    for left in "/etc/nova-shares-$of" "$node/mounts" \
            "$node/stack/data/nova-shares"; do
        [ ! -e "$left" ] || fail "clean.sh leaves $left"
    done
    [ "$of" = subnode ] || [ -z "$(sql "SHOW DATABASES LIKE '$name'")" ] ||
        fail 'clean.sh leaves the database'
    say "$of: nothing is left"
}

subnode() { # conf of the controller
    local controller=$1 package
    for package in deb rpm; do
        make_subnode "NOVA_SHARES_VIRT_DRIVER=libvirt os_PACKAGE=$package"
        files >"$node.before"
        devstack stack
        say "packages ($package): $(sort -u "$node/packages" | xargs)"
        check_subnode
        files >"$node.once"
        devstack stack
        files >"$node.twice"
        unchanged "$node.once" "$node.twice" 'the second stack.sh changes files'
        clean_subnode
    done
    make_subnode
    devstack stack
    wait_for_agent "$controller" subnode
    cat "$dir/agents"
    clean_subnode
}

make_subnode() { # line...
    local program
    make_node subnode n-cpu filter "HARNESS_CLIENT=$dir/subnode/bin/openstack" \
        "$@"
    # An agent is all that it has: these are the cloud's.
    for program in nova-shares-manage openstack mysql mariadb psql createdb \
            dropdb; do
        rm -f "$node/bin/$program"
        printf '#!/bin/sh\necho "%s $*" >>%s\nexit 1\n' \
            "$program is called:" "$node/faults" >"$node/bin/$program"
        chmod 0755 "$node/bin/$program"
    done
}

check_subnode() {
    local conf=/etc/nova-subnode/nova-cpu.conf sudoers=/etc/sudoers.d/nova-shares
    local helper=$node/bin/nova-shares-mount-helper verb
    [ ! -e /etc/nova-subnode/api-paste.ini ] || fail 'a paste file'
    grep -q '^num_pcie_ports = 24$' "$conf" || fail 'no PCI ports'
    grep -q '^file_backed_memory = [1-9]' "$conf" || fail 'no guest memory'
    [ "$(stat -c '%U %a' $sudoers)" = 'root 440' ] || fail 'mode of sudoers'
    visudo --check --quiet || fail 'sudoers'
    for verb in mount unmount seen; do
        setpriv --reuid stack --regid stack --init-groups \
            sudo -n -l "$helper" "$verb" >/dev/null || fail "sudo $verb"
        grep -q "NOPASSWD: $helper $verb$" $sudoers || fail "sudoers: $verb"
    done
    [ "$(grep -c NOPASSWD $sudoers)" = 3 ] || fail 'sudoers: more than that'
}

clean_subnode() {
    devstack unstack
    no_processes 'nova-shares-compute.*subnode'
    devstack clean
    check_clean
}

trap end EXIT
make_host
cases=" ${*:-filter standalone subnode} "
make_nova >"$dir/nova.log" 2>&1 || { tail -20 "$dir/nova.log" >&2; exit 1; }
for case in filter standalone; do
    if [[ "$cases" == *" $case "* ]]; then
        controller $case
    fi
done
echo "devstack: $cases passed; guests are those of the driver fake"
