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

"""Writes tempest.conf for a cloud, from what the cloud says itself.

usage: configure.py FILE [GROUP.OPTION=VALUE...]
The account is an administrator's, in the OS_* variables.
"""

import configparser
import os
import sys

from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1.identity import v3


def main(path, *options):
    conf = configparser.RawConfigParser()
    conf.optionxform = str
    values = {**account(), **cloud(connect()), **shim()}
    values.update(option.split("=", 1) for option in options)
    for name, value in values.items():
        group, option = name.split(".")
        if group not in conf:
            conf.add_section(group)
        conf.set(group, option, value)
    with open(path, "w") as file:
        os.chmod(path, 0o600)
        conf.write(file)


def read(name, default=None):
    value = os.environ.get(f"OS_{name}", default)
    if value is None:
        sys.exit(f"configure.py: OS_{name} is not set.")
    return value


def connect():
    """Make a session of the administrator."""
    return session.Session(
        v3.Password(
            auth_url=read("AUTH_URL"),
            username=read("USERNAME"),
            password=read("PASSWORD"),
            user_domain_name=read("USER_DOMAIN_NAME", "Default"),
            project_name=read("PROJECT_NAME"),
            project_domain_name=read("PROJECT_DOMAIN_NAME", "Default"),
        )
    )


def account():
    domain = read("PROJECT_DOMAIN_NAME", "Default")
    region = read("REGION_NAME", "RegionOne")
    return {
        "DEFAULT.log_file": "tempest.log",
        "auth.use_dynamic_credentials": "True",
        "auth.create_isolated_networks": "False",
        "auth.admin_username": read("USERNAME"),
        "auth.admin_password": read("PASSWORD"),
        "auth.admin_project_name": read("PROJECT_NAME"),
        "auth.admin_domain_name": domain,
        "auth.default_credentials_domain_name": domain,
        "identity.uri_v3": read("AUTH_URL"),
        "identity.auth_version": "v3",
        "identity.region": region,
    }


def cloud(session):
    """Ask the cloud for images, flavors and versions."""

    def ask(service, path):
        region = read("REGION_NAME", "RegionOne")
        client = adapter.Adapter(
            session, service_type=service, region_name=region
        )
        return client.get(path).json()

    images = ask("image", "/v2/images?status=active")["images"]
    flavors = ask("compute", "/flavors/detail")["flavors"]
    small, other = sorted(flavors, key=lambda flavor: flavor["ram"])[:2]
    [share] = ask("shared-file-system", "")["versions"]
    return {
        "service_available.nova": "True",
        "service_available.manila": "True",
        "service_available.glance": "True",
        "service_available.cinder": "False",
        "service_available.neutron": "False",
        "service_available.swift": "False",
        "compute.image_ref": images[0]["id"],
        "compute.flavor_ref": small["id"],
        "compute.flavor_ref_alt": other["id"],
        "compute.min_microversion": "2.97",
        "compute.max_microversion": "latest",
        "compute.build_interval": "1",
        "compute-feature-enabled.resize": "True",
        "compute-feature-enabled.share_attachments": "True",
        "share.client_vm_flavor_ref": small["id"],
        # Then the scenarios create a type of their own.
        "share.default_share_type_name": "",
        "share.enable_protocols": "nfs,cephfs",
        "share.max_api_microversion": share["version"],
        "share.multitenancy_enabled": "False",
        "share.build_interval": "1",
        "share.image_with_share_tools": "",
    }


def shim():
    """Say what would be used by what the shim replaces."""
    return {"validation.run_validation": "False"}


if __name__ == "__main__":
    main(*sys.argv[1:])
