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

"""What users and administrators do, with openstacksdk.

    client.py ids                     print the IDs of project and user
    client.py share                   create a share, print its ID
    client.py attach SERVER SHARE     attach it, wait until that is done
    client.py wait SERVER SHARE STATUS
    client.py detach SERVER SHARE     detach it, wait until that is done
    client.py delete SHARE
    client.py user NAME PASSWORD PROJECT ROLE...
                                      create a user, if there is none
    client.py compute [URL]           set Nova's endpoint, or delete it

OS_COMPUTE_ENDPOINT_OVERRIDE: Nova's endpoint, if not that of the catalog.
"""

import os
import sys
import time

import openstack

LIMIT = 60


def main(verb, *args):
    options = {"compute_default_microversion": "2.97"}
    endpoint = os.environ.get("OS_COMPUTE_ENDPOINT_OVERRIDE")
    if endpoint:
        options["compute_endpoint_override"] = endpoint
    cloud = openstack.connect(
        auth_url=os.environ["OS_AUTH_URL"],
        username=os.environ["OS_USERNAME"],
        password=os.environ["OS_PASSWORD"],
        project_name=os.environ["OS_PROJECT_NAME"],
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
        **options,
    )
    VERBS[verb](cloud, *args)


def ids(cloud):
    print(cloud.session.get_project_id(), cloud.session.get_user_id())


def share(cloud):
    made = cloud.shared_file_system.create_share(
        share_protocol="NFS", size=1, share_type="dummy", name="devstack"
    )
    cloud.shared_file_system.wait_for_status(
        made, "available", wait=LIMIT, interval=0.5
    )
    print(made.id)


def attach(cloud, server_id, share_id):
    cloud.compute.create_share_attachment(server_id, share_id)
    wait(cloud, server_id, share_id, "inactive")


def detach(cloud, server_id, share_id):
    cloud.compute.delete_share_attachment(server_id, share_id)
    wait(cloud, server_id, share_id, None)


def wait(cloud, server_id, share_id, status):
    end = time.monotonic() + LIMIT
    while True:
        found = {
            attachment.share_id: attachment.status
            for attachment in cloud.compute.share_attachments(server_id)
        }.get(share_id)
        if found == status:
            return
        if time.monotonic() > end:
            sys.exit(f"share {share_id} is {found}, not {status}")
        time.sleep(0.5)


def delete(cloud, share_id):
    cloud.shared_file_system.delete_share(share_id)


def user(cloud, name, password, project_name, *roles):
    identity = cloud.identity
    found = identity.find_user(name) or identity.create_user(
        name=name, password=password
    )
    project = identity.find_project(project_name, ignore_missing=False)
    for role_name in roles:
        role = identity.find_role(role_name, ignore_missing=False)
        identity.assign_project_role_to_user(project, found, role)


def compute(cloud, url=None):
    for service in cloud.identity.services(type="compute"):
        cloud.identity.delete_service(service)
    if url:
        made = cloud.identity.create_service(type="compute", name="nova")
        cloud.identity.create_endpoint(
            service_id=made.id,
            interface="public",
            region_id="RegionOne",
            url=url,
        )


VERBS = {
    verb.__name__: verb
    for verb in (ids, share, attach, wait, detach, delete, user, compute)
}
main(*sys.argv[1:])
