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
"""A cephx key, a token or a password is nowhere but where it is used."""

import logging
import os
import pathlib

import fixtures

from nova_shares.tests.functional import cloud
from nova_shares.tests.functional_manila import base
from nova_shares.tests.functional_manila import real
from nova_shares.tests.functional_manila import test_kill


class SecretsTest(base.StoryTest):
    # Also what keystoneauth says of our requests.
    options = {"options": "[DEFAULT]\ndefault_log_levels = amqp=WARN\n"}

    def make_cloud(self):
        self.parents = {}
        made = self.useFixture(test_kill.Processes(**self.options))
        # After that, which would throw it out.
        self.log = self.useFixture(
            fixtures.FakeLogger(level=logging.DEBUG, nuke_handlers=False)
        )
        return made

    def test_no_secret_is_anywhere(self):
        messages = self._tap()
        share = self.c.share(proto="CEPHFS")
        self.assertEqual(201, self.c.attach(self.server, share))
        self.c.act(self.server, "os-start")
        self.c.see(self.server, share, "active")
        # Past Manila's API: what the test asks there is in the API's log.
        [[key]] = self.c.manila_sql(
            "SELECT access_key FROM share_access_map WHERE share_id = :share",
            share=share,
        )
        self.assertGreater(len(key), 20)
        arguments = self._arguments()
        path = f"/servers/{self.server}/shares"
        answers = [
            self.c.ask("GET", url, user=user).text
            for url in (path, f"{path}/{share}")
            for user in ("member", "admin")
        ]
        self.c.act(self.server, "os-stop")
        self.c.see(self.server, share, "inactive")
        rows = self._provoke_a_fault(share)
        self.assertEqual(200, self.c.detach(self.server, share))
        self.c.see(self.server, share, None)
        log = pathlib.Path(self.c.directory, "agent.log")
        cloud.wait_for(lambda: "is gone, was detaching" in log.read_text())
        logs = log.read_text()
        self.assertIn("DEBUG", logs)
        self.assertIn("is detached, server", self.log.output)
        reasons = str([lock["lock_reason"] for lock in self.c.locks()])
        cloud.wait_for(lambda: messages, "no message was seen")
        told = {
            "agent's log": logs,
            "API's log": self.log.output,
            "answers": str(answers),
            "rows": rows,
            "arguments": "\n".join(arguments.values()),
            "messages": str(messages),
            "lock reasons": reasons,
        }
        for secret in [key, *self._tokens()]:
            for where, text in told.items():
                self.assertNotIn(secret, text, where)
        # Of a password that is a common word: as it would be said, and of the
        # processes only in ours. Other suites have such words of their own.
        told["arguments"] = "\n".join(self._of_ours(arguments))
        for where, text in told.items():
            for said in ("={}", "'{}'", '"{}"'):
                said = said.format(real.PASSWORD)
                self.assertNotIn(said, text, where)

    def _provoke_a_fault(self, share):
        """Have a mount fail, once; returns all rows with the fault."""
        self.c.hypervisor.fail("mount", "no such export", 1)
        self.c.act(self.server, "os-start")
        self.fault(self.server, share, "no such export")
        rows = str(self.c.database.run("SELECT * FROM share_mappings"))
        rows += str(self.c.database.run("SELECT * FROM share_agents"))
        self.c.see(self.server, share, "active")
        self.c.act(self.server, "os-stop")
        self.c.see(self.server, share, "inactive")
        return rows

    def _tokens(self):
        """List the tokens that went to Manila."""
        return self.tokens

    def _tap(self):
        """Keep what is sent by message, and the tokens that are used."""
        self.tokens = set()
        for of in (self.c.api_manila, self.c.agent_manila):
            of.hold = lambda request, response: self.tokens.add(
                request.headers["X-Auth-Token"]
            )
        import kombu

        from nova_shares import rpc

        messages = []
        connection = kombu.Connection(
            real.RABBIT.rstrip("/").replace("rabbit://", "amqp://") + "//"
        )
        channel = connection.channel()
        exchange = kombu.Exchange(
            rpc.EXCHANGE, "topic", durable=False, auto_delete=False
        )
        topic = f"{rpc.TOPIC}.{self.c.host}"
        queue = kombu.Queue(
            "", exchange, routing_key=topic, exclusive=True, channel=channel
        )
        queue.declare()
        self.addCleanup(connection.close)

        def drain():
            while True:
                message = queue.get(no_ack=True)
                if message is None:
                    return messages
                messages.append(message.body)

        return _Drained(drain)

    def _arguments(self):
        """Read the command line of every process, by its id."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                stat = (path / "stat").read_text(errors="replace")
                self.parents[path.name] = stat.rpartition(")")[2].split()[1]
                found[path.name] = (path / "cmdline").read_text(
                    errors="replace"
                )
            except OSError:
                continue
        return found

    def _of_ours(self, arguments):
        """Pick the command lines of this process and of what it started."""
        me = str(os.getpid())
        for pid, text in arguments.items():
            while pid != me and pid in self.parents:
                pid = self.parents[pid]
            if pid == me:
                yield text


class _Drained:
    """Messages that are fetched when they are looked at."""

    def __init__(self, drain):
        self._drain = drain

    def __bool__(self):
        return bool(self._drain())

    def __str__(self):
        return str(self._drain())
