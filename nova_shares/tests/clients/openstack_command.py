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

"""python-openstackclient, as it is, without its second to be imported.

Each command is a process of its own, forked from one that has the client
imported.
"""

from importlib import metadata
import multiprocessing
import os
import sys
import warnings

#: The client imports all its commands, whichever it runs.
_PRELOADED = {
    "openstackclient.shell",
    "openstack.compute.v2._proxy",
    "openstack.connection",
    "openstack.shared_file_system.v2._proxy",
    *(
        command.module
        for command in metadata.distribution(
            "python-openstackclient"
        ).entry_points
        if command.group.startswith("openstack.")
    ),
}
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__, *sorted(_PRELOADED)])


def run(arguments, environment, output):
    """Run a command; returns its exit status.

    :param environment: all of the client's
    :param output: the path of the file that it writes to, errors too
    """
    process = _context.Process(
        target=_main, args=(arguments, environment, output)
    )
    process.start()
    process.join(120)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode


def _main(arguments, environment, output):
    from openstackclient import shell

    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environment)
    # What it writes is to be JSON and nothing else.
    warnings.simplefilter("ignore")
    status = shell.main(arguments)
    sys.stdout.flush()
    os._exit(status or 0)
