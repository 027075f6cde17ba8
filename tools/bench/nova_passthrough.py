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

"""Measures what our filters cost a request of Nova's that is not ours.

usage: OS_NOVA_CONFIG_DIR=... TOKEN=... nova_passthrough.py

Run by Nova's Python, in one process with its real pipeline; nova_pipeline.py
beside this does. CPU time, not wall time: of the whole pipeline for a path
without a route, and of our two filters alone, around an application that
does nothing.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time

from nova_shares.pipeline import filters

REQUESTS = 500
CALLS = 20000
ROUNDS = 5
SERVER = "aaaaaaaa-0000-4000-8000-000000000001"
#: What is asked of Nova, as WSGI has it.
ASKED = (
    ("GET", "/nope", "compute 2.96"),
    ("GET", f"/servers/{SERVER}", "compute 2.96"),
    ("GET", "/servers/detail", None),
    ("POST", "/servers", "compute 2.1"),
)


def environ(method, path, version, token, mounted=""):
    made = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": mounted + path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "HTTP_X_AUTH_TOKEN": token,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if version is not None:
        made["HTTP_OPENSTACK_API_VERSION"] = version
    return made


def answer(app, made):
    for _ in app(made, lambda *_: None):
        pass


def cpu(work, count):
    """Tell the CPU time of one of many, in microseconds: the best round."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            work()
        rounds.append((time.process_time() - began) / count * 1e6)
    return min(rounds)


def main():
    token = os.environ["TOKEN"]
    try:
        from nova.wsgi.osapi_compute import application
    except ImportError:
        from nova.api.openstack.compute.wsgi import init_application

        application = init_application()

    def unrouted():
        answer(
            application,
            environ("GET", "/nope", "compute 2.96", token, "/v2.1"),
        )

    def nothing(made, start_response):
        return ()

    unrouted()
    whole = cpu(unrouted, REQUESTS)
    ours = {
        "nova_shares": filters.filter_factory({})(nothing),
        "nova_shares_versions": filters.versions_filter_factory({})(nothing),
    }
    costs = []
    for method, path, version in ASKED:
        made = environ(method, path, version, token)
        around = environ(method, path, version, token, "/v2.1")
        bare = cpu(lambda made=made: nothing(made, None), CALLS)
        costs.append(
            sum(
                cpu(lambda app=app, e=e: app(e, None), CALLS) - bare
                for app, e in zip(ours.values(), (made, around))
            )
        )
        print(f"  {method:5}{path[:30]:32}{costs[-1]:6.2f} us")
    share = statistics.mean(costs) / whole * 100
    print(f"  an unrouted request {whole:.0f} us; the filters {share:.2f} %")


if __name__ == "__main__":
    main()
