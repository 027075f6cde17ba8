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


"""One Nova for all tests of a run."""

import atexit
import uuid

import testtools

from nova_shares.tests.functional_nova import nova

_shared = []
_kept = {}
#: Headers of one answer, or of one connection.
_OF_ONE_ANSWER = (
    "connection",
    "x-openstack-request-id",
    "x-compute-request-id",
)


def shared():
    """Get the Nova of this run; started when it is first needed."""
    if not _shared:
        _shared.append(started(nova.Nova()))
    return _shared[0]


def started(fixture):
    """Start a fixture that is there until the run ends."""
    try:
        fixture.setUp()
    except BaseException:
        fixture.cleanUp(raise_first=False)
        raise
    atexit.register(fixture.cleanUp)
    return fixture


class TestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.nova = shared()
        self.ask = self.nova.ask

    def stopped(self):
        """Get a stopped server that no test changes."""
        if "server" not in _kept:
            _kept["server"] = self.nova.server()
        return _kept["server"]

    def filtered(self, options="", nova_options="", **fields):
        """Start a nova-api for this test alone; see Nova.start_filtered."""
        # Where each process serves one request, each loads a Nova.
        if self.nova.eventlet:
            fields.setdefault("workers", 1)
        api = self.nova.start_filtered(
            f"api-{uuid.uuid4().hex[:8]}", options, nova_options, **fields
        )
        self.addCleanup(api.stop)
        return api.wait()

    def answer(self, response):
        """Make an answer comparable: status, body, headers."""
        return (
            response.status_code,
            response.text,
            {
                name.lower(): value
                for name, value in response.headers.items()
                if name.lower() not in _OF_ONE_ANSWER
            },
        )
