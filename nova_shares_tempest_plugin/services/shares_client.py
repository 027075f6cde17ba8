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

"""As much of Manila as the tests need."""

import json

from tempest.lib import exceptions
from tempest.lib.common import rest_client


class SharesClient(rest_client.RestClient):
    """Shares, and the access rules and locks that they get.

    :ivar api_microversion: of the requests, at least 2.82
    """

    api_microversion = "2.82"

    def get_headers(self, accept_type=None, send_type=None):
        headers = super().get_headers(accept_type, send_type)
        headers["X-OpenStack-Manila-API-Version"] = self.api_microversion
        return headers

    def create_share(self, **fields):
        resp, body = self.post("shares", json.dumps({"share": fields}))
        return self._read(resp, body, 200)

    def show_share(self, share_id):
        resp, body = self.get(f"shares/{share_id}")
        return self._read(resp, body, 200)

    def delete_share(self, share_id):
        resp, _ = self.delete(f"shares/{share_id}")
        self.expected_success(202, resp.status)

    def act(self, share_id, action, value=None):
        """Do what only an administrator may, such as reset_status."""
        path = f"shares/{share_id}/action"
        resp, _ = self.post(path, json.dumps({action: value}))
        self.expected_success(202, resp.status)

    def list_access_rules(self, share_id):
        resp, body = self.get(f"share-access-rules?share_id={share_id}")
        return self._read(resp, body, 200)

    def list_locks(self, resource_id):
        """List the locks of a share or a rule, whoever has made them."""
        path = f"resource-locks?resource_id={resource_id}&all_projects=1"
        resp, body = self.get(path)
        return self._read(resp, body, 200)

    def delete_lock(self, lock_id):
        resp, _ = self.delete(f"resource-locks/{lock_id}")
        self.expected_success(204, resp.status)

    @property
    def resource_type(self):
        return "share"

    def is_resource_deleted(self, id):
        try:
            self.show_share(id)
        except exceptions.NotFound:
            return True
        return False

    def _read(self, resp, body, status):
        self.expected_success(status, resp.status)
        return rest_client.ResponseBody(resp, json.loads(body))
