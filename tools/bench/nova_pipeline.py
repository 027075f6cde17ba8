#!/usr/bin/env python3
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

"""Measures us in nova-api's pipeline, beside Nova's own server shares.

usage: nova_pipeline.py [PASSES [BEFORE]]
  BEFORE is another checkout, whose filters are measured in the same passes

Needs what the functional-nova34 tests need (NOVA_SHARES_TEST_NOVA names a
virtual environment with Nova in it), and wrk. One uWSGI process of eight
threads for each of the two, on kept connections, which take turns. Figures
are ratios: to a path that Nova has no route for, in the same pipeline.
"""

from __future__ import annotations

import http.client
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.parse

from nova_shares.tests.functional_nova import nova

REQUESTS = 300
TURN = 20
SECONDS = 5


class Case:
    """One request: where, and what comes of it.

    :ivar times: seconds, of the pass that runs
    """

    def __init__(self, name, url, path, token, status=200):
        self.name, self.path, self.status = name, f"/v2.1{path}", status
        self.url = url
        where = urllib.parse.urlsplit(url)
        self.headers = {
            "X-Auth-Token": token,
            "OpenStack-API-Version": "compute 2.97",
        }
        self._http = http.client.HTTPConnection(where.hostname, where.port)
        self.times = []

    def send(self):
        began = time.perf_counter()
        self._http.request("GET", self.path, headers=self.headers)
        response = self._http.getresponse()
        body = response.read()
        self.times.append(time.perf_counter() - began)
        if response.status != self.status:
            raise SystemExit(f"{self.name}: {response.status} {body!r}")

    def rate(self):
        """Requests a second, with eight clients."""
        command = ["wrk", "-t1", "-c8", f"-d{SECONDS}s", "--timeout", "30s"]
        for header in self.headers.items():
            command += ["-H", ": ".join(header)]
        done = subprocess.run(
            [*command, self.url + self.path],
            check=True,
            capture_output=True,
            text=True,
        )
        return float(re.search(r"Requests/sec: +([0-9.]+)", done.stdout)[1])


def memory(api):
    """Tell the resident memory of a nova-api's worker, in MiB."""
    children = subprocess.run(
        ["ps", "-o", "rss=", "--ppid", str(api.popen.pid)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return max(map(int, children)) / 1024


def make_cases(cloud, others):
    token = cloud.cloud.token_of("member", "demo")
    cases = []
    apis = [("in-tree", cloud.plain), ("ours", cloud.api)]
    for name, api in [*apis, *others]:
        shares = [cloud.share() for _ in range(20)]
        one, twenty, none = (cloud.server() for _ in range(3))
        cloud.attach(one, shares[0], url=api.url)
        for share in shares:
            cloud.attach(twenty, share, url=api.url)
        cases += [
            Case(f"{what} {name}", api.url, path, token, status)
            for what, path, status in (
                ("unrouted", "/nope", 404),
                ("list of 1", f"/servers/{one}/shares", 200),
                ("list of 20", f"/servers/{twenty}/shares", 200),
                ("show", f"/servers/{one}/shares/{shares[0]}", 200),
                ("list of none", f"/servers/{none}/shares", 200),
            )
        ]
    return cases


def one_pass(cases):
    for case in cases:
        case.times = []
    for _ in range(REQUESTS // TURN):
        for case in cases:
            for _ in range(TURN):
                case.send()
    return {case.name: statistics.median(case.times) for case in cases}


def measure(cloud, passes, others=()):
    """Measure, and print it all."""
    cases = make_cases(cloud, others)
    for case in cases:
        for _ in range(30):
            case.send()
    before = memory(cloud.plain), memory(cloud.api)
    found = [one_pass(cases) for _ in range(passes)]
    print(f"Nova {cloud.version}: medians of {passes} passes")
    print(f"{'':26}unrouted      ms  requests/s of 8 clients")
    for case in cases:
        side = case.name.rpartition(" ")[2]
        ratio = statistics.median(
            f[case.name] / f[f"unrouted {side}"] for f in found
        )
        ms = statistics.median(f[case.name] for f in found) * 1000
        rate = statistics.median(case.rate() for _ in range(passes))
        print(f"  {case.name:24}{ratio:8.2f}{ms:8.2f}{rate:12.1f}")
    after = memory(cloud.plain), memory(cloud.api)
    print("memory of a worker, MiB: without us, with us")
    print(f"  after some requests     {before[0]:8.0f}{before[1]:8.0f}")
    print(f"  after all of them       {after[0]:8.0f}{after[1]:8.0f}")
    print(
        "CPU time of our filters, for a request that is not ours", flush=True
    )
    subprocess.run(
        [
            os.path.join(nova.VENV, "bin", "python"),
            *("-W", "ignore"),
            os.path.join(os.path.dirname(__file__), "nova_passthrough.py"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "OS_NOVA_CONFIG_DIR": cloud.api.directory,
            "TOKEN": cloud.cloud.token_of("member", "demo"),
        },
    )


def main():
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    # Kept connections, as behind a production front end.
    kept = ("--http-keepalive=75", "--http-auto-chunked", "--http")
    with nova.Nova(kept) as cloud:
        others = [
            ("before", start_before(cloud, path)) for path in sys.argv[2:]
        ]
        measure(cloud, passes, others)


def start_before(cloud, checkout):
    """Start a nova-api with the filters of another checkout."""
    before = dict(os.environ)
    # The command reads the first, uWSGI the second.
    for name in ("PYTHONPATH", "UWSGI_PYTHONPATH"):
        os.environ[name] = os.path.abspath(checkout)
    try:
        return cloud.start_filtered("before").wait()
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    main()
