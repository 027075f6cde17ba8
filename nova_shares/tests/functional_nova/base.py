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

import testtools

from nova_shares.tests.functional_nova import nova

_shared = []


def shared():
    """Get the Nova of this run; started when it is first needed."""
    if not _shared:
        fixture = nova.Nova()
        try:
            fixture.setUp()
        except BaseException:
            fixture.cleanUp(raise_first=False)
            raise
        atexit.register(fixture.cleanUp)
        _shared.append(fixture)
    return _shared[0]


class TestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.nova = shared()
        self.ask = self.nova.ask
