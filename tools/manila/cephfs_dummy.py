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
"""Manila's dummy driver with CephFS shares: export locations and keys."""

import base64
import os

from manila import exception
from manila.tests.share.drivers import dummy


class CephfsDummyDriver(dummy.DummyDriver):
    """Has shares of CephFS only, and lets cephx identities in."""

    def _create_share(self, context, share, share_server=None):
        known = {
            "id": share["id"],
            "share_id": share["share_id"],
            "share_proto": "NFS",
        }
        return super()._create_share(context, known, share_server)

    def update_access(
        self,
        context,
        share,
        access_rules,
        add_rules,
        delete_rules,
        update_rules,
        share_server=None,
    ):
        """Give each identity that is new a key."""
        keys = {}
        for rule in add_rules or access_rules:
            if rule["access_type"] != "cephx":
                raise exception.InvalidShareAccess(
                    reason="only cephx identities are let in"
                )
            key = base64.b64encode(os.urandom(28)).decode()
            keys[rule["access_id"]] = {"access_key": key}
        return keys

    def _update_share_stats(self, data=None):
        super()._update_share_stats(data)
        self._stats["storage_protocol"] = "CEPHFS"
