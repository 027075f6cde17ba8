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

# What stack.sh, unstack.sh and clean.sh of DevStack do for a plugin: each is a
# process of its own, of the user stack, and calls the plugin in its phases.
# Beside it, as much of Nova as the phases need. run.sh calls it.
#
#   devstack.sh stack|unstack|clean DIR    DIR/localrc has the variables
script=$1
HARNESS_DIR=$2
HARNESS=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
source "$HARNESS_DIR/localrc"
export PATH
source "$HARNESS/functions"

# What none of these scripts source, unstack.sh and clean.sh do not have.
case $script in
    stack) absent='' ;;
    unstack) absent='lib/database lib/rpc_backend lib/tempest stack.sh' ;;
    clean) absent='lib/tempest stack.sh' ;;
esac
declare -A defined_in
while read -r file name; do
    defined_in[$name]=$file
done < <(grep '^[a-z]' "$HARNESS/names")
for name in $(compgen -A function); do
    file=${defined_in[$name]:-}
    if [[ "$name" != _* && -z "$file" ]]; then
        echo "$name: not a function of DevStack" >>"$HARNESS_DIR/faults"
    elif [[ -n "$file" && " $absent " == *" $file "* ]]; then
        unset -f "$name"
    fi
done

function command_not_found_handle {
    local known=${defined_in[$1]:+", a function of DevStack that $script.sh or the harness lacks"}
    echo "$1: not found$known" | tee -a "$HARNESS_DIR/faults" >&2
    return 127
}

function _run_phase {
    echo "=== $*"
    source "$NOVA_SHARES_DIR/devstack/plugin.sh" "$@"
}

# What configure_nova leaves, with databases where nova-api is.
function _configure_nova {
    sudo install -d -o "$STACK_USER" "$NOVA_CONF_DIR"
    rm -f "$NOVA_CONF"
    iniset "$NOVA_CONF" wsgi api_paste_config "$NOVA_API_PASTE_INI"
    iniset "$NOVA_CONF" DEFAULT my_ip "$HOST_IP"
    iniset_rpc_backend nova "$NOVA_CONF"
    if is_service_enabled n-api; then
        cp "$DEVSTACK_VENV/etc/nova/api-paste.ini" "$NOVA_CONF_DIR"
        iniset "$NOVA_CONF" database connection \
            "$(database_connection_url "${HARNESS_NAME}_nova_cell1")"
        iniset "$NOVA_CONF" api_database connection \
            "$(database_connection_url "${HARNESS_NAME}_nova_api")"
        configure_keystone_authtoken_middleware "$NOVA_CONF" nova
        configure_keystoneauth "$NOVA_CONF" nova neutron
        iniset "$NOVA_CONF" neutron endpoint_override "$HARNESS_NEUTRON"
    fi
}

function _start_nova {
    if is_service_enabled n-api; then
        write_uwsgi_config "$NOVA_CONF_DIR/uwsgi.ini" nova:application "" \
            "$HARNESS_NOVA" nova-api
        # Nova 30 has a script, not a module.
        inidelete "$NOVA_CONF_DIR/uwsgi.ini" uwsgi module
        iniset "$NOVA_CONF_DIR/uwsgi.ini" uwsgi wsgi-file \
            "$DEVSTACK_VENV/bin/nova-api-wsgi"
        run_process n-api "$(command -v uwsgi) --ini $NOVA_CONF_DIR/uwsgi.ini" \
            "" "" "OS_NOVA_CONFIG_DIR=$NOVA_CONF_DIR"
        wait_for_service "$SERVICE_TIMEOUT" "http://$HARNESS_NOVA"
    fi
    if is_service_enabled n-cpu; then
        cp "$NOVA_CONF" "$NOVA_CPU_CONF"
    fi
}

function _run {
    case $script in
        stack)
            initialize_database_backends
            _run_phase stack pre-install
            _run_phase stack install
            _configure_nova
            _run_phase stack post-config
            _start_nova
            _run_phase stack extra
            _run_phase stack test-config
            ;;
        unstack)
            _run_phase unstack
            stop_process n-api
            ;;
        clean)
            _run_phase clean
            ;;
    esac
}

source "$NOVA_SHARES_DIR/devstack/settings"
# As there: stack.sh ends at the first failure, the others go on.
if [[ "$script" == stack ]]; then
    set -o errexit -o errtrace
    trap 'echo "failed: $BASH_COMMAND" >&2' ERR
fi
_run
