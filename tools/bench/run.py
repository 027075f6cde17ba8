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

"""Measures our own deployments, with nothing to prepare.

usage: run.py [--seconds N] [aio|mariadb|postgresql]...

``aio``: the filter in front of devcloud's compute API, SQLite and fake://,
all in one process. ``mariadb`` and ``postgresql``: the service in uWSGI (two
processes) and the agent as processes, with RabbitMQ, on the servers that
tools/services.sh starts. Each deployment is a process beside this one, with
a devcloud in it, which is not what is measured but takes part of the time;
so does, with a database server, the proxy in front of it that counts the
statements.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
from typing import Any
from typing import Callable

import sqlalchemy as sa

sys.path.insert(
    0, os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
)
import bench

from nova_shares.tests import fixtures_db
from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_services import processes

KINDS = ("aio", "mariadb", "postgresql")
_SHARES = 20
#: As in production: the tests' quick settings would be measured otherwise.
_CONF = """
[compute]
heartbeat_interval = 10
resync_interval = 60
server_check_interval = 3600
"""


class Counted(processes.Processes):
    """The agent's statements are counted like the API's."""

    def write_conf(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "agent":
            kwargs["database"] = self._api_database
        return super().write_conf(name, *args, **kwargs)


def _start(kind: str) -> tuple[Any, str, Callable[[], int]]:
    """Start a deployment; returns it, where, and what counts statements."""
    if kind == "aio":
        said: list[str] = []
        sa.event.listen(
            sa.engine.Engine,
            "before_cursor_execute",
            lambda c, cursor, statement, *rest: said.append(statement),
        )
        world: Any = cloud.Cloud(options=_CONF)
        world.setUp()
        return world, world.url(""), lambda: len(said)
    database = {
        "mariadb": fixtures_db.Mysql,
        "postgresql": fixtures_db.Postgresql,
    }[kind]
    world = Counted(database, options=_CONF)
    world.setUp()
    return world, world.api_url, lambda: len(world.statements.data())


def serve(kind: str) -> None:
    """Serve a deployment until stdin ends; tells where, as JSON."""
    world, base, statements = _start(kind)
    try:

        def calls() -> int:
            # The requests of the benchmark come to Nova, by a user.
            return sum(
                request.service != "nova" or request.user == "nova-shares"
                for service in ("keystone", "nova", "manila", "glance")
                for request in world.cloud.requests(service)
            )

        server = world.server()
        told = {
            "base": base,
            "token": world.cloud.token_of("member"),
            "server": server,
            "shares": [world.share() for _ in range(_SHARES)],
            "counts": _serve_counts(statements, calls),
        }
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    finally:
        world.cleanUp()


def _serve_counts(
    statements: Callable[[], int], calls: Callable[[], int]
) -> str:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"sql": statements(), "http": calls()})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing: whoever asks is told."""

    http_server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http_server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{http_server.server_port}/"


@contextlib.contextmanager
def started(kind: str) -> Iterator[bench.Target]:
    """Have a deployment served by a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--serve", kind]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdin and child.stdout
        line = child.stdout.readline()
        if not line:
            raise SystemExit(f"{kind} does not start; see run.py --serve")
        told = json.loads(line)
        yield bench.Target(**{**told, "shares": tuple(told["shares"])})
        child.stdin.close()


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", nargs="*", metavar="KIND", help=str(KINDS))
    parser.add_argument("--seconds", type=float, default=9)
    parser.add_argument("--serve", choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args.serve)
        return
    with contextlib.ExitStack() as stack:
        targets = [
            stack.enter_context(started(kind)) for kind in args.kind or ["aio"]
        ]
        bench.measure(targets, args.seconds)


if __name__ == "__main__":
    main()
