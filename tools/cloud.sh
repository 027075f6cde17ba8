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

# A small cloud on loopback, of real services from PyPI: Keystone and Manila
# as manila-services.sh has them, Placement, Glance, and Nova 34 with two
# compute hosts, over the MariaDB and RabbitMQ of services.sh. Our filters are
# in the pipeline of nova-api; an agent of ours is on each host. Guests are
# those of Nova's fake driver (cloud/hypervisor_driver.py): the agents see
# them start and stop in hypervisors of cloud/hypervisors.py, a process that
# outlives Nova and agents. Neutron is a stand-in: servers have no ports.
#
#   cloud.sh up DIR            install and start; files are in DIR
#   cloud.sh start DIR NAME... start some: placement, glance, neutron,
#   cloud.sh stop DIR NAME...  hypervisors, nova-conductor, nova-scheduler,
#                              nova-api, or on compute1 and compute2:
#                              nova-HOST, nova-shares-HOST; and what
#                              manila-services.sh has. Only when told so:
#                              nova-plain, a nova-api without our filters
#   cloud.sh down DIR          stop them all
#
# Users are admin, member and reader (of the project demo) and other (of the
# project other); everybody's password is "secret". DIR/clouds.yaml has them.
# What is in DIR/etc/nova-shares.d is configuration of the agents too.
#
# PORTS: where they listen, in thousands (26: nova-api at 26774, Keystone at
# 26000). PREFIX: the first part of the names of databases (nscloud).
# NOVA_VENV, MANILA_VENV: virtual environments, made if need be (.venv-nova34
# of the checkout, DIR/venv). DIR remembers them all.
set -euo pipefail

unset PYTHONDONTWRITEBYTECODE
here=$(cd "$(dirname "$0")" && pwd)
usage='usage: cloud.sh up|down DIR, or start|stop DIR NAME...'
verb=${1:?$usage}
dir=${2:?$usage}
mkdir -p "$dir"/etc/{nova,nova-plain,placement,glance,nova-shares.d} \
    "$dir"/{log,run,state,images}
dir=$(cd "$dir" && pwd)
settings=$dir/etc/settings
# shellcheck source=/dev/null
[ ! -e "$settings" ] || . "$settings"
: "${PORTS:=26}"
export PREFIX=${PREFIX:-nscloud} MANILA_VENV=${MANILA_VENV:-$dir/venv}
NOVA_VENV=${NOVA_VENV:-$(cd "$here/.." && pwd)/.venv-nova34}
declare -p PORTS PREFIX MANILA_VENV NOVA_VENV >"$settings"
export PORT_KEYSTONE=${PORTS}000 PORT_MANILA=${PORTS}786
export PORT_BROKER=${PORTS}673
keystone=http://127.0.0.1:$PORT_KEYSTONE/v3
nova=http://127.0.0.1:${PORTS}774
database=mysql+pymysql://nova_shares:nova_shares@127.0.0.1:3306/$PREFIX
rabbit=rabbit://nova_shares:nova_shares@127.0.0.1:5672/${PREFIX}_nova
hosts=(compute1 compute2)
# In the order in which they start.
processes=(hypervisors neutron placement glance nova-conductor nova-api
    nova-scheduler nova-compute{1,2} nova-shares-compute{1,2})
bin=$MANILA_VENV/bin

. "$here/processes.sh"

start() {
    local name=$1 host=${1##*-}
    alive "$name" && return 0
    # The hypervisors and the agents are of this checkout.
    export PYTHONPATH=$here/..
    case $name in
        hypervisors)
            run "$name" "$NOVA_VENV/bin/python" "$here/cloud/hypervisors.py" \
                "${hosts[@]/#/$dir/run/}" ;;
        neutron)
            run "$name" "$bin/python" "$here/devstack/neutron.py" \
                "${PORTS}696"
            listens "$name" "${PORTS}696" ;;
        placement)
            export OS_PLACEMENT_CONFIG_DIR=$dir/etc/placement
            bin=$NOVA_VENV/bin web "$name" "${PORTS}778" placement.wsgi.api ;;
        glance)
            export OS_GLANCE_CONFIG_DIR=$dir/etc/glance
            export OS_GLANCE_CONFIG_FILES=glance-api.conf
            web "$name" "${PORTS}292" glance.wsgi.api ;;
        nova-api)
            export OS_NOVA_CONFIG_DIR=$dir/etc/nova
            bin=$NOVA_VENV/bin web "$name" "${PORTS}774" \
                nova.wsgi.osapi_compute --threads 32 ;;
        nova-plain)
            export OS_NOVA_CONFIG_DIR=$dir/etc/nova-plain
            bin=$NOVA_VENV/bin web "$name" "${PORTS}775" \
                nova.wsgi.osapi_compute --threads 32 ;;
        nova-conductor | nova-scheduler)
            run "$name" "$NOVA_VENV/bin/$name" \
                --config-file "$dir/etc/nova/nova.conf" ;;
        nova-compute[12])
            export HYPERVISOR=$dir/run/$host
            run "$name" "$NOVA_VENV/bin/python" "$here/cloud/nova_compute.py" \
                --config-file "$dir/etc/nova/nova.conf" \
                --config-file "$dir/etc/nova/$host.conf" ;;
        nova-shares-compute[12])
            run "$name" "$NOVA_VENV/bin/nova-shares-compute" \
                --config-file "$dir/etc/nova-shares.conf" \
                --config-file "$dir/etc/nova-shares-$host.conf" \
                --config-dir "$dir/etc/nova-shares.d" ;;
        *) "$here/manila-services.sh" start "$dir" "$name" ;;
    esac
}

install_packages() {
    "$here/nova-venv.sh" "$NOVA_VENV" 34
    { [ -x "$bin/glance-manage" ] && "$bin/python" -c 'import cheroot'; } \
        2>/dev/null ||
        "$bin/pip" install -q --no-compile --disable-pip-version-check \
            glance==33.0.0 cheroot
}

auth() { # user
    cat <<CONF
auth_type = password
auth_url = $keystone
username = $1
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
CONF
}

token() { # user
    cat <<CONF
[keystone_authtoken]
www_authenticate_uri = $keystone
$(auth "$1")
service_token_roles = service
service_token_roles_required = true
CONF
}

configure() {
    local number host
    cat >"$dir/etc/placement/placement.conf" <<CONF
[placement_database]
connection = ${database}_placement
sync_on_startup = true
[api]
auth_strategy = keystone
$(token nova)
CONF
    cp "$bin/../etc/glance/glance-api-paste.ini" "$dir/etc/glance/"
    cat >"$dir/etc/glance/glance-api.conf" <<CONF
[DEFAULT]
enabled_backends = images:file
[database]
connection = ${database}_glance
[glance_store]
default_backend = images
[images]
filesystem_store_datadir = $dir/images
[paste_deploy]
flavor = keystone
$(token nova)
CONF
    cat >"$dir/etc/nova/nova.conf" <<CONF
[DEFAULT]
my_ip = 127.0.0.1
transport_url = $rabbit
compute_driver = hypervisor_driver.HypervisorDriver
state_path = $dir/state
sync_power_state_interval = -1
periodic_fuzzy_delay = 0
[api_database]
connection = ${database}_nova_api
[database]
connection = ${database}_nova_cell1
[oslo_concurrency]
lock_path = $dir/state/locks
[oslo_messaging_rabbit]
rabbit_quorum_queue = false
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 2
[filter_scheduler]
track_instance_changes = false
[compute]
resource_provider_association_refresh = 0
[quota]
driver = nova.quota.NoopQuotaDriver
[vnc]
enabled = false
[placement]
$(auth nova)
[glance]
$(auth nova)
[neutron]
$(auth nova)
[manila]
$(auth nova)
[service_user]
send_service_user_token = true
$(auth nova)
$(token nova)
CONF
    cat >"$dir/etc/nova-shares.conf" <<CONF
[DEFAULT]
transport_url = $rabbit
state_path = $dir/state
[database]
connection = ${database}_shares
[api]
# Nova 34 has server shares too, which are not those that are to be seen.
serve = always
# Tests send eight requests of a project at a time.
max_concurrent_requests = 12
[compute]
virt_driver = fake
[nova]
$(auth nova-shares)
[manila]
$(auth nova-shares)
CONF
    for number in 1 2; do
        host=compute$number
        mkdir -p "$dir/state/$host"
        cat >"$dir/etc/nova/$host.conf" <<CONF
[DEFAULT]
host = $host
my_ip = 127.0.0.$number
state_path = $dir/state/$host
CONF
        cat >"$dir/etc/nova-shares-$host.conf" <<CONF
[DEFAULT]
host = $host
my_ip = 127.0.0.$number
state_path = $dir/state/$host
[compute]
fake_hypervisor = $dir/run/$host
CONF
    done
    cp "$NOVA_VENV/etc/nova/api-paste.ini" "$dir/etc/nova/"
    cp "$NOVA_VENV/etc/nova/api-paste.ini" "$dir/etc/nova-plain/"
    ln -sf ../nova/nova.conf "$dir/etc/nova-plain/"
    shares_manage paste install --paste-file "$dir/etc/nova/api-paste.ini" \
        --our-file "$dir/etc/nova-shares.conf" >/dev/null
    write_clouds
}

write_clouds() {
    local user project
    echo clouds:
    while read -r user project; do
        cat <<YAML
  $user:
    auth:
      auth_url: $keystone
      username: $user
      password: secret
      project_name: $project
      user_domain_name: Default
      project_domain_name: Default
    region_name: RegionOne
YAML
    done <<USERS
admin admin
member demo
reader demo
other other
USERS
} >"$dir/clouds.yaml"

nova_manage() {
    "$NOVA_VENV/bin/nova-manage" --config-file "$dir/etc/nova/nova.conf" "$@"
}

shares_manage() {
    PYTHONPATH=$here/.. "$NOVA_VENV/bin/nova-shares-manage" \
        --config-file "$dir/etc/nova-shares.conf" "$@"
}

make_databases() {
    local name
    [ ! -e "$dir/run/nova-databases" ] || return 0
    for name in placement glance nova_api nova_cell0 nova_cell1 shares; do
        mariadb -uroot -e "
            DROP DATABASE IF EXISTS ${PREFIX}_$name;
            CREATE DATABASE ${PREFIX}_$name CHARACTER SET utf8mb3;"
    done
    rabbitmqctl -q delete_vhost "${PREFIX}_nova" 2>/dev/null || true
    rabbitmqctl -q add_vhost "${PREFIX}_nova"
    rabbitmqctl -q set_permissions -p "${PREFIX}_nova" nova_shares \
        '.*' '.*' '.*'
    "$bin/glance-manage" --config-file "$dir/etc/glance/glance-api.conf" \
        db_sync
    shares_manage db sync
    nova_manage api_db sync
    nova_manage cell_v2 map_cell0 \
        --database_connection "${database}_nova_cell0"
    nova_manage db sync
    nova_manage cell_v2 create_cell --name cell1
    touch "$dir/run/nova-databases"
}

# What is asked before a service listens is lost, or asked again after a while.
wait_for_listeners() { # queue...
    local name _
    for _ in $(seq 120); do
        rabbitmqctl -q list_queues -p "${PREFIX}_nova" name consumers \
            >"$dir/run/queues" 2>/dev/null || true
        for name; do
            grep -q -E "^${name}[[:space:]]+[1-9]" "$dir/run/queues" ||
                continue 2
        done
        return 0
    done
    echo "nothing listens at all of: $*" >&2
    return 1
}

populate() {
    "$bin/python" "$here/cloud/populate.py" "$1" "$keystone" "$PORTS"
}

case $verb in
up)
    "$here/manila-services.sh" up "$dir"
    install_packages
    configure
    make_databases >"$dir/log/nova-databases.log" 2>&1 ||
        { tail -20 "$dir/log/nova-databases.log" >&2; exit 1; }
    populate endpoints
    for name in "${processes[@]}"; do
        (start "$name")
        [ "$name" != nova-conductor ] || wait_for_listeners conductor
    done
    populate contents
    wait_for_listeners scheduler "${hosts[@]/#/compute.}" \
        "${hosts[@]/#/nova_shares_agent.}"
    cat <<TEXT
cloud: Nova is up at $nova/v2.1; files in $dir. To use it:
  export OS_CLIENT_CONFIG_FILE=$dir/clouds.yaml OS_CLOUD=member
  openstack server create --image disk --flavor small --network none guest
  openstack share create --name data --share-type default NFS 1
  openstack server stop guest
  openstack --os-compute-api-version 2.97 server add share guest data
TEXT
    ;;
start)
    : "${3:?$usage}"
    for name in "${@:3}"; do
        (start "$name")
    done
    ;;
stop)
    : "${3:?$usage}"
    stop_all "${@:3}"
    ;;
down)
    stop_all "${processes[@]}" nova-plain
    "$here/manila-services.sh" down "$dir"
    ;;
*) echo "$usage" >&2; exit 2 ;;
esac
