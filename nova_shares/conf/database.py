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

"""Options of the database: those of oslo.db that we use."""

from __future__ import annotations

import copy

from oslo_config import cfg
from oslo_db import options as db_options

GROUP = cfg.OptGroup("database", title="Database of nova_shares")
#: A request inside Nova's process must not wait: no option of oslo.db that
#: would make it try again for long is taken over.
_USED = (
    "connection",
    "connection_recycle_time",
    "max_pool_size",
    "max_overflow",
    "pool_timeout",
    "mysql_sql_mode",
)
OPTS = [opt for opt in db_options.database_opts if opt.name in _USED]


def register(conf: cfg.ConfigOpts) -> None:
    conf.register_group(copy.deepcopy(GROUP))
    conf.register_opts(OPTS, group=GROUP)
    # oslo.db's default of None would wait 30 s for a free connection.
    conf.set_default("pool_timeout", 2, group="database")
    conf.set_default("max_pool_size", 10, group="database")


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    return [(GROUP, OPTS)]
