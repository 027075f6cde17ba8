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

# Starts the servers that the functional-services tests need, and makes what
# the tests use in them: MariaDB, PostgreSQL and RabbitMQ on loopback. Installs
# HAProxy, which tests start. For a throw-away machine: runs as root, installs
# with apt what is missing, needs no init system. What listens already is used
# as it is.
set -euo pipefail

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_port() {
    local _
    for _ in $(seq 240); do
        listening "$1" && return 0
        sleep 0.5
    done
    echo "nothing listens on port $1 after two minutes" >&2
    return 1
}

missing=()
listening 3306 || command -v mariadbd >/dev/null ||
    missing+=(mariadb-server)
listening 5432 || command -v pg_ctlcluster >/dev/null ||
    missing+=(postgresql)
listening 5672 || command -v rabbitmq-server >/dev/null ||
    missing+=(rabbitmq-server)
listening 3306 && ! command -v mariadb >/dev/null &&
    missing+=(mariadb-client)
listening 5432 && ! command -v psql >/dev/null &&
    missing+=(postgresql-client)
[ -x /usr/sbin/haproxy ] || missing+=(haproxy)
if [ ${#missing[@]} -gt 0 ]; then
    echo "services: installing ${missing[*]}"
    "$(dirname "$0")/apt-install.sh" "${missing[@]}"
fi

if ! listening 3306; then
    echo 'services: starting MariaDB'
    install -d -o mysql -g mysql /run/mysqld
    setsid mariadbd --user=mysql --bind-address=127.0.0.1 \
        </dev/null >/dev/null 2>&1 &
    wait_port 3306
fi

if ! listening 5432; then
    echo 'services: starting PostgreSQL'
    version=$(pg_lsclusters -h | awk '$3 == 5432 {print $1; exit}')
    if [ -z "$version" ]; then
        version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 \
            -printf '%f\n' | sort -V | tail -1)
        pg_createcluster "$version" main --port 5432 >/dev/null
    fi
    pg_ctlcluster "$version" main start -- -o '-c max_connections=400'
    wait_port 5432
fi

if ! listening 5672; then
    echo 'services: starting RabbitMQ'
    RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 setsid rabbitmq-server \
        </dev/null >/dev/null 2>&1 &
    wait_port 5672
fi

# Tests make and drop databases of their own, several at a time.
mariadb -uroot <<'SQL'
SET GLOBAL max_connections = 1000;
CREATE USER IF NOT EXISTS 'nova_shares'@'localhost'
    IDENTIFIED BY 'nova_shares';
CREATE USER IF NOT EXISTS 'nova_shares'@'127.0.0.1'
    IDENTIFIED BY 'nova_shares';
GRANT ALL ON *.* TO 'nova_shares'@'localhost';
GRANT ALL ON *.* TO 'nova_shares'@'127.0.0.1';
CREATE DATABASE IF NOT EXISTS nova_shares CHARACTER SET utf8mb4;
SQL

postgres() { (cd / && runuser -u postgres -- psql -qAt "$@"); }
role=$(postgres -c "SELECT 1 FROM pg_roles WHERE rolname = 'nova_shares'")
if [ -z "$role" ]; then
    postgres -c "CREATE ROLE nova_shares LOGIN CREATEDB
        PASSWORD 'nova_shares'"
fi
database=$(postgres -c \
    "SELECT 1 FROM pg_database WHERE datname = 'nova_shares'")
if [ -z "$database" ]; then
    postgres -c 'CREATE DATABASE nova_shares OWNER nova_shares'
fi

for _ in $(seq 60); do
    rabbitmqctl -q await_startup >/dev/null 2>&1 && break
    sleep 1
done
rabbitmqctl -q add_user nova_shares nova_shares 2>/dev/null || true
rabbitmqctl -q set_permissions nova_shares '.*' '.*' '.*'
echo 'services: MariaDB, PostgreSQL and RabbitMQ are up'
