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

"""Who may do what: oslo.policy with Nova's own rule names.

The source of names and defaults is Nova's policy reference for
os-server-shares; the two rules that Nova does not have say so.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from typing import Optional

from oslo_config import cfg
from oslo_context import context
from oslo_log import log as logging
from oslo_policy import policy

from nova_shares import conf as nova_shares_conf
from nova_shares import exception
from nova_shares.policies import base
from nova_shares.policies import server_shares

LOG = logging.getLogger(__name__)


def list_rules() -> list[policy.RuleDefault]:
    """List our rules (entry point ``oslo.policy.policies``)."""
    return [*base.list_rules(), *server_shares.list_rules()]


#: Seconds after which a changed policy file is in force at the latest.
REREAD_AFTER = 1.0
#: How many decisions are remembered until then.
_REMEMBERED = 1000


class Policy:
    """Decides by our rules, with the operator's policy file over them.

    :raises Exception: oslo.policy's, when there is a file that is broken
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # By itself it would look for its files at every decision, which
        # takes longer than to decide. Another one reads them: decisions are
        # by whole sets of rules, and by the last that was without fault.
        self.enforcer = policy.Enforcer(conf, use_conf=False)
        self._reader = policy.Enforcer(conf)
        self._lock = threading.Lock()
        self._read_again = 0.0
        self._broken = False
        self._decided: dict[object, bool] = {}
        self._may_remember = False
        # oslo.policy's own set_defaults() would change Nova's options too.
        conf.set_default("policy_dirs", [], group="oslo_policy")
        if "enforce_scope" in conf.oslo_policy:
            # Older releases can be told not to mind a token's scope.
            conf.set_default("enforce_scope", True, group="oslo_policy")
        self.enforcer.register_defaults(list_rules())
        self._reader.register_defaults(list_rules())
        self._read()

    def authorize(
        self,
        caller: context.RequestContext,
        rule: str,
        project_id: Optional[str],
    ) -> None:
        """Pass if ``caller`` may do ``rule`` in the project.

        :raises nova_shares.exception.NotAllowed: if not
        :raises nova_shares.exception.ServiceUnavailable: if that can't be
            told
        """
        if not self.allows(caller, rule, project_id):
            raise exception.NotAllowed(rule=rule)

    def allows(
        self,
        caller: context.RequestContext,
        rule: str,
        project_id: Optional[str],
    ) -> bool:
        """Tell whether ``caller`` may do ``rule`` in the project.

        :raises nova_shares.exception.ServiceUnavailable: if that can't be
            told
        """
        self._reread()
        decided = self._decided
        credentials = dict(caller.to_policy_values())
        key = rule, project_id, repr(credentials)
        allowed = decided.get(key)
        if allowed is None:
            allowed = self._decide(caller, rule, project_id)
            if self._may_remember and len(decided) < _REMEMBERED:
                decided[key] = allowed
        return allowed

    def _decide(
        self,
        caller: context.RequestContext,
        rule: str,
        project_id: Optional[str],
    ) -> bool:
        target = {"project_id": project_id}
        try:
            return bool(
                self.enforcer.authorize(rule, target, caller, do_raise=True)
            )
        except (policy.PolicyNotAuthorized, policy.InvalidScope):
            return False
        except Exception as e:
            # Such as that of whom a rule has us ask, who is away.
            raise exception.ServiceUnavailable(
                service="server shares",
                detail=f"policy {rule}: {type(e).__name__}: {e}",
            ) from e

    def _reread(self) -> None:
        if time.monotonic() < self._read_again:
            return
        with self._lock:
            try:
                self._read()
                self._broken = False
            except Exception as e:
                self._broken = True
                LOG.error(
                    "Cannot load the policy file; the rules loaded before stay"
                    " in force: %s: %s",
                    type(e).__name__,
                    e,
                )
            self._read_again = time.monotonic() + REREAD_AFTER

    def _read(self) -> None:
        # A file that it could not parse it would not read a second time.
        self._reader.load_rules(force_reload=self._broken)
        for name, rule in self._reader.file_rules.items():
            # oslo.policy takes a rule without a value for one that allows
            # everybody everything.
            check: Any = rule.check_str
            if not isinstance(check, (str, list)) or check == []:
                raise ValueError(f"the rule {name} has no value")
        self.enforcer.rules = self._reader.rules
        # Somebody else may have been asked by a decision.
        rules = map(str, self.enforcer.rules.values())
        self._may_remember = not any(
            "http:" in rule or "https:" in rule for rule in rules
        )
        self._decided = {}


def get_enforcer() -> Any:
    """Make an enforcer (entry point ``oslo.policy.enforcer``)."""
    enforcer = Policy(nova_shares_conf.load()).enforcer
    enforcer.use_conf = True
    return enforcer
