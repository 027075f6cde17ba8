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

"""RPC to the agent of a host: "reconcile this mapping".

A message carries a mapping's uuid and generation; the database is the truth.
A message may be lost, repeated or late: that changes the time a change takes,
never its outcome. The exchange is our own, whatever Nova's is.
"""

from __future__ import annotations

import importlib
import queue
import threading
from typing import Any
from typing import Callable
from typing import Optional

from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
import oslo_messaging

from nova_shares.mapping import ShareMapping

LOG = logging.getLogger(__name__)

EXCHANGE = "nova_shares"
TOPIC = "nova_shares_agent"
#: 1.0: reconcile(mapping_uuid, generation)
VERSION = "1.0"

#: oslo.messaging reads these from the ConfigOpts of a transport, but
#: registers them on the global one only.
_FORGOTTEN = ("metrics", "tracing")
#: Messages that wait for the broker; those above are dropped, resync finds
#: their mappings.
_WAITING = 1000
#: The connection may be of before the broker was restarted: then the first
#: try finds that out, and the second makes a new one.
_TRIES = 2


class _Serializer(oslo_messaging.NoOpSerializer):
    """Carries who asked, for the log; no token, no roles."""

    def serialize_context(self, ctxt: Any) -> dict[str, Any]:
        return {
            "request_id": ctxt.request_id,
            "global_request_id": ctxt.global_request_id,
            "user_id": ctxt.user_id,
            "project_id": ctxt.project_id,
        }

    def deserialize_context(
        self, ctxt: dict[str, Any]
    ) -> context.RequestContext:
        return context.RequestContext(
            request_id=ctxt.get("request_id"),
            global_request_id=ctxt.get("global_request_id"),
            user_id=ctxt.get("user_id"),
            project_id=ctxt.get("project_id"),
        )


def get_transport(conf: cfg.ConfigOpts) -> oslo_messaging.transport.Transport:
    """Make the transport of ``[DEFAULT] transport_url``; dials nothing."""
    for name in _FORGOTTEN:
        try:
            module = importlib.import_module(f"oslo_messaging._{name}.client")
        except ImportError:
            LOG.debug("This oslo.messaging has no %s", name)
            continue
        group = f"oslo_messaging_{name}"
        conf.register_opts(getattr(module, group), group=group)
    return oslo_messaging.get_rpc_transport(conf)


class AgentAPI:
    """Casts to agents, off the caller's thread.

    Nothing is made before the first message, so that it can be built before a
    process forks. When the broker is down a message is logged and dropped.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._queue: queue.Queue[Optional[tuple[Any, ShareMapping]]] = (
            queue.Queue(_WAITING)
        )
        self._thread: Optional[threading.Thread] = None

    def reconcile(
        self, caller: context.RequestContext, mapping: ShareMapping
    ) -> None:
        """Have the agent of the mapping's host look at it; never waits."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="agent-api", daemon=True
                )
                self._thread.start()
        try:
            self._queue.put_nowait((caller, mapping))
        except queue.Full:
            self._lost(mapping, "too many wait for the broker")

    def close(self, timeout: float = 5) -> None:
        """Send what waits, for ``timeout`` seconds at most, and stop."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(timeout)

    def _run(self) -> None:
        client = None
        while True:
            item = self._queue.get()
            if item is None:
                return
            caller, mapping = item
            for tries_left in reversed(range(_TRIES)):
                try:
                    client = client or get_client(self._conf)
                    client.prepare(server=mapping.host).cast(
                        caller,
                        "reconcile",
                        mapping_uuid=mapping.uuid,
                        generation=mapping.generation,
                    )
                    LOG.debug(
                        "Told %s of mapping %s", mapping.host, mapping.uuid
                    )
                    break
                except Exception as e:
                    # A broker that is away raises whatever its library has.
                    if not tries_left:
                        self._lost(mapping, f"{type(e).__name__}: {e}")

    def _lost(self, mapping: ShareMapping, why: str) -> None:
        LOG.warning(
            "The agent of %s was not told of mapping %s (%s); it finds it "
            "at its next resync",
            mapping.host,
            mapping.uuid,
            why,
        )


def get_client(conf: cfg.ConfigOpts) -> Any:
    """Make what casts to agents; a broker that is away is not waited for."""
    return oslo_messaging.get_rpc_client(
        get_transport(conf),
        oslo_messaging.Target(exchange=EXCHANGE, topic=TOPIC, version=VERSION),
        serializer=_Serializer(),
        retry=0,
    )


class _Endpoint:
    """The calls that an agent answers."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, reconcile: Callable[[str, int], None]) -> None:
        self._reconcile = reconcile

    def reconcile(
        self,
        ctxt: context.RequestContext,
        mapping_uuid: str,
        generation: int = 0,
    ) -> None:
        self._reconcile(mapping_uuid, generation)


def get_server(
    conf: cfg.ConfigOpts, host: str, reconcile: Callable[[str, int], None]
) -> oslo_messaging.MessageHandlingServer:
    """Make the server of a host's agent.

    :param reconcile: called with a mapping's uuid and the generation that it
        has come to at least; must not block
    """
    return oslo_messaging.get_rpc_server(
        get_transport(conf),
        oslo_messaging.Target(exchange=EXCHANGE, topic=TOPIC, server=host),
        [_Endpoint(reconcile)],
        serializer=_Serializer(),
        access_policy=oslo_messaging.DefaultRPCAccessPolicy,
    )
