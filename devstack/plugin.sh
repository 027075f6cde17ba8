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

# The devstack plugin: enable_plugin nova-shares <repository>

XTRACE=$(set +o | grep xtrace)
set -o xtrace

function install_nova_shares {
    if is_service_enabled nova-shares-compute &&
            [[ "$NOVA_SHARES_VIRT_DRIVER" == libvirt ]]; then
        install_package libvirt-dev pkg-config nfs-common ceph-common
        setup_develop "$NOVA_SHARES_DIR" agent
    else
        setup_develop "$NOVA_SHARES_DIR"
    fi
}

# The credentials of the service user, for each service that is called.
function configure_nova_shares_user {
    local group
    for group in manila nova; do
        iniset "$NOVA_SHARES_CONF" $group auth_type password
        iniset "$NOVA_SHARES_CONF" $group auth_url "$KEYSTONE_SERVICE_URI"
        iniset "$NOVA_SHARES_CONF" $group username nova-shares
        iniset "$NOVA_SHARES_CONF" $group password "$SERVICE_PASSWORD"
        iniset "$NOVA_SHARES_CONF" $group project_name \
            "$SERVICE_PROJECT_NAME"
        iniset "$NOVA_SHARES_CONF" $group user_domain_name \
            "$SERVICE_DOMAIN_NAME"
        iniset "$NOVA_SHARES_CONF" $group project_domain_name \
            "$SERVICE_DOMAIN_NAME"
        iniset "$NOVA_SHARES_CONF" $group region_name "$REGION_NAME"
    done
}

function configure_nova_shares_filter {
    local paste=$NOVA_CONF_DIR/api-paste.ini
    iniset "$paste" filter:nova_shares use egg:nova-shares
    iniset "$paste" filter:nova_shares config_file "$NOVA_SHARES_CONF"
    iniset "$paste" filter:nova_shares_versions use egg:nova-shares#versions
    iniset "$paste" filter:nova_shares_versions config_file \
        "$NOVA_SHARES_CONF"
    iniset "$paste" composite:osapi_compute filter-with nova_shares_versions
    iniset "$paste" app:osapi_compute_app_v21 filter-with nova_shares
}

function configure_nova_shares_mounts {
    local helper
    helper=$(command -v nova-shares-mount-helper)
    echo "$STACK_USER ALL=(root) NOPASSWD: $helper" |
        sudo tee /etc/sudoers.d/nova-shares >/dev/null
    sudo chmod 0440 /etc/sudoers.d/nova-shares
}

function configure_nova_shares {
    sudo install -d -o "$STACK_USER" "$NOVA_SHARES_CONF_DIR" \
        "$NOVA_SHARES_STATE"
    rm -f "$NOVA_SHARES_CONF"
    iniset "$NOVA_SHARES_CONF" DEFAULT host "$(hostname)"
    iniset "$NOVA_SHARES_CONF" DEFAULT my_ip "$HOST_IP"
    iniset "$NOVA_SHARES_CONF" DEFAULT state_path "$NOVA_SHARES_STATE"
    iniset "$NOVA_SHARES_CONF" DEFAULT debug "$ENABLE_DEBUG_LOG_LEVEL"
    iniset "$NOVA_SHARES_CONF" database connection \
        "$(database_connection_url nova_shares)"
    iniset "$NOVA_SHARES_CONF" compute virt_driver "$NOVA_SHARES_VIRT_DRIVER"
    iniset "$NOVA_SHARES_CONF" hypervisor nova_conf "$NOVA_CPU_CONF"
    iniset_rpc_backend nova-shares "$NOVA_SHARES_CONF"
    configure_nova_shares_user
    if is_service_enabled nova-shares-compute; then
        configure_nova_shares_mounts
    fi
    if ! is_service_enabled nova-shares-api; then
        return
    fi
    if [[ "$NOVA_SHARES_FILTER" == True ]]; then
        configure_nova_shares_filter
    else
        configure_keystone_authtoken_middleware "$NOVA_SHARES_CONF" \
            nova-shares
        write_uwsgi_config "$NOVA_SHARES_UWSGI_CONF" \
            "nova_shares.wsgi.api:application" "/server-shares" "" \
            "nova-shares-api"
    fi
}

function create_nova_shares_accounts {
    create_service_user "nova-shares" "admin"
}

function init_nova_shares {
    recreate_database nova_shares
    "$NOVA_SHARES_BIN_DIR/nova-shares-manage" \
        --config-file "$NOVA_SHARES_CONF" db sync
}

function start_nova_shares {
    if is_service_enabled nova-shares-api &&
            [[ "$NOVA_SHARES_FILTER" != True ]]; then
        run_process nova-shares-api "$(which uwsgi) --procname-prefix \
nova-shares-api --ini $NOVA_SHARES_UWSGI_CONF"
    fi
    if is_service_enabled nova-shares-compute; then
        run_process nova-shares-compute \
            "$NOVA_SHARES_BIN_DIR/nova-shares-compute \
--config-file $NOVA_SHARES_CONF" "$LIBVIRT_GROUP"
    fi
}

function stop_nova_shares {
    stop_process nova-shares-compute
    stop_process nova-shares-api
}

function cleanup_nova_shares {
    sudo rm -rf "$NOVA_SHARES_CONF_DIR" "$NOVA_SHARES_STATE" \
        /etc/sudoers.d/nova-shares
}

NOVA_SHARES_BIN_DIR=$(get_python_exec_prefix)

if [[ "$1" == stack && "$2" == install ]]; then
    install_nova_shares
elif [[ "$1" == stack && "$2" == post-config ]]; then
    create_nova_shares_accounts
    configure_nova_shares
    init_nova_shares
elif [[ "$1" == stack && "$2" == extra ]]; then
    start_nova_shares
elif [[ "$1" == unstack ]]; then
    stop_nova_shares
elif [[ "$1" == clean ]]; then
    cleanup_nova_shares
fi

$XTRACE
