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

"""Makes users, endpoints and share types; does nothing that is done.

Usage: populate.py KEYSTONE_URL MANILA_URL
"""

import sys
import time

from keystoneauth1 import adapter
from keystoneauth1 import session
from keystoneauth1.identity import v3

#: By user: the project and the roles in it.
USERS = {
    "member": ("demo", ("member",)),
    "reader": ("demo", ("reader",)),
    "other": ("other", ("member",)),
    "manila": ("service", ("admin", "service")),
    "nova": ("service", ("admin", "service")),
    "nova-shares": ("service", ("admin", "service")),
}
BACKENDS = ("dummy", "slow", "cephfs")
#: Share types by name: the back end. Each back end has one of its name; the
#: default one has what the share's protocol requires.
TYPES = {
    **{name: name for name in BACKENDS},
    "default": "<or> dummy <or> cephfs",
}


def find_or_make(identity, kind, name, **fields):
    """Get the id of what has a name, after making it if need be."""
    found = identity.get(f"/{kind}s?name={name}").json()[f"{kind}s"]
    if not found:
        body = {kind: {"name": name, **fields}}
        found = [identity.post(f"/{kind}s", json=body).json()[kind]]
    return found[0]["id"]


def make_users(identity):
    for name, (project_name, roles) in USERS.items():
        project = find_or_make(identity, "project", project_name)
        user = find_or_make(identity, "user", name, password="secret")
        for role_name in roles:
            role = find_or_make(identity, "role", role_name)
            identity.put(f"/projects/{project}/users/{user}/roles/{role}")


def make_endpoint(identity, name, kind, url):
    """Make a service with an endpoint, the same for everybody."""
    service = find_or_make(identity, "service", name, type=kind)
    path = f"/endpoints?service_id={service}"
    if not identity.get(path).json()["endpoints"]:
        for interface in ("public", "internal", "admin"):
            endpoint = {
                "service_id": service,
                "interface": interface,
                "url": url,
                "region_id": "RegionOne",
            }
            identity.post("/endpoints", json={"endpoint": endpoint})


def make_types(manila):
    """Make the share types, and wait until the scheduler knows the pools."""
    known = manila.get("/types").json()["share_types"]
    for name in set(TYPES) - {known["name"] for known in known}:
        specs = {
            "driver_handles_share_servers": "False",
            "share_backend_name": TYPES[name],
        }
        share_type = {
            "name": name,
            "extra_specs": specs,
            "share_type_access:is_public": True,
        }
        manila.post("/types", json={"share_type": share_type})
    end = time.monotonic() + 300
    while not has_pools(manila):
        if time.monotonic() > end:
            sys.exit("the share back ends did not come up")
        time.sleep(0.5)


def has_pools(manila):
    """Tell whether each back end has reported its pool."""
    # A scheduler that has not started yet lets the API time out: a 500.
    response = manila.get("/scheduler-stats/pools", raise_exc=False)
    return response.status_code == 200 and len(
        response.json()["pools"]
    ) >= len(BACKENDS)


def sign_in(url, user="admin", project="admin"):
    """Make a user's session, and an adapter of Keystone with it."""
    auth = v3.Password(
        url,
        username=user,
        password="secret",
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    cloud = session.Session(auth)
    return cloud, adapter.Adapter(cloud, endpoint_override=url)


def main(keystone_url, manila_url):
    cloud, keystone = sign_in(keystone_url)
    make_users(keystone)
    make_endpoint(keystone, "manila", "shared-file-system", manila_url)
    make_types(
        adapter.Adapter(
            cloud,
            endpoint_override=manila_url,
            additional_headers={"X-OpenStack-Manila-API-Version": "2.82"},
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
