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

"""Measures an API of server shares, or several in turn.

usage: bench.py [options] BASE [BASE...]

BASE is a compute endpoint such as http://127.0.0.1:8774/v2.1. Figures are
for comparing implementations in one run on one machine: with two or more,
the ratio of each to the first is printed, and they take turns, so that a
change in the machine's load meets all of them. run.py beside this measures
our own deployments with nothing to prepare.

The server must be stopped, nothing attached to it, and all shares available.
Who asks is said by OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME,
OS_USER_DOMAIN_NAME and OS_PROJECT_DOMAIN_NAME in the environment.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import dataclasses
import http.client
import json
import multiprocessing
import os
import statistics
import time
from typing import Any
from typing import Optional
import urllib.parse
import urllib.request

from keystoneauth1 import session as ks_session
from keystoneauth1.identity import v3

CLIENTS = 8
#: Seconds between two looks at a mapping that is on its way.
_LOOK = 0.02
#: Seconds in which nothing must happen for a change to count as done.
_QUIET = 1.0

#: Asks without a proxy, whatever the environment says.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclasses.dataclass(frozen=True)
class Target:
    """What is measured.

    :ivar counts: a URL that tells ``{"sql": N, "http": N}``: the statements
        and the calls to other services so far; None: they are not counted
    """

    base: str
    token: str = dataclasses.field(repr=False)
    server: str
    shares: tuple[str, ...]
    counts: Optional[str] = None

    @property
    def root(self) -> str:
        return f"/servers/{self.server}/shares"

    def count(self) -> Optional[tuple[int, int]]:
        """Read how much there has been so far."""
        if self.counts is None:
            return None
        with _DIRECT.open(self.counts, timeout=10) as answer:
            told = json.load(answer)
        return told["sql"], told["http"]


class Client:
    """One connection, kept where the server keeps it."""

    def __init__(self, target: Target) -> None:
        url = urllib.parse.urlsplit(target.base)
        self._prefix = url.path
        self._http = http.client.HTTPConnection(url.netloc, timeout=60)
        self._headers = {
            "X-Auth-Token": target.token,
            "OpenStack-API-Version": "compute 2.97",
        }

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; returns status and body."""
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        self._http.request(method, self._prefix + path, body, headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def must(self, status: int, method: str, path: str, *body: Any) -> None:
        """Send a request that is to be answered with a status."""
        got, text = self.send(method, path, *body)
        if got != status:
            raise SystemExit(f"{method} {path}: {got} {text[:300]!r}")


# Reading.


def _hammer(target: Target, path: str, seconds: float, done: Any) -> None:
    """Be one of the clients: send until the time is over."""
    client = Client(target)
    client.must(200, "GET", path)
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        client.must(200, "GET", path)
        count += 1
    done.put(count / seconds)


def _rate(target: Target, path: str, seconds: float) -> float:
    """Measure requests a second with all clients at once."""
    # Processes, since threads of one would wait for each other.
    forking = multiprocessing.get_context("fork")
    done = forking.SimpleQueue()
    clients = [
        forking.Process(target=_hammer, args=(target, path, seconds, done))
        for _ in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        if client.exitcode:
            raise SystemExit("A client has failed.")
    return sum(done.get() for _ in clients)


def read(
    targets: list[Target], seconds: float, rounds: int = 3
) -> Iterator[Row]:
    """Measure list and show."""
    for target in targets:
        _attach_first(target)
    for name in ("list", "show"):
        rates: list[list[float]] = [[] for _ in targets]
        for _ in range(rounds):
            for target, mine in zip(targets, rates):
                path = _read_path(target, name)
                mine.append(_rate(target, path, seconds / rounds))
        yield Row(
            f"{name}, {CLIENTS} clients",
            "requests/s",
            [statistics.median(mine) for mine in rates],
            [_cost_of_read(t, _read_path(t, name)) for t in targets],
        )
    for target in targets:
        client = Client(target)
        client.must(200, "DELETE", f"{target.root}/{target.shares[0]}")
        _until_gone(client, target, target.shares[0])


def _read_path(target: Target, name: str) -> str:
    if name == "list":
        return target.root
    return f"{target.root}/{target.shares[0]}"


def _attach_first(target: Target) -> None:
    client = Client(target)
    share = target.shares[0]
    client.must(201, "POST", target.root, _body(share))
    _until_inactive(client, target, share)


def _cost_of_read(target: Target, path: str) -> Optional[tuple[int, int]]:
    client = Client(target)
    costs = []
    for _ in range(5):
        before = target.count()
        client.must(200, "GET", path)
        costs.append(_difference(before, target.count()))
    return _least(costs)


# Attaching and detaching.


def change(targets: list[Target]) -> Iterator[Row]:
    """Measure attach and detach, one after another, of every share."""
    names = (
        "POST answered",
        "POST to inactive",
        "DELETE answered",
        "DELETE to gone",
    )
    taken: dict[str, list[list[float]]] = {
        name: [[] for _ in targets] for name in names
    }
    for turn in range(min(len(target.shares) for target in targets)):
        for number, target in enumerate(targets):
            times = _attach_and_detach(target, target.shares[turn])
            for name, seconds in zip(names, times):
                taken[name][number].append(seconds)
    costs = [_cost_of_change(target) for target in targets]
    for name in names:
        counted: list[Optional[tuple[int, int]]] = [None] * len(targets)
        if name.endswith(("inactive", "gone")):
            counted = [cost[name.endswith("gone")] for cost in costs]
        yield Row(
            name, "s", [statistics.median(t) for t in taken[name]], counted
        )


def _attach_and_detach(target: Target, share: str) -> Iterator[float]:
    client = Client(target)
    began = time.perf_counter()
    client.must(201, "POST", target.root, _body(share))
    yield time.perf_counter() - began
    _until_inactive(client, target, share)
    yield time.perf_counter() - began
    began = time.perf_counter()
    client.must(200, "DELETE", f"{target.root}/{share}")
    yield time.perf_counter() - began
    _until_gone(client, target, share)
    yield time.perf_counter() - began


def _cost_of_change(
    target: Target,
) -> tuple[Optional[tuple[int, int]], Optional[tuple[int, int]]]:
    """Count what an attach and a detach cost until they are done.

    Nobody watches meanwhile: looking costs too. The least of three is
    taken, since heartbeats and the like come in between.
    """
    client = Client(target)
    share = target.shares[0]
    attaches, detaches = [], []
    for _ in range(3):
        before = target.count()
        client.must(201, "POST", target.root, _body(share))
        attaches.append(_difference(before, _when_quiet(target)))
        _until_inactive(client, target, share)
        before = target.count()
        client.must(200, "DELETE", f"{target.root}/{share}")
        detaches.append(_difference(before, _when_quiet(target)))
        _until_gone(client, target, share)
    return _least(attaches), _least(detaches)


def _when_quiet(target: Target) -> Optional[tuple[int, int]]:
    """Read the counts once they no longer change."""
    counts = target.count()
    while counts is not None:
        time.sleep(_QUIET)
        last, counts = counts, target.count()
        if counts == last:
            break
    return counts


def _body(share: str) -> dict[str, Any]:
    return {"share": {"share_id": share}}


def _until_inactive(client: Client, target: Target, share: str) -> None:
    def is_inactive(status: int, body: bytes) -> bool:
        return status == 200 and b'"inactive"' in body

    _until(client, target, share, is_inactive)


def _until_gone(client: Client, target: Target, share: str) -> None:
    _until(client, target, share, lambda status, body: status == 404)


def _until(client: Client, target: Target, share: str, done: Any) -> None:
    end = time.monotonic() + 60
    while not done(*client.send("GET", f"{target.root}/{share}")):
        if time.monotonic() > end:
            raise SystemExit(f"{target.base}: share {share} stays as it is")
        time.sleep(_LOOK)


# What is printed.


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table: a figure for each target.

    :ivar costs: statements and calls
    """

    name: str
    unit: str
    figures: list[float]
    costs: list[Optional[tuple[int, int]]]


def _difference(
    before: Optional[tuple[int, int]], after: Optional[tuple[int, int]]
) -> Optional[tuple[int, int]]:
    if before is None or after is None:
        return None
    return after[0] - before[0], after[1] - before[1]


def _least(
    costs: list[Optional[tuple[int, int]]],
) -> Optional[tuple[int, int]]:
    known = [cost for cost in costs if cost is not None]
    return min(known, default=None)


def show(rows: Iterator[Row], targets: list[Target]) -> None:
    """Print the table as it comes."""
    for number, target in enumerate(targets):
        print(f"[{number}] {target.base}")
    heads = [f"[{n}] SQL HTTP" for n in range(len(targets))]
    ratios = [f"[{n}]/[0]" for n in range(1, len(targets))]
    print(
        f"{'':<22}{'':<11}"
        + "".join(f"{head:>21}" for head in heads)
        + "".join(f"{ratio:>10}" for ratio in ratios)
    )
    for row in rows:
        line = f"{row.name:<22}{row.unit:<11}"
        for figure, cost in zip(row.figures, row.costs):
            sql, calls = ("-", "-") if cost is None else map(str, cost)
            shown = f"{figure:.1f}" if row.unit != "s" else f"{figure:.3f}"
            line += f"{shown:>12}{sql:>4}{calls:>5}"
        for figure in row.figures[1:]:
            line += f"{figure / row.figures[0]:>10.2f}"
        print(line, flush=True)


def measure(targets: list[Target], seconds: float) -> None:
    """Measure everything and print it.

    :param seconds: for each implementation and each of list and show
    """

    def rows() -> Iterator[Row]:
        yield from read(targets, seconds)
        yield from change(targets)

    show(rows(), targets)


def _token() -> str:
    said = {
        name: os.environ[f"OS_{name.upper()}"]
        for name in ("auth_url", "username", "password", "project_name")
    }
    auth = v3.Password(
        user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
        project_domain_name=os.environ.get(
            "OS_PROJECT_DOMAIN_NAME", "Default"
        ),
        **said,
    )
    return str(ks_session.Session(auth).get_token())


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", nargs="+")
    parser.add_argument("--server", required=True, help="its id")
    parser.add_argument(
        "--share", required=True, action="append", help="its id; several"
    )
    parser.add_argument(
        "--counts",
        action="append",
        default=[],
        help="the URL that tells the counts of a BASE, in their order",
    )
    parser.add_argument("--seconds", type=float, default=9)
    args = parser.parse_args()
    token = _token()
    counts = args.counts + [None] * len(args.base)
    targets = [
        Target(base, token, args.server, tuple(args.share), url)
        for base, url in zip(args.base, counts)
    ]
    measure(targets, args.seconds)


if __name__ == "__main__":
    main()
