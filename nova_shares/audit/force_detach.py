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
"""Detaches a share from a host that cannot do it itself."""

from __future__ import annotations

from nova_shares import exception
from nova_shares import mapping
from nova_shares.audit import findings
from nova_shares.clients import lock_reason
from nova_shares.clients import manila
from nova_shares.db import store as db_store
from nova_shares.mapping import ShareMapping


def force_detach(
    store: db_store.Store, shares: manila.Shares, m: ShareMapping
) -> list[manila.AccessRule]:
    """Undo a mapping of a host that can't do it itself: it is fenced.

    Call it until it gives nothing: the access rule takes its time to go,
    and the row goes last. Others of the host keep the rule that they share.

    :returns: the access rules that are not gone yet
    :raises nova_shares.clients.manila.Refused: if Manila keeps one
    """
    unwanted = m if m.wanted == mapping.DETACHED else None
    unwanted = unwanted or store.want_detached(m.uuid)
    if unwanted is None:
        return []
    left = [] if _is_shared(store, m) else _rules_of(shares, m)
    for rule in left:
        if rule.state not in ("queued_to_deny", "denying"):
            shares.deny(m.share_id, rule.id)
    if not left:
        store.delete(unwanted)
    return left


def _is_shared(store: db_store.Store, m: ShareMapping) -> bool:
    """Tell whether another mapping needs the same rule."""
    return m.share_proto == "NFS" and any(
        other.uuid != m.uuid and other.wanted == mapping.ATTACHED
        for other in store.list_for_share(m.host, m.share_id, m.access_id)
    )


def _rules_of(
    shares: manila.Shares, m: ShareMapping
) -> list[manila.AccessRule]:
    """Find a mapping's rule, by its record or by what its lock says."""
    try:
        rules = [rule for rule in shares.rules(m.share_id) if rule.ours]
    except exception.ShareNotFound:
        return []
    known = [rule for rule in rules if rule.id == m.access_id]
    if known:
        return known
    reasons = {
        lock.resource_id: lock_reason.read(lock.reason)
        for rule in rules
        for lock in shares.locks(rule.id)
    }
    return [
        rule
        for rule in rules
        if reasons.get(rule.id)
        and findings.needs(m, rule, reasons[rule.id], ())
    ]
