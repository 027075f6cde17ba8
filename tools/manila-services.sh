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

# The real things for the functional-manila tests: Keystone and Manila from
# PyPI, in a virtual environment of their own, on loopback, over the MariaDB
# and RabbitMQ of tools/services.sh. Manila's driver is its own dummy: it
# has shares and access rules, and no storage; manila/cephfs_dummy.py makes
# one of it that has CephFS. Needs no init system; what runs is left alone.
#
#   manila-services.sh up DIR            install and start; files are in DIR
#   manila-services.sh start DIR NAME    start one: broker, keystone,
#   manila-services.sh stop DIR NAME     manila-api, manila-scheduler or
#                                        manila-share
#   manila-services.sh down DIR          stop them all
#
# The "broker" is a way to RabbitMQ of Manila's own: without it Manila has no
# broker, and everybody else has.
#
# PORT_KEYSTONE, PORT_MANILA, PORT_BROKER: where they listen (25000, 28786,
# 25673: below the ports that the system gives to clients, any of which may be
# taken). PREFIX: the first part of the names of their databases (ns).
# MANILA_VENV: the virtual environment (DIR/venv).
# Everybody's password is "secret". Shares of type "dummy" and "slow" are NFS,
# the latter take 2 s to let a host in or out; those of type "cephfs" are
# CephFS; those of type "default" are of either protocol.
set -euo pipefail

# Nothing is compiled when it is installed, but when it is first imported.
unset PYTHONDONTWRITEBYTECODE
here=$(cd "$(dirname "$0")" && pwd)
usage='usage: manila-services.sh up|down DIR, or start|stop DIR NAME'
verb=${1:?$usage}
dir=${2:?$usage}
mkdir -p "$dir"/{etc,log,run,state,fernet,credential}
dir=$(cd "$dir" && pwd)
venv=${MANILA_VENV:-$dir/venv}
bin=$venv/bin
keystone=http://127.0.0.1:${PORT_KEYSTONE:=25000}/v3
manila=http://127.0.0.1:${PORT_MANILA:=28786}/v2
: "${PORT_BROKER:=25673}"
: "${PREFIX:=ns}"
database=mysql+pymysql://nova_shares:nova_shares@127.0.0.1:3306
processes=(broker keystone manila-api manila-share manila-scheduler)

. "$here/processes.sh"

start() {
    local name=$1
    alive "$name" && return 0
    case $name in
        broker)
            run broker "$bin/python" "$here/manila/forward.py" \
                "$PORT_BROKER" 5672 ;;
        keystone)
            export OS_KEYSTONE_CONFIG_DIR=$dir/etc
            web keystone "$PORT_KEYSTONE" keystone.wsgi.api
            listens keystone "$PORT_KEYSTONE" ;;
        manila-api)
            web manila-api "$PORT_MANILA" manila.wsgi.api \
                --pyargv "--config-file $dir/etc/manila.conf"
            listens manila-api "$PORT_MANILA" ;;
        manila-scheduler | manila-share)
            export PYTHONPATH=$here/manila
            run "$name" "$bin/$name" --config-file "$dir/etc/manila.conf" ;;
        *) echo "$usage" >&2; exit 2 ;;
    esac
}

install_packages() {
    local python
    if [ -x "$bin/manila-share" ] && [ -x "$bin/uwsgi" ]; then
        return 0
    fi
    for python in ${PYTHON:-python3.12 python3.11 python3}; do
        "$python" -c 'import ensurepip, ssl, venv' 2>/dev/null && break
    done
    "$python" -m venv "$venv"
    "$bin/pip" install -q --no-compile --disable-pip-version-check \
        manila==23.0.1 'keystone>=28,<31' uwsgi pymysql
}

configure() {
    cat >"$dir/etc/keystone.conf" <<CONF
[database]
connection = $database/${PREFIX}_keystone
[fernet_tokens]
key_repository = $dir/fernet
[fernet_receipts]
key_repository = $dir/fernet
[credential]
key_repository = $dir/credential
[cache]
enabled = true
backend = dogpile.cache.memory
[identity]
# The least there is: by default each password costs a quarter of a second.
password_hash_rounds = 4
CONF
    cat >"$dir/etc/manila.conf" <<CONF
[DEFAULT]
my_ip = 127.0.0.1
host = storage
transport_url = rabbit://nova_shares:nova_shares@127.0.0.1:$PORT_BROKER/${PREFIX}_manila
state_path = $dir/state
api_paste_config = $bin/../etc/manila/api-paste.ini
enabled_share_backends = dummy,slow,cephfs
enabled_share_protocols = NFS,CIFS,CEPHFS
default_share_type = default
auth_strategy = keystone
[dummy]
share_backend_name = dummy
driver_handles_share_servers = false
share_driver = manila.tests.share.drivers.dummy.DummyDriver
dummy_driver_default_driver_method_delay = 0
dummy_driver_driver_methods_delays = update_access:0
[slow]
share_backend_name = slow
driver_handles_share_servers = false
share_driver = manila.tests.share.drivers.dummy.DummyDriver
dummy_driver_default_driver_method_delay = 0
dummy_driver_driver_methods_delays = update_access:2
[cephfs]
share_backend_name = cephfs
driver_handles_share_servers = false
share_driver = cephfs_dummy.CephfsDummyDriver
dummy_driver_default_driver_method_delay = 0
dummy_driver_driver_methods_delays = update_access:0
[database]
connection = $database/${PREFIX}_manila
[oslo_concurrency]
lock_path = $dir/state
[keystone_authtoken]
www_authenticate_uri = $keystone
auth_type = password
auth_url = $keystone
username = manila
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles = service
service_token_roles_required = true
CONF
}

make_databases() {
    local manage="$bin/keystone-manage --config-file $dir/etc/keystone.conf"
    [ ! -e "$dir/run/databases" ] || return 0
    # What another directory's left behind has its keys and its addresses.
    mariadb -uroot -e "
        DROP DATABASE IF EXISTS ${PREFIX}_keystone;
        DROP DATABASE IF EXISTS ${PREFIX}_manila;
        CREATE DATABASE ${PREFIX}_keystone CHARACTER SET utf8mb3;
        CREATE DATABASE ${PREFIX}_manila CHARACTER SET utf8mb3;"
    # Its queues have the names that those of any Manila have.
    rabbitmqctl -q delete_vhost "${PREFIX}_manila" 2>/dev/null || true
    rabbitmqctl -q add_vhost "${PREFIX}_manila"
    rabbitmqctl -q set_permissions -p "${PREFIX}_manila" nova_shares '.*' '.*' '.*'
    $manage db_sync
    $manage fernet_setup --keystone-user root --keystone-group root
    $manage credential_setup --keystone-user root --keystone-group root
    $manage bootstrap --bootstrap-password secret \
        --bootstrap-region-id RegionOne --bootstrap-public-url "$keystone" \
        --bootstrap-internal-url "$keystone" --bootstrap-admin-url "$keystone"
    "$bin/manila-manage" --config-file "$dir/etc/manila.conf" db sync
    touch "$dir/run/databases"
}

# A scheduler that is there before them may miss what one of them tells of
# itself; when it starts it asks those that are there.
wait_for_back_ends() {
    local _
    for _ in $(seq 240); do
        rabbitmqctl -q list_queues -p "${PREFIX}_manila" name consumers 2>/dev/null |
            grep -q -E '^manila-share[[:space:]]+3$' && return 0
        sleep 0.5
    done
    echo 'the share back ends do not listen' >&2
    return 1
}

case $verb in
up)
    install_packages
    configure
    make_databases >"$dir/log/databases.log" 2>&1 ||
        { tail -20 "$dir/log/databases.log" >&2; exit 1; }
    for name in "${processes[@]}"; do
        [ "$name" != manila-scheduler ] || wait_for_back_ends
        start "$name"
    done
    "$bin/python" "$here/manila/populate.py" "$keystone" "$manila"
    echo "manila-services: Keystone and Manila are up; files in $dir"
    ;;
start) start "${3:?$usage}" ;;
stop) stop "${3:?$usage}" ;;
down) stop_all "${processes[@]}" ;;
*) echo "$usage" >&2; exit 2 ;;
esac
