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

"""Servers and shares for the tests, and what they wait for."""

import time

from tempest import config
from tempest import test
from tempest.common import waiters
from tempest.lib import exceptions
from tempest.lib.common import api_version_utils
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils

CONF = config.CONF
VERSION = "2.97"
#: A share or a server that nobody has.
NOBODY = "aaaaaaaa-0000-4000-8000-000000000001"


class ServerSharesTest(test.BaseTestCase):
    """A project with an administrator, a member and a reader; another one.

    :cvar client, shares_client: of the member
    """

    credentials = (
        "project_admin",
        "project_member",
        "project_reader",
        "project_alt_member",
    )

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for service in ("nova", "nova_shares"):
            if not getattr(CONF.service_available, service):
                raise cls.skipException(f"{service} is not available")
        api_version_utils.check_skip_with_microversion(
            VERSION,
            VERSION,
            CONF.compute.min_microversion,
            CONF.compute.max_microversion,
        )

    @classmethod
    def setup_credentials(cls):
        # Servers have no network: nothing here needs one.
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        make = "ServerSharesClient"
        cls.client = getattr(cls.os_project_member.nova_shares, make)()
        cls.admin_client = getattr(cls.os_project_admin.nova_shares, make)()
        cls.reader_client = getattr(cls.os_project_reader.nova_shares, make)()
        cls.alt_client = getattr(cls.os_project_alt_member.nova_shares, make)()
        member = cls.os_project_member.nova_shares_manila
        admin = cls.os_project_admin.nova_shares_manila
        alt = cls.os_project_alt_member.nova_shares_manila
        cls.shares_client = member.SharesClient()
        cls.admin_shares_client = admin.SharesClient()
        cls.alt_shares_client = alt.SharesClient()
        for client in (
            cls.shares_client,
            cls.admin_shares_client,
            cls.alt_shares_client,
        ):
            client.api_microversion = CONF.nova_shares.share_microversion

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.setup_api_microversion_fixture(compute_microversion=VERSION)

    # Servers and shares. A share has to be made before the server that it is
    # attached to: cleaned up in the other order, the share is free by then.

    @classmethod
    def make_share(cls, clean_up, client=None, **fields):
        """Create a share; returns its ID.

        :param clean_up: addCleanup, or addClassResourceCleanup
        """
        client = client or cls.shares_client
        wanted = {
            "name": data_utils.rand_name(cls.__name__),
            "share_proto": CONF.nova_shares.share_protocol,
            "size": CONF.nova_shares.share_size,
            "share_type": CONF.nova_shares.share_type,
            **fields,
        }
        share = client.create_share(
            **{name: value for name, value in wanted.items() if value}
        )["share"]
        clean_up(cls.remove_share, client, share["id"])
        wait_for(
            lambda: client.show_share(share["id"])["share"]["status"],
            lambda status: status == "available",
            f"share {share['id']} to be available",
        )
        return share["id"]

    @classmethod
    def remove_share(cls, client, share_id):
        """Delete a share as soon as no attachment locks it."""

        def gone():
            try:
                client.delete_share(share_id)
            except (exceptions.Forbidden, exceptions.BadRequest) as error:
                return str(error)
            except exceptions.NotFound:
                return True
            client.wait_for_resource_deletion(share_id)
            return True

        wait_for(
            gone,
            lambda seen: seen is True,
            f"share {share_id} to be deleted",
        )

    @classmethod
    def make_server(cls, clean_up, client=None, stopped=True, **fields):
        """Create a server; returns its ID.

        :param clean_up: addCleanup, or addClassResourceCleanup
        """
        client = client or cls.client
        server = client.create_server(
            name=data_utils.rand_name(cls.__name__),
            flavorRef=CONF.compute.flavor_ref,
            imageRef=CONF.compute.image_ref,
            networks="none",
            **fields,
        )["server"]
        clean_up(cls.remove_server, server["id"])
        waiters.wait_for_server_status(client, server["id"], "ACTIVE")
        if stopped:
            cls.stop(server["id"], client)
        return server["id"]

    @classmethod
    def remove_server(cls, server_id):
        """Delete a server, also a locked one."""
        delete = cls.admin_client.delete_server
        test_utils.call_and_ignore_notfound_exc(delete, server_id)
        waiters.wait_for_server_termination(cls.admin_client, server_id)

    @classmethod
    def stop(cls, server_id, client=None):
        client = client or cls.client
        client.stop_server(server_id)
        waiters.wait_for_server_status(client, server_id, "SHUTOFF")

    @classmethod
    def start(cls, server_id):
        cls.client.start_server(server_id)
        waiters.wait_for_server_status(cls.client, server_id, "ACTIVE")

    def create_share(self, **fields):
        return self.make_share(self.addCleanup, **fields)

    def create_server(self, **fields):
        return self.make_server(self.addCleanup, **fields)

    # Attachments.

    @classmethod
    def attach(cls, server_id, share_id, wait_for="inactive", **fields):
        """Attach a share, and wait for a status of the attachment."""
        share = cls.client.attach_share(
            server_id, share_id=share_id, **fields
        )["share"]
        cls.wait_for_status(server_id, share_id, wait_for)
        return share

    @classmethod
    def detach(cls, server_id, share_id):
        """Detach a share, and wait until that is done."""
        cls.client.detach_share(server_id, share_id)
        cls.wait_until_detached(server_id, share_id)

    @classmethod
    def status(cls, server_id, share_id):
        """Return the status of an attachment; None if there is none."""
        try:
            shown = cls.admin_client.show_share_attachment(server_id, share_id)
        except exceptions.NotFound:
            return None
        return shown["share"]["status"]

    @classmethod
    def wait_for_status(cls, server_id, share_id, status):
        def check(seen):
            if seen == "error" and status != "error":
                raise exceptions.UnexpectedResponseCode(
                    f"share {share_id} of server {server_id} is in error"
                )
            return seen == status

        wait_for(
            lambda: cls.status(server_id, share_id),
            check,
            f"share {share_id} of server {server_id} to be {status}",
        )

    @classmethod
    def wait_until_detached(cls, server_id, share_id):
        cls.wait_for_status(server_id, share_id, None)

    def rules(self, share_id):
        """List the access rules of a share."""
        listed = self.admin_shares_client.list_access_rules(share_id)
        return listed["access_list"]

    def wait_until_free(self, share_id):
        """Wait until a share has no access rules and no locks."""
        wait_for(
            lambda: (
                self.rules(share_id),
                self.admin_shares_client.list_locks(share_id)[
                    "resource_locks"
                ],
            ),
            lambda seen: seen == ([], []),
            f"the rules and locks of share {share_id} to be removed",
        )


def wait_for(look, done, what):
    """Call ``look`` until ``done`` of what it returns, and return that."""
    end = time.monotonic() + CONF.compute.build_timeout
    while True:
        seen = look()
        if done(seen):
            return seen
        if time.monotonic() > end:
            raise exceptions.TimeoutException(
                f"Timed out waiting for {what}; seen at last: {seen}"
            )
        time.sleep(CONF.compute.build_interval)
