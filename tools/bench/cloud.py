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

"""Measures us in a whole cloud, beside Nova's own server shares.

usage: cloud.py DIR [--seconds N]

DIR is where tools/cloud.sh has its cloud, which is made and started if need
be. [0] is a nova-api without our filters, [1] the one with them; both have
the same Nova, Manila and Keystone. The agents have the default options.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
import bench

_SCRIPT = str(pathlib.Path(__file__).parents[1] / "cloud.sh")
_SHARES = 20


def main() -> None:
    """Measure the cloud that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR")
    parser.add_argument("--seconds", type=float, default=9)
    args = parser.parse_args()
    cloud = args.directory
    for command in (["up", cloud], ["start", cloud, "nova-plain"]):
        subprocess.run([_SCRIPT, *command], check=True)
    # Read when it is imported.
    os.environ["NOVA_SHARES_TEST_CLOUD_DIR"] = cloud
    from nova_shares.tests.functional_cloud import running

    with (
        running.Running(restart=False) as world,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(world.service, "stop", "nova-plain")
        stack.callback(world.reset)
        token = world.users.session("member").get_token()
        targets = [
            bench.Target(
                base,
                token,
                world.server(),
                tuple(world.share() for _ in range(_SHARES)),
            )
            for base in (world.plain_nova, world.nova)
        ]
        bench.measure(targets, args.seconds)


if __name__ == "__main__":
    main()
