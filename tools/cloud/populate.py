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

"""Makes what tools/cloud.sh's cloud has at first; does nothing that is done.

Usage: populate.py endpoints|contents KEYSTONE_URL PORTS

``endpoints`` are in the catalog before the services start; ``contents`` are
flavors and an image, once the hosts are there.
"""

import pathlib
import sys
import time

from keystoneauth1 import adapter

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "manila"))
import populate as manila

HOSTS = {"compute1", "compute2"}
#: By name: memory in MiB. Their ids are their names.
FLAVORS = {"small": 64, "large": 128}


def make_endpoints(identity, ports):
    for name, kind, where in (
        ("nova", "compute", "774/v2.1"),
        ("placement", "placement", "778"),
        ("glance", "image", "292"),
        ("neutron", "network", "696"),
    ):
        url = f"http://127.0.0.1:{ports}{where}"
        manila.make_endpoint(identity, name, kind, url)


def make_flavors(compute):
    known = {f["id"] for f in compute.get("/flavors").json()["flavors"]}
    for name in set(FLAVORS) - known:
        flavor = {"id": name, "ram": FLAVORS[name], "vcpus": 1, "disk": 1}
        body = {"flavor": {"name": name, **flavor}}
        compute.post("/flavors", json=body)


def make_image(image):
    if image.get("/v2/images?name=disk").json()["images"]:
        return
    body = {
        "name": "disk",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
    }
    made = image.post("/v2/images", json=body).json()
    image.put(
        f"/v2/images/{made['id']}/file",
        data=b"\0" * 1024,
        headers={"Content-Type": "application/octet-stream"},
    )


def wait_for_hosts(compute):
    end = time.monotonic() + 120
    while HOSTS - hosts(compute):
        if time.monotonic() > end:
            sys.exit(f"of {HOSTS} only {hosts(compute)} are up")
        time.sleep(0.5)


def hosts(compute):
    """List the hosts that Nova may place servers on."""
    found = compute.get("/os-hypervisors").json()["hypervisors"]
    return {
        one["hypervisor_hostname"] for one in found if one["state"] == "up"
    }


def main(what, keystone_url, ports):
    cloud, identity = manila.sign_in(keystone_url)
    if what == "endpoints":
        make_endpoints(identity, ports)
        return
    compute = adapter.Adapter(
        cloud, service_type="compute", default_microversion="2.96"
    )
    make_flavors(compute)
    make_image(adapter.Adapter(cloud, service_type="image"))
    wait_for_hosts(compute)


main(*sys.argv[1:])
