#!/bin/bash
#
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

# plugin.sh: what DevStack calls in each of its phases. Settings are in
# settings, functions in lib/nova-shares.

# Save trace setting
_XTRACE_NOVA_SHARES_PLUGIN=$(set +o | grep xtrace)
set +o xtrace

source "$NOVA_SHARES_DIR/devstack/lib/nova-shares"

$_XTRACE_NOVA_SHARES_PLUGIN

if is_service_enabled nova-shares-api nova-shares-compute; then
    if [[ "$1" == "stack" && "$2" == "pre-install" ]]; then
        check_nova_shares_settings
        if is_nova_shares_on_libvirt; then
            echo_summary "Installing packages for nova-shares"
            install_nova_shares_packages
        fi

    elif [[ "$1" == "stack" && "$2" == "install" ]]; then
        echo_summary "Installing nova-shares"
        install_nova_shares

    elif [[ "$1" == "stack" && "$2" == "post-config" ]]; then
        echo_summary "Configuring nova-shares"
        # Without unstack.sh in between, they run with the earlier database.
        stop_nova_shares
        configure_nova_shares
        if is_service_enabled nova-shares-api; then
            create_nova_shares_accounts
            init_nova_shares
            configure_nova_shares_api
        fi
        if is_service_enabled nova-shares-compute; then
            configure_nova_shares_compute
        fi

    elif [[ "$1" == "stack" && "$2" == "extra" ]]; then
        echo_summary "Starting nova-shares"
        start_nova_shares

    elif [[ "$1" == "stack" && "$2" == "test-config" ]]; then
        if is_service_enabled tempest; then
            echo_summary "Configuring tempest for nova-shares"
            configure_nova_shares_tempest
        fi

    elif [[ "$1" == "unstack" ]]; then
        stop_nova_shares

    elif [[ "$1" == "clean" ]]; then
        if is_service_enabled nova-shares-api; then
            cleanup_nova_shares_api
        fi
        if is_service_enabled nova-shares-compute; then
            cleanup_nova_shares_compute
        fi
        sudo rm -rf "$NOVA_SHARES_CONF_DIR"
    fi
fi
