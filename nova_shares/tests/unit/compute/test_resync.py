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

"""What a look over all mappings does, apart from the stories."""

from unittest import mock

import fixtures
import testtools

from nova_shares import exception
from nova_shares import mapping
from nova_shares.compute import resync
from nova_shares.tests import fixtures_db


class ResyncTest(testtools.TestCase):
    def test_the_processes_are_looked_at_once_a_run(self):
        mappings = [
            fixtures_db.new_mapping(status=mapping.ACTIVE) for _ in range(3)
        ]
        store, driver, manager = mock.Mock(), mock.Mock(), mock.Mock()
        store.list_for_host.return_value = mappings
        driver.domains.return_value = {m.instance_uuid: True for m in mappings}
        driver.mounted.return_value = set()
        driver.works.return_value = {m.uuid for m in mappings[:2]}
        resync.Resync("host", store, driver, manager, mock.Mock()).run()
        self.assertEqual(
            mock.call(mappings[2].uuid), manager.reconcile.call_args_list[0]
        )
        driver.works.assert_called_once_with(mappings)

    def test_a_guest_that_cannot_be_looked_at_holds_up_no_other(self):
        broken, other = (
            fixtures_db.new_mapping(status=mapping.INACTIVE) for _ in range(2)
        )
        store, driver, manager = mock.Mock(), mock.Mock(), mock.Mock()
        store.list_for_host.return_value = [broken, other]
        driver.domains.return_value = {}
        driver.mounted.return_value = {other.uuid}

        def is_saved(m):
            if m is broken:
                raise exception.StepFailed("The saved image is cut off.")
            return False

        driver.is_saved.side_effect = is_saved
        resync.Resync("host", store, driver, manager, mock.Mock()).run()
        self.assertIn(mock.call(other.uuid), manager.reconcile.call_args_list)
        manager.clean_up.assert_called_once_with()

    def test_an_empty_mount_point_is_removed(self):
        saved, left, well = (
            fixtures_db.new_mapping(status=mapping.INACTIVE) for _ in range(3)
        )
        store, driver, manager = mock.Mock(), mock.Mock(), mock.Mock()
        store.list_for_host.return_value = [saved, left, well]
        driver.domains.return_value = {}
        driver.mounted.return_value = {saved.uuid, left.uuid}
        driver.is_mounted.side_effect = lambda m: m is saved
        driver.is_saved.side_effect = lambda m: m is saved
        resync.Resync("host", store, driver, manager, mock.Mock()).run()
        self.assertEqual(
            [mock.call(left.uuid)],
            [
                call
                for call in manager.reconcile.call_args_list
                if not call.kwargs
            ],
        )

    def test_a_guest_that_runs_starts_the_time_of_being_gone_anew(self):
        m = fixtures_db.new_mapping(status=mapping.INACTIVE)
        store, driver = mock.Mock(), mock.Mock()
        store.list_for_host.return_value = [m]
        driver.mounted.return_value = set()
        servers = mock.Mock()
        servers.find = mock.Mock(
            side_effect=exception.ServerNotFound(server_id=m.instance_uuid)
        )
        runs = resync.Resync("host", store, driver, mock.Mock(), servers, 0, 0)
        for running, detached in (
            ({}, 0),
            ({m.instance_uuid: True}, 0),
            ({}, 0),
            ({}, 1),
        ):
            driver.domains.return_value = running
            runs.run()
            self.assertEqual(detached, store.want_detached.call_count)

    def test_a_nova_that_hangs_is_not_asked_for_every_server(self):
        self.useFixture(fixtures.MockPatchObject(resync, "_LONGEST_CHECK", 0))
        mappings = [fixtures_db.new_mapping() for _ in range(3)]
        store, driver, asked = mock.Mock(), mock.Mock(), []
        store.list_for_host.return_value = mappings
        driver.domains.return_value = {}
        driver.mounted.return_value = set()

        def find(server_id):
            asked.append(server_id)
            raise exception.ServiceUnavailable(service="compute", detail="")

        servers = mock.Mock(find=find)

        runs = resync.Resync("host", store, driver, mock.Mock(), servers)
        for count in (1, 2, 3):
            runs.run()
            self.assertEqual(count, len(asked))
        # Each in its turn.
        self.assertEqual({m.instance_uuid for m in mappings}, set(asked))
        store.want_detached.assert_not_called()
