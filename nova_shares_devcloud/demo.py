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

"""The main job, told step by step with the stock OpenStack SDK."""

from __future__ import annotations

import sys
import time
from typing import Any
from typing import Callable
from typing import Optional

import openstack
from openstack import exceptions as sdk_exc

#: Seconds that a step may take.
_LIMIT = 30.0


class NotSeen(Exception):
    """A step of the story did not happen."""


class Story:
    """A member attaches a share to a server, uses it and detaches it.

    :param clouds: the path of a clouds.yaml with the clouds ``member``,
        ``other`` and ``admin``
    """

    def __init__(self, clouds: str, out: Any = None) -> None:
        # Files are read when they are asked for, not at import.
        config = openstack.config.OpenStackConfig(config_files=[clouds])
        self._clouds = {
            name: openstack.connection.Connection(config=config.get_one(name))
            for name in ("member", "other", "admin")
        }
        self._compute = self._clouds["member"].compute
        self._out = out or sys.stdout
        self._begun = time.monotonic()

    def tell(self, server_name: str, share_name: str) -> None:
        """Go through all steps.

        :raises NotSeen: if one does not happen
        """
        server = self._compute.find_server(server_name, ignore_missing=False)
        share = self._clouds["member"].shared_file_system.find_share(
            share_name, ignore_missing=False
        )
        self._say("begin", f"server {server.name}, share {share.name}")
        made = self._compute.create_share_attachment(
            server.id, share.id, tag="data"
        )
        self._step("attach", made.status, "attaching")
        self._until("attached", server, share, "inactive")
        self._refused(
            "attach it twice",
            409,
            self._compute.create_share_attachment,
            server.id,
            share.id,
        )
        self._compute.start_server(server.id)
        self._until("start the server", server, share, "active")
        self._refused(
            "detach while it runs",
            409,
            self._compute.delete_share_attachment,
            server.id,
            share.id,
        )
        self._refused(
            "look from another project",
            403,
            self._clouds["other"].compute.get_share_attachment,
            server.id,
            share.id,
        )
        seen = self._clouds["admin"].compute.get_share_attachment(
            server.id, share.id
        )
        if not seen.export_location:
            raise NotSeen("the administrator sees no export location")
        self._say("look as admin", f"export location {seen.export_location}")
        self._compute.stop_server(server.id)
        self._until("stop the server", server, share, "inactive")
        self._compute.delete_share_attachment(server.id, share.id)
        self._until("detach", server, share, None)

    def _say(self, step: str, what: str) -> None:
        elapsed = time.monotonic() - self._begun
        print(f"{elapsed:7.2f} s  {step:26} {what}", file=self._out)

    def _step(self, step: str, seen: Any, expected: Any) -> None:
        if seen != expected:
            raise NotSeen(f"{step}: {seen}, not {expected}")
        self._say(step, str(seen))

    def _status(self, server: Any, share: Any) -> Optional[str]:
        try:
            found = self._compute.get_share_attachment(server.id, share.id)
        except sdk_exc.NotFoundException:
            return None
        return str(found.status)

    def _until(
        self, step: str, server: Any, share: Any, expected: Optional[str]
    ) -> None:
        end = time.monotonic() + _LIMIT
        seen = self._status(server, share)
        while seen != expected:
            if time.monotonic() > end:
                raise NotSeen(f"{step}: still {seen}, not {expected}")
            time.sleep(0.02)
            seen = self._status(server, share)
        self._say(step, expected or "gone")

    def _refused(
        self,
        step: str,
        status: int,
        action: Callable[..., Any],
        *args: Any,
    ) -> None:
        try:
            action(*args)
        except sdk_exc.HttpException as e:
            if e.status_code != status:
                raise NotSeen(f"{step}: {e.status_code} {e}") from e
            self._say(step, f"refused: {e.status_code} {e.details}")
        else:
            raise NotSeen(f"{step}: not refused")
