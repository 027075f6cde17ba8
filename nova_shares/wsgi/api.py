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

"""The service as uWSGI loads it: ``nova_shares.wsgi.api:application``.

Its configuration is what OS_NOVA_SHARES_CONFIG_FILES names, files with a
semicolon between them, in OS_NOVA_SHARES_CONFIG_DIR if that is set; with
that alone nova-shares.conf in it; with neither, what is found under
/etc/nova-shares.
"""

from __future__ import annotations

from collections.abc import Mapping
import os

from oslo_log import log as logging

from nova_shares import conf as nova_shares_conf
from nova_shares.api import deploy
from nova_shares.clients.nova import WSGIApp


def _config_files(environ: Mapping[str, str]) -> list[str] | None:
    directory = environ.get("OS_NOVA_SHARES_CONFIG_DIR", "").strip()
    names = environ.get("OS_NOVA_SHARES_CONFIG_FILES", "").strip()
    if not directory and not names:
        return None
    return [
        os.path.join(directory, name.strip())
        for name in (names or "nova-shares.conf").split(";")
        if name.strip()
    ]


def init_application(environ: Mapping[str, str]) -> WSGIApp:
    """Make the service, and set up its logging.

    :raises oslo_config.cfg.Error: when a file can't be found or parsed
    """
    conf = nova_shares_conf.new()
    logging.register_options(conf)
    nova_shares_conf.load(files=_config_files(environ), conf=conf)
    logging.setup(conf, nova_shares_conf.PROJECT)
    return deploy.make_service(conf)


application = init_application(os.environ)
