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
"""A service that answers as none should: every call ends in time."""

import json
import logging
import socket
import threading
import time
from unittest import mock

import fixtures
from oslo_context import context
import testtools
import urllib3

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.clients import manila
from nova_shares.tests import hostile
from nova_shares_devcloud import server
from nova_shares_devcloud import state

_CONF = """
[manila]
auth_type = password
auth_url = {auth_url}
username = nova-shares
password = devcloud
project_name = service
user_domain_name = Default
project_domain_name = Default
endpoint_override = {url}
timeout = 1
"""


class HostileTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.cloud = state.Cloud()
        self.addCleanup(server.serve(self.cloud).stop)
        self.keystone = f"{self.cloud.url}/identity/v3"

    def shares(self, url, keystone=None):
        path = self.useFixture(fixtures.TempDir()).join("nova-shares.conf")
        with open(path, "w") as f:
            f.write(_CONF.format(url=url, auth_url=keystone or self.keystone))
        return manila.Shares(nova_shares_conf.load(files=[path]))

    def hostile(self, answer):
        return self.useFixture(hostile.Hostile(answer))

    def find(self, shares, seconds=1.0):
        caller = context.RequestContext(
            auth_token=self.cloud.token_of("member"), overwrite=False
        )
        began = time.monotonic()
        self.assertRaises(
            exception.ServiceUnavailable,
            shares.find,
            caller,
            hostile.SHARE,
            began + seconds,
        )
        return time.monotonic() - began

    def all_in_time(self, call):
        """Have one call for each slow answer fail, all at the same time."""
        took = {}

        def time_it(name, url):
            began = time.monotonic()
            call(url)
            took[name] = time.monotonic() - began

        threads = [
            threading.Thread(
                target=time_it, args=(name, self.hostile(answer).url)
            )
            for name, answer in hostile.SLOW.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(sorted(hostile.SLOW), sorted(took))
        for name, seconds in took.items():
            self.assertTrue(0.5 < seconds < 4, f"{name}: {seconds}")

    def test_a_request_of_a_user_ends_at_its_deadline(self):
        def call(url):
            shares = self.shares(url)
            # So that the token and the catalog are there.
            shares._session.user_id()
            self.find(shares)

        self.all_in_time(call)

    def test_a_request_of_the_agent_ends_at_the_timeout(self):
        def call(url):
            shares = self.shares(url)
            self.assertRaises(
                exception.ServiceUnavailable, shares.rule, hostile.SHARE
            )

        self.all_in_time(call)

    def test_a_slow_keystone_is_part_of_the_time(self):
        self.all_in_time(
            lambda url: self.find(self.shares(self.cloud.url, url))
        )

    def test_what_is_wrong_is_told_at_once(self):
        for name, answer in hostile.WRONG.items():
            with self.subTest(name):
                shares = self.shares(self.hostile(answer).url)
                shares._session.user_id()
                self.assertTrue(self.find(shares, 20) < 10, name)

    def test_null_is_not_absence(self):
        shares = self.shares(
            self.hostile(hostile.says(hostile.body(b'{"access": null}'))).url
        )
        for call in (shares.rule, shares.access_key):
            self.assertRaises(
                exception.ServiceUnavailable, call, hostile.SHARE
            )

    def test_all_who_wait_for_keystone_end_in_time(self):
        shares = self.shares(self.cloud.url, self.hostile(hostile.nothing).url)
        took = []
        threads = [
            threading.Thread(target=lambda: took.append(self.find(shares)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(8, len(took))
        self.assertTrue(max(took) < 4, took)

    def test_no_token_goes_to_another_host(self):
        thief = self.hostile(hostile.says(hostile.body(b"{}")))
        url = thief.url.replace("127.0.0.1", "localhost")
        for target in (url, f"{url}/share", url.replace("http:", "")):
            with self.subTest(target):
                moved = hostile.says(hostile.MOVED.format(target).encode())
                self.find(self.shares(self.hostile(moved).url))
        self.assertEqual([], thief.requests)

    def test_a_redirect_on_the_same_host_is_followed(self):
        found = {
            "share": {
                "id": hostile.SHARE,
                "project_id": "p",
                "status": "available",
                "share_proto": "nfs",
            }
        }

        def answer(peer, client):
            if b"/moved" in peer.requests[-1].split(b"\r\n")[0]:
                client.sendall(hostile.body(json.dumps(found).encode()))
            else:
                target = peer.url + "/moved"
                client.sendall(hostile.MOVED.format(target).encode())

        shares = self.shares(self.hostile(answer).url)
        caller = context.RequestContext(
            auth_token=self.cloud.token_of("member"), overwrite=False
        )
        share = shares.find(caller, hostile.SHARE, time.monotonic() + 5)
        self.assertEqual("NFS", share.proto)

    def test_all_addresses_of_a_name_have_the_time_of_one(self):
        tried = []
        usual = urllib3.connection.connection.create_connection

        def connect(address, timeout, *args, **kwargs):
            if not address[0].startswith("192.0.2."):
                return usual(address, timeout, *args, **kwargs)
            tried.append(address[0])
            time.sleep(timeout)
            raise socket.timeout("timed out")

        found = [(0, 0, 0, "", (f"192.0.2.{n}", 80)) for n in range(1, 7)]
        real = socket.getaddrinfo

        def resolve(host, *args, **kwargs):
            if host == "manila.invalid":
                return found
            return real(host, *args, **kwargs)

        shares = self.shares("http://manila.invalid/v2")
        with mock.patch.object(socket, "getaddrinfo", resolve):
            with mock.patch.object(
                urllib3.connection.connection, "create_connection", connect
            ):
                self.assertLess(self.find(shares), 2)
        self.assertEqual([address[0] for *_, address in found], tried[:6])

    def test_a_resolver_that_hangs_is_given_up(self):
        release = threading.Event()
        self.addCleanup(release.set)
        real = socket.getaddrinfo

        def resolve(host, *args, **kwargs):
            if host == "manila.invalid":
                release.wait(30)
            return real(host, *args, **kwargs)

        shares = self.shares("http://manila.invalid/v2")
        with mock.patch.object(socket, "getaddrinfo", resolve):
            self.assertLess(self.find(shares), 2)

    def test_by_a_proxy_a_request_ends_at_its_deadline_too(self):
        self.useFixture(fixtures.EnvironmentVariable("no_proxy", "127.0.0.1"))
        shares = self.shares("http://manila.invalid/v2")
        for name, answer in hostile.SLOW.items():
            proxy = fixtures.EnvironmentVariable(
                "http_proxy", self.hostile(answer).url
            )
            with proxy:
                took = self.find(shares)
            # Redirects to the stub's own address are refused at once.
            self.assertLess(took, 4, name)

    def test_a_large_answer_within_the_bound_is_read(self):
        rules = [
            {
                "id": str(i),
                "access_type": "ip",
                "access_to": "192.0.2.1",
                "access_level": "rw",
                "state": "active",
                "metadata": {},
            }
            for i in range(5000)
        ]
        body = json.dumps({"access_list": rules}).encode()
        shares = self.shares(
            self.hostile(hostile.says(hostile.body(body))).url
        )
        self.assertEqual(5000, len(shares.rules(hostile.SHARE)))
