# shellcheck shell=bash
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

# Sourced by the scripts that keep services running in a directory. They set:
#   dir  its name; run/NAME.pid and log/NAME.log are in it
#   bin  where uwsgi is
: "${dir:?}" "${bin:?}"

alive() {
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

run() { # name command...
    local name=$1
    shift
    setsid nohup "$@" >>"$dir/log/$name.log" 2>&1 </dev/null &
    echo $! >"$dir/run/$name.pid"
}

web() { # name port module [option...]
    local name=$1 port=$2 module=$3
    shift 3
    run "$name" "$bin/uwsgi" --http-socket "127.0.0.1:$port" \
        --module "$module:application" --processes 1 --threads 8 \
        --enable-threads --master --need-app --lazy-apps --die-on-term \
        --buffer-size 65535 --add-header 'Connection: close' "$@"
}

listens() { # name port
    local _
    for _ in $(seq 240); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
            return 0
        fi
        alive "$1" || break
        sleep 0.25
    done
    echo "$1 did not start; see $dir/log/$1.log" >&2
    return 1
}

stop() {
    local pid _
    alive "$1" || return 0
    pid=$(cat "$dir/run/$1.pid")
    # Each has a process group of its own. A stopped one must hear it.
    kill -TERM -- "-$pid"
    kill -CONT -- "-$pid"
    for _ in $(seq 40); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.25
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
    rm -f "$dir/run/$1.pid"
}

# Some take seconds to end.
stop_all() { # name...
    local name
    for name; do
        stop "$name" &
    done
    wait
}
