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
"""Keystone, Nova and Manila, told what stories tell devcloud's."""

import signal
import types

from keystoneauth1 import adapter

from nova_shares.tests.functional import cloud

_TYPES = {"NFS": "dummy", "CEPHFS": "cephfs"}
#: Who lets hosts in and out, and whom we ask.
_WORKER, _API = "manila-share", "manila-api"


class Neighbours:
    """What :class:`nova_shares_devcloud.state.Cloud` is to other stories.

    :param running: the :class:`running.Running`
    """

    def __init__(self, running):
        self._running = running
        self._shares = []
        self._mending = {}
        self._held = None

    def manila(self, user):
        return self._running.users.manila(user)

    def adapter(self, service_type, user="admin"):
        """Make an adapter of a service that the catalog has."""
        return adapter.Adapter(
            self._running.users.session(user), service_type=service_type
        )

    # What befalls them.

    def hold(self, change):
        """Have access rules stay as they are asked for."""
        self._held = change
        self._pause(_WORKER)

    def release(self, change):
        # Who does the one does the other.
        if change == self._held:
            self._mend(_WORKER)

    def fail(self, service, refuse=False, hang=0):
        """Stop a service; with ``hang`` it takes requests all the same."""
        assert service == "manila"
        if hang:
            self._pause(_API)
        else:
            self._running.service("stop", _API)
            self._mending[_API] = self._start
        return types.SimpleNamespace(clear=lambda: self._mend(_API))

    def _start(self, name):
        self._running.service("start", name)

    def _pause(self, name):
        self._running.signal(name, signal.SIGSTOP)
        self._mending[name] = self._go_on

    def _go_on(self, name):
        self._running.signal(name, signal.SIGCONT)

    def _mend(self, name):
        if name in self._mending:
            self._mending.pop(name)(name)

    def mend(self):
        """Have all go on that was stopped."""
        for name in list(self._mending):
            self._mend(name)

    clear_faults = mend

    # Servers.

    def set_server(self, server, vm_state):
        body = {"os-resetState": {"state": vm_state}}
        answer = self._running.ask(
            "POST", f"/servers/{server}/action", body, user="admin"
        )
        assert answer.status_code == 202, answer.text

    # Shares.

    def make_share(self, proto):
        """Make a share of the project demo that is available."""
        client = self.manila("member")
        fields = {"share_proto": proto, "size": 1, "share_type": _TYPES[proto]}
        answer = client.post("/shares", json={"share": fields})
        assert answer.status_code == 200, answer.text
        share = answer.json()["share"]["id"]
        path = f"/shares/{share}"
        self._shares.append(share)

        def status():
            return client.get(path).json()["share"]["status"]

        cloud.wait_for(lambda: status() == "available", status, 60)
        return share

    def remove_share(self, share):
        """Delete a share, whatever is locked or attached."""
        self._unlock()
        admin = self.manila("admin")
        admin.post(f"/shares/{share}/action", json={"force_delete": None})
        cloud.wait_for(
            lambda: admin.get(f"/shares/{share}").status_code == 404,
            lambda: admin.get(f"/shares/{share}").text,
            60,
        )

    def remove_shares(self):
        """Delete those that were made."""
        known = self.manila("member").get("/shares").json()["shares"]
        for share in {share["id"] for share in known} & set(self._shares):
            self.remove_share(share)
        self._shares.clear()

    @property
    def locks(self):
        """The locks of us all, by id."""
        path = "/resource-locks?all_projects=true"
        found = self.manila("admin").get(path).json()["resource_locks"]
        return {lock["id"]: lock for lock in found}

    def _unlock(self):
        for lock in self.locks:
            self.manila("admin").delete(f"/resource-locks/{lock}")

    def rules(self, share=None):
        """List access rules: of one share, or of all that were made."""
        found = []
        for one in [share] if share else self._shares:
            path = f"/share-access-rules?share_id={one}"
            answer = self.manila("admin").get(path)
            # That of a share that is gone has none.
            for rule in answer.json().get("access_list", ()):
                found.append(types.SimpleNamespace(share_id=one, **rule))
        return found

    def deny(self, rule):
        """Take an access rule away, as an administrator can."""
        self._unlock()
        answer = self.manila("admin").post(
            f"/shares/{rule.share_id}/action",
            json={"deny_access": {"access_id": rule.id}},
        )
        assert answer.status_code == 202, answer.text
