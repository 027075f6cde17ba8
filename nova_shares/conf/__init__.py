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

"""Our configuration: options in groups, in a ConfigOpts of our own.

Inside Nova's process Nova's global configuration stays untouched: every
caller makes its ConfigOpts with :func:`load` and hands it on. A module
registers a copy of its group, since oslo.config keeps in the group what the
options are set to: two ConfigOpts would share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from oslo_config import cfg

from nova_shares.conf import api
from nova_shares.conf import base
from nova_shares.conf import compute
from nova_shares.conf import database
from nova_shares.conf import hypervisor
from nova_shares.conf import manila
from nova_shares.conf import nova

PROJECT = "nova_shares"
#: The modules of options, in the order of the sample file.
GROUPS = (base, api, compute, database, hypervisor, manila, nova)


def new() -> cfg.ConfigOpts:
    """Make a ConfigOpts with all our options registered, not yet loaded."""
    conf = cfg.ConfigOpts()
    for module in GROUPS:
        module.register(conf)
    return conf


def load_file(path: Optional[str]) -> cfg.ConfigOpts:
    """Read the configuration that a paste file names.

    :param path: None: as found under /etc/nova-shares and the like
    :raises oslo_config.cfg.Error: when it can't be found or parsed
    """
    return load(files=None if path is None else [path])


def load(
    args: Sequence[str] = (),
    files: Optional[Sequence[str]] = None,
    conf: Optional[cfg.ConfigOpts] = None,
    prog: str = PROJECT.replace("_", "-"),
    version: Optional[str] = None,
) -> cfg.ConfigOpts:
    """Read the configuration.

    :param args: command line arguments
    :param files: the configuration files; None: those that are found under
        /etc/nova-shares and the like
    :param conf: a ConfigOpts of :func:`new` with options added to it
    :param prog: what ``--help`` calls the program
    :param version: what ``--version`` prints
    :raises oslo_config.cfg.Error: when a file can't be found or parsed
    """
    conf = conf or new()
    try:
        conf(
            list(args),
            project=PROJECT.replace("_", "-"),
            prog=prog,
            version=version,
            default_config_files=None if files is None else list(files),
            default_config_dirs=None if files is None else [],
        )
    except UnicodeDecodeError as e:
        raise cfg.ConfigFileValueError(
            f"a configuration file is not in UTF-8: {e}"
        ) from e
    return conf
