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

"""Tempest's servers client, and requests that it would not make."""

import dataclasses
import json
import re
import time

from oslo_log import log as logging
from tempest.lib.services.compute import servers_client

LOG = logging.getLogger(__name__)

#: How often a request is repeated that is answered with 503 and Retry-After.
_REPEATS = 3
#: A project at the end of the endpoint of the Compute API.
_PROJECT = re.compile(r"/[0-9a-f-]{32,36}/?$")


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer as it is, an error as well.

    :ivar headers: with names in lower case
    """

    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def fault(self):
        """What an error says: (its name, its code, its message)."""
        [(name, fault)] = self.json.items()
        return name, fault["code"], fault["message"]


class ServerSharesClient(servers_client.ServersClient):
    """The four calls are tempest's own; their schemas are checked there."""

    def raw_request(self, url, method, *args, **kwargs):
        """Send a request, again if a busy service says when to.

        Tempest does the same after 413 and 429. No test expects a 503.
        """
        for _ in range(_REPEATS):
            answer, body = super().raw_request(url, method, *args, **kwargs)
            if answer.status != 503 or "retry-after" not in answer:
                return answer, body
            LOG.warning("Repeated after 503: %s %s", method, url)
            time.sleep(int(answer["retry-after"]))
        return super().raw_request(url, method, *args, **kwargs)

    def ask(
        self,
        method,
        path,
        body=None,
        headers=None,
        version="2.97",
        project_id=None,
    ):
        """Send a request that may be anything, and return the answer.

        :param path: below the root of the Compute API
        :param body: bytes, or what is sent as JSON
        :param headers: more headers, or others; None: without that header
        :param version: the microversion; None: no header of it
        :param project_id: put in front of the path
        """
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        root = _PROJECT.sub("", self.base_url.rstrip("/"))
        prefix = f"/{project_id}" if project_id else ""
        sent = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Auth-Token": self.token,
        }
        if version is not None:
            sent["OpenStack-API-Version"] = f"compute {version}"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value}
        answer, content = self.raw_request(
            f"{root}{prefix}/{path}",
            method,
            headers=sent,
            body=body,
            log_req_body="<omitted>",
        )
        return Answer(answer.status, dict(answer), content)

    def version_document(self):
        """Show what versions the Compute API has, as version 2.1 says."""
        answer = self.ask("GET", "", version=None)
        return answer.json["version"]
