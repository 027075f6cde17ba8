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


"""Our configuration file, made of what nova.conf has for Nova.

nova.conf itself must not be one of our configuration files: its database,
its log file and half of its groups are Nova's.
"""

from __future__ import annotations

from collections.abc import Iterable

from oslo_config import cfg

#: Where Nova's user in Keystone is looked for, in this order.
_CREDENTIALS = ("service_user", "keystone_authtoken", "placement", "neutron")
_KEYS = (
    "auth_type",
    "auth_url",
    "username",
    "user_id",
    "password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "project_name",
    "project_id",
    "user_domain_name",
    "user_domain_id",
    "project_domain_name",
    "project_domain_id",
    "region_name",
    "cafile",
    "certfile",
    "keyfile",
    "insecure",
)
#: Options of oslo.messaging that have no group of their own.
_MESSAGING = (
    "rpc_response_timeout",
    "rpc_conn_pool_size",
    "conn_pool_min_size",
    "conn_pool_ttl",
    "executor_thread_pool_size",
)
#: How the broker is reached: TLS, quorum queues, heartbeats.
_DRIVERS = (
    "oslo_messaging_rabbit",
    "oslo_messaging_amqp",
    "oslo_messaging_kafka",
)
_HEAD = """\
# Made by nova-shares-manage, of {source}.

[DEFAULT]
# One bus for the API and the agents of all compute hosts; in a cloud of
# several cells it is one that all of them reach. Our exchange is our own.
transport_url = {transport_url}
"""
_DATABASE = """
[database]
# A database of our own, never Nova's. To be filled in:
# connection = mysql+pymysql://nova_shares:PASSWORD@HOST/nova_shares
"""

_Sections = dict[str, dict[str, list[str]]]


class Missing(Exception):
    """Names what a nova.conf does not have."""


def make(path: str) -> str:
    """Make the text of our configuration file.

    :param path: of nova.conf
    :raises Missing: when it has not what we need
    :raises oslo_config.cfg.Error: when it can't be read
    """
    sections: _Sections = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except OSError as e:
        raise cfg.ConfigFilesNotFoundError([path]) from e
    except UnicodeDecodeError as e:
        raise cfg.ConfigFileValueError(f"{path} is not in UTF-8: {e}") from e
    transport_url = _get(sections, "DEFAULT", "transport_url")
    if transport_url is None:
        raise Missing("[DEFAULT] transport_url")
    text = _HEAD.format(source=path, transport_url=transport_url)
    host = _get(sections, "DEFAULT", "host")
    if host is not None:
        text += f"# The name that Nova has for this host.\nhost = {host}\n"
    text += _lines(sections.get("DEFAULT", {}), _MESSAGING)
    for group in _DRIVERS:
        values = sections.get(group, {})
        if values:
            text += f"\n[{group}]\n{_lines(values, values)}"
    text += _DATABASE
    lines = _credentials(sections)
    return text + "".join(
        f"\n[{group}]\n{lines}" for group in ("nova", "manila")
    )


def _credentials(sections: _Sections) -> str:
    for group in _CREDENTIALS:
        if _get(sections, group, "auth_url") is not None:
            break
    else:
        raise Missing(f"auth_url in any of {', '.join(_CREDENTIALS)}")
    found = {key: _get(sections, group, key) for key in _KEYS}
    if found["region_name"] is None:
        for other in ("placement", "neutron"):
            found["region_name"] = found["region_name"] or _get(
                sections, other, "region_name"
            )
    return "".join(
        f"{key} = {value}\n"
        for key, value in found.items()
        if value is not None
    )


def _lines(values: dict[str, list[str]], keys: Iterable[str]) -> str:
    return "".join(
        f"{key} = {value}\n" for key in keys for value in values.get(key, ())
    )


def _get(sections: _Sections, group: str, key: str) -> str | None:
    values = sections.get(group, {}).get(key)
    return values[-1] if values else None
