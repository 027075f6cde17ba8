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


"""We are guests in nova-api: whatever is wrong with us, Nova works on."""

import os
import socket
import threading
import time

import fixtures

from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import stubs
from nova_shares.tests.functional_nova.nova import wait_for

#: What everybody asks of Nova; the answers are the same with us in it.
REQUESTS = (
    ("GET", "/servers", None),
    ("GET", "/servers/{server}", None),
    ("GET", "/servers/detail?limit=2", None),
    ("GET", "/servers/{server}/tags", None),
    ("GET", "/servers/{server}/metadata", None),
    ("GET", "/servers/nope", None),
    ("GET", "/flavors/detail", None),
    ("GET", "/os-volumes_boot", None),
    ("GET", "/servers/{server}/sharesy", None),
    ("GET", "/shares", None),
    ("HEAD", "/servers", None),
    ("OPTIONS", "/servers", None),
    ("PUT", "/servers/{server}", {"server": {"nonsense": 1}}),
    ("POST", "/servers", b"{nope"),
    ("POST", "/servers", {"server": {"name": "x"}}),
    ("POST", "/servers/{server}/action", {"os-start": None, "os-stop": None}),
    ("POST", "/servers/{server}/action", {"nonsense": None}),
    ("POST", "/servers/nope/action", {"os-start": None}),
    ("DELETE", "/servers/nope", None),
    ("DELETE", "/servers/aaaaaaaa-0000-4000-8000-000000000001", None),
)
#: How much slower than without us a call of Nova's may be.
BUDGET = 2.0
#: For the machine: two cores, shared with a Nova.
NOISE = 1.5


#: A resolver that takes ten seconds to say that it can't tell.
RESOLVER = """
import socket
import time

_getaddrinfo = socket.getaddrinfo

def getaddrinfo(host, *args, **kwargs):
    if host == "database.example":
        time.sleep(10)
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return _getaddrinfo(host, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""


class Silent:
    """A port that accepts connections and never says a word."""

    def __init__(self):
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self._sock.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.kept.append(self._sock.accept()[0])
            except OSError:
                return

    def close(self):
        self._sock.close()
        for sock in self.kept:
            sock.close()


class TestOthers(base.TestCase):
    def test_p4_byte_for_byte(self):
        server = self.stopped()
        for method, path, body in REQUESTS:
            for version in ("2.1", "2.47", "2.96", None, "abc"):
                for token in ({}, {"X_Auth_Token": "bad"}):
                    theirs, ours = self.pair(
                        method,
                        path.format(server=server),
                        body,
                        version=version,
                        **token,
                    )
                    self.assertEqual(theirs, ours, (method, path, version))

    def pair(self, *args, **sent):
        """Ask Nova without us, and with us, while nothing changes."""
        for _ in range(10):
            theirs, ours, again = (
                self.answer(self.ask(*args, url=api.url, **sent))
                for api in (self.nova.plain, self.nova.api, self.nova.plain)
            )
            if theirs == again:
                break
        return theirs, ours

    def test_a_servers_life(self):
        self.assertEqual(
            self.life(self.nova.plain.url), self.life(self.nova.api.url)
        )

    def life(self, url):
        """Create, start, stop, delete: every answer but its ids."""
        seen = []

        def step(method, path, body=None):
            response = self.ask(method, path, body, url=url, version="2.96")
            seen.append((response.status_code, sorted(response.headers)))
            return response

        def until(status):
            wait_for(
                lambda: (
                    self.ask(
                        "GET", f"/servers/{server}", url=url, version="2.96"
                    ).json()["server"]["status"]
                    == status
                )
            )

        server = step(
            "POST",
            "/servers",
            {
                "server": {
                    "name": "life",
                    "imageRef": stubs.IMAGE,
                    "flavorRef": "plain",
                    "networks": "none",
                }
            },
        ).json()["server"]["id"]
        until("ACTIVE")
        for action, status in (("os-stop", "SHUTOFF"), ("os-start", "ACTIVE")):
            step("POST", f"/servers/{server}/action", {action: None})
            until(status)
        step("GET", f"/servers/{server}")
        step("DELETE", f"/servers/{server}")
        return seen


class TestBroken(base.TestCase):
    """Something of ours is wrong, in a nova-api of this test alone."""

    def timed(self, *args, **sent):
        began = time.monotonic()
        response = self.ask(*args, **sent)
        return time.monotonic() - began, response

    def check_nova(self, api, budget=0.0):
        """Nova's own calls are answered, and in time."""
        server = self.nova.server("active")
        for method, path, body, status in (
            # Not all of them: there are ever more, of other tests.
            ("GET", "/servers?limit=1", None, 200),
            ("GET", f"/servers/{server}", None, 200),
            ("POST", f"/servers/{server}/action", {"lock": None}, 202),
            ("POST", f"/servers/{server}/action", {"unlock": None}, 202),
            ("POST", f"/servers/{server}/action", {"resize": {}}, 400),
            ("DELETE", f"/servers/{server}", None, 204),
        ):
            mine, response = self.timed(
                method, path, body, url=api.url, version="2.96"
            )
            self.assertEqual(status, response.status_code, response.text)
            allowed = 0 if method == "GET" else budget
            self.assertLess(mine, allowed + NOISE, (method, path))

    def check_503(self, api, budget=0.0):
        """Ours are answered 503, and in time."""
        for method, body in (
            ("GET", None),
            ("POST", {"share": {"share_id": self.nova.share()}}),
        ):
            mine, response = self.timed(
                method,
                f"/servers/{self.stopped()}/shares",
                body,
                url=api.url,
            )
            self.assertEqual(503, response.status_code, response.text)
            self.assertIn("Retry-After", response.headers)
            self.assertIn("serviceUnavailable", response.json())
            self.assertLess(mine, budget + NOISE)

    def check_log(self, api, *words):
        with open(api.log) as log:
            text = log.read()
        for word in words:
            self.assertIn(word, text)

    def silent(self):
        silent = Silent()
        self.addCleanup(silent.close)
        return silent.port

    def test_no_configuration(self):
        api = self.filtered(ours="nonsense")
        self.check_nova(api)
        self.check_503(api)
        self.check_log(api, "Cannot start", "ConfigFileParseError")

    def test_a_wrong_password(self):
        mysql = self.nova.fields()["mysql"].replace(":nova_shares@", ":no@")
        api = self.filtered(f"[database]\nconnection = {mysql}_ours\n")
        self.check_nova(api, BUDGET)
        self.check_503(api, BUDGET)
        self.check_log(api, "Access denied")
        self.assertNotIn(":no@", open(api.log).read())

    def test_the_database_refuses(self):
        api = self.filtered(
            "[database]\nconnection = mysql+pymysql://u:p@127.0.0.1:1/x\n"
        )
        self.check_nova(api, BUDGET)
        self.check_503(api, BUDGET)

    def test_the_database_is_silent(self):
        url = f"mysql+pymysql://u:p@127.0.0.1:{self.silent()}/x"
        api = self.filtered(f"[database]\nconnection = {url}\n")
        self.check_503(api, BUDGET)
        self.check_nova(api, BUDGET)

    def crowd(self, api):
        """Send an action, 30 beside it, and one after; gives the seconds."""
        server = self.nova.server("active")
        took = []

        def act():
            seconds, answer = self.timed(
                "POST",
                f"/servers/{server}/action",
                # Guarded as any action, and no work for Nova.
                {"nothing": None},
                url=api.url,
                version="2.96",
            )
            self.assertEqual(400, answer.status_code, answer.text)
            took.append(seconds)

        first = threading.Thread(target=act)
        others = [threading.Thread(target=act) for _ in range(30)]
        first.start()
        time.sleep(0.2)
        for thread in others:
            thread.start()
        for thread in [first, *others]:
            thread.join()
        act()
        self.assertEqual(32, len(took))
        return took

    def test_one_action_finds_out_that_the_database_is_silent(self):
        silent = Silent()
        self.addCleanup(silent.close)
        url = f"mysql+pymysql://u:p@127.0.0.1:{silent.port}/x"
        workers = 2 if self.nova.eventlet else 40
        api = self.filtered(
            f"[database]\nconnection = {url}\n", workers=workers
        )
        self.assertLess(max(self.crowd(api)), BUDGET + NOISE)
        # A connection for each that waits; at most one a process does.
        self.assertIn(
            len(silent.kept), range(1, (2 if self.nova.eventlet else 1) + 1)
        )

    def test_one_action_waits_for_a_resolver_that_hangs(self):
        if self.nova.eventlet:
            # Its resolver is another: eventlet's own.
            return
        directory = self.useFixture(fixtures.TempDir()).path
        with open(os.path.join(directory, "sitecustomize.py"), "w") as file:
            file.write(RESOLVER)
        path = os.pathsep.join(
            [directory, *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self.useFixture(fixtures.EnvironmentVariable("PYTHONPATH", path))
        url = "mysql+pymysql://u:p@database.example/x"
        api = self.filtered(f"[database]\nconnection = {url}\n", workers=40)
        took = self.crowd(api)
        self.assertEqual(1, len([s for s in took if s > 8]), took)
        self.assertLess(max(took), 12)

    def test_the_broker_is_away(self):
        for port in (1, self.silent()):
            api = self.filtered(
                ours="[DEFAULT]\n"
                f"transport_url = rabbit://u:p@127.0.0.1:{port}/\n"
                + self.nova.ours_but("transport_url")
            )
            server, share = self.nova.server(), self.nova.share()
            mine, response = self.timed(
                "POST",
                f"/servers/{server}/shares",
                {"share": {"share_id": share}},
                url=api.url,
            )
            self.assertEqual(201, response.status_code, response.text)
            self.assertLess(mine, BUDGET + NOISE)
            self.check_nova(api)

    def test_manila_is_away(self):
        for port, budget in ((1, 0), (self.silent(), 5)):
            api = self.filtered(
                ours=self.nova.ours_but("[manila]")
                + "[manila]\n"
                + self.nova.fields()["auth"]
                + f"endpoint_override = http://127.0.0.1:{port}/v2\n"
            )
            path = f"/servers/{self.stopped()}/shares"
            mine, response = self.timed(
                "POST",
                path,
                {"share": {"share_id": self.nova.share()}},
                url=api.url,
            )
            self.assertEqual(503, response.status_code, response.text)
            self.assertLess(mine, budget + NOISE)
            self.assertEqual(
                200, self.ask("GET", path, url=api.url).status_code
            )
            self.check_nova(api)

    def test_manila_is_silent_and_many_ask(self):
        api = self.filtered(
            ours=self.nova.ours_but("[manila]")
            + "[manila]\n"
            + self.nova.fields()["auth"]
            + f"endpoint_override = http://127.0.0.1:{self.silent()}/v2\n"
            + "[api]\nmax_concurrent_requests = 2\n",
            workers=4 if self.nova.eventlet else 8,
        )
        path = f"/servers/{self.stopped()}/shares"
        body = {"share": {"share_id": self.nova.share()}}
        self.ask("GET", "/servers", url=api.url, version="2.96")
        # Of a process's threads two wait for Manila, the others serve Nova.
        threads = [
            threading.Thread(
                target=self.ask,
                args=("POST", path, body),
                kwargs={"url": api.url},
            )
            for _ in range(2 if self.nova.eventlet else 6)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        try:
            mine, response = self.timed(
                "GET", "/servers?limit=1", url=api.url, version="2.96"
            )
        finally:
            for thread in threads:
                thread.join()
        self.assertEqual(200, response.status_code)
        self.assertLess(mine, NOISE)


class TestLookUp(base.TestCase):
    def check(self, api, *words):
        """An attach is answered 503, and the log says why."""
        response = self.ask(
            "POST",
            f"/servers/{self.stopped()}/shares",
            {"share": {"share_id": self.nova.share()}},
            url=api.url,
        )
        self.assertEqual(503, response.status_code, response.text)
        self.assertNotIn("policy", response.text)
        with open(api.log) as log:
            text = log.read()
        for word in words:
            self.assertIn(word, text)

    def with_policy(self, rule):
        path = self.nova._write(f"policy{abs(hash(rule))}.yaml", rule + "\n")
        return self.filtered(
            nova_options=f"[oslo_policy]\npolicy_file = {path}\n"
        )

    def test_a_hidden_host(self):
        rule = "os_compute_api:os-extended-server-attributes"
        self.check(self.with_policy(f'"{rule}": "role:nobody"'), rule)

    def test_hidden_extra_specs(self):
        rule = "os_compute_api:servers:show:flavor-extra-specs"
        self.check(self.with_policy(f'"{rule}": "!"'), rule)

    def test_neutron_is_down(self):
        self.nova.stubs.down = True
        try:
            self.check(self.nova.api)
        finally:
            self.nova.stubs.down = False

    def test_a_cell_is_down(self):
        ((connection,),) = self.nova.sql(
            "SELECT database_connection FROM cell_mappings WHERE name = %s",
            "cell1",
            database="api",
        )
        server = self.stopped()
        set_connection = (
            "UPDATE cell_mappings SET database_connection = %s WHERE name = %s"
        )
        self.nova.sql(
            set_connection,
            "mysql+pymysql://u:p@127.0.0.1:1/x",
            "cell1",
            database="api",
        )
        try:
            api = self.filtered(
                nova_options="[database]\nmax_retries = 1\n"
                "retry_interval = 0\n"
            )
            for method in ("GET", "POST"):
                response = self.ask(
                    method,
                    f"/servers/{server}/shares",
                    {"share": {"share_id": self.nova.share()}},
                    url=api.url,
                )
                self.assertEqual(503, response.status_code, response.text)
                self.assertIn("Retry-After", response.headers)
        finally:
            self.nova.sql(set_connection, connection, "cell1", database="api")
