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

"""nova-shares-manage, as an operator types it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import unittest
from unittest import mock

from nova_shares import conf as nova_shares_conf
from nova_shares import mapping as m
from nova_shares import rpc
from nova_shares.clients import manila
from nova_shares.cmd import manage
from nova_shares.db import migrations
from nova_shares.tests import fixtures_db
from nova_shares.tests.functional.db import cases

new = fixtures_db.new_mapping


class ManageTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.database = fixtures_db.Sqlite()
        self.addCleanup(self.database.drop)
        self.directory = os.path.dirname(self.database.admin.url.database)
        self.conf_file = os.path.join(self.directory, "nova-shares.conf")
        self.configure("fake://")
        # The command configures logging, which is the whole process's.
        root = logging.getLogger()
        self.addCleanup(setattr, root, "handlers", root.handlers[:])
        self.addCleanup(root.setLevel, root.level)

    def configure(self, transport_url):
        with open(self.conf_file, "w") as file:
            file.write(
                f"[DEFAULT]\ntransport_url = {transport_url}\n"
                f"log_file = {self.directory}/service.log\n"
                f"[database]\nconnection = {self.database.url}\n"
                "[api]\nagent_down_time = 1\n"
            )

    def run_(self, *args):
        """Run the command: its exit code, output and complaints."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = manage.main(["--config-file", self.conf_file, *args])
            except SystemExit as e:
                code = e.code
        return code, out.getvalue(), err.getvalue()

    def json(self, *args):
        code, out, err = self.run_(*args, "--format", "json")
        self.assertEqual(0, code, err)
        return json.loads(out)

    def failed(self, store, **values):
        return store.fail(
            store.insert(new(**values)), "mount", "timed out", None
        )

    def test_sync_and_version(self):
        code, out, err = self.run_("db", "version")
        self.assertEqual((1, "none\n"), (code, out))
        self.assertIn("db sync", err)
        newest = migrations.version(self.database.conf())[1]
        for _ in range(2):
            code, out, err = self.run_("db", "sync")
            self.assertEqual((0, ""), (code, err))
            self.assertIn(newest, out)
        self.assertEqual((0, newest + "\n", ""), self.run_("db", "version"))

    def test_sync_of_another_programs_database(self):
        self.database.run("CREATE TABLE instances (id INTEGER)")
        code, out, err = self.run_("db", "sync")
        self.assertEqual((1, ""), (code, out))
        self.assertEqual(1, err.count("\n"), err)
        self.assertIn("instances", err)
        self.assertIn("a separate database", err)

    def test_force_detach_while_the_user_detaches(self):
        store = self.database.synced()
        self.addCleanup(store._engine.dispose)
        made = store.insert(new())
        deletes = []

        def user_deletes(shares, share_id):
            # Both have read the mapping; Manila has no rule of it.
            if not deletes:
                deletes.append(store.want_detached(made.uuid))
            return []

        with mock.patch.object(manila.Shares, "rules", user_deletes):
            said = self.run_(
                "mapping", "force-detach", made.uuid, "--host-is-fenced"
            )
        self.assertEqual((0, ""), (said[0], said[2]))
        self.assertIsNone(store.get(made.uuid))
        self.assertEqual(2, deletes[0].generation - made.generation)

    def test_what_is_asked_for_wrongly(self):
        for args in (
            (),
            ("mapping",),
            ("mapping", "lost"),
            ("mapping", "show"),
            ("mapping", "list", "--status", "lost"),
        ):
            code, out, err = self.run_(*args)
            self.assertEqual((2, ""), (code, out), args)
            self.assertIn("usage:", err)

    def test_before_the_first_sync(self):
        code, out, err = self.run_("mapping", "list")
        self.assertEqual((1, ""), (code, out))
        self.assertEqual(1, err.count("\n"), err)
        self.assertIn("run nova-shares-manage db sync", err)

    def test_version(self):
        code, out, _ = self.run_("--version")
        self.assertEqual(0, code)
        self.assertRegex(out, r"^nova-shares-manage \d+\.\d+")

    def test_yes_without_fix(self):
        self.database.synced()
        code, out, err = self.run_("audit", "--yes")
        self.assertEqual((2, ""), (code, out))
        self.assertIn("--yes requires --fix", err)

    def test_whoever_reads_the_output_has_enough(self):
        store = self.database.synced()
        for _ in range(300):
            store.insert(new())
        done = subprocess.run(
            [
                *("bash", "-c"),
                f"{sys.executable} -W ignore -m nova_shares.cmd.manage"
                f" --config-file {self.conf_file} mapping list"
                " | head -1",
            ],
            capture_output=True,
            text=True,
        )
        self.assertEqual("", done.stderr)
        self.assertIn("+--", done.stdout)

    def test_no_such_file_and_no_database(self):
        for text in ("", "[database]\nconnection = nothing\n"):
            with open(self.conf_file, "w") as file:
                file.write(text)
            code, _, err = self.run_("agent", "list")
            self.assertEqual(1, code)
            self.assertIn("connection", err)
        os.remove(self.conf_file)
        code, _, err = self.run_("agent", "list")
        self.assertEqual(1, code)
        self.assertIn(self.conf_file, err)

    def test_list(self):
        store = self.database.synced()
        one = store.insert(new(host="a", project_id="p1"))
        two = self.failed(store, host="b", project_id="p2")

        def ids(*args):
            return [x["uuid"] for x in self.json("mapping", "list", *args)]

        self.assertEqual([one.uuid, two.uuid], ids())
        self.assertEqual([one.uuid], ids("--host", "a"))
        self.assertEqual([two.uuid], ids("--status", "error"))
        self.assertEqual([one.uuid], ids("--project", "p1"))
        self.assertEqual(
            [two.uuid], ids("--server", two.instance_uuid.upper())
        )
        code, out, _ = self.run_("mapping", "list")
        self.assertEqual(0, code)
        for word in (one.uuid, two.uuid, two.share_id, "mount: timed out"):
            self.assertIn(word, out)
        self.assertEqual([one.uuid], ids("--limit", "1"))
        self.assertEqual([two.uuid], ids("--limit", "1", "--marker", one.uuid))
        self.assertEqual([], ids("--marker", two.uuid.upper()))
        for wrong in ("0", "-1", "x"):
            code, _, err = self.run_("mapping", "list", "--limit", wrong)
            self.assertEqual(2, code, err)
        code, _, err = self.run_("mapping", "list", "--marker", "x")
        self.assertEqual(1, code)
        self.assertIn("share mapping x does not exist", err)
        code, out, err = self.run_("mapping", "list", "--host", "c")
        # Nothing to show is no failure.
        self.assertEqual((0, "", ""), (code, out, err))
        self.assertEqual([], self.json("mapping", "list", "--host", "c"))

    def test_show(self):
        made = self.failed(self.database.synced(), user_id="user")
        shown = self.json("mapping", "show", made.uuid.upper())
        self.assertEqual(made.uuid, shown["uuid"])
        self.assertEqual("user", shown["user_id"])
        self.assertEqual(
            {
                "step": "mount",
                "message": "timed out",
                "time": made.fault.time.isoformat(),
                "attempts": 1,
                "next_try": None,
            },
            shown["fault"],
        )
        code, out, _ = self.run_("mapping", "show", made.uuid)
        self.assertEqual(0, code)
        for word in (made.export_location, "timed out", "fault attempts"):
            self.assertIn(word, out)
        for verb in ("show", "retry", "reset"):
            code, out, err = self.run_("mapping", verb, "missing")
            self.assertEqual((1, ""), (code, out))
            self.assertIn("share mapping missing does not exist", err)

    def test_agents(self):
        store = self.database.synced()
        code, _, err = self.run_("agent", "list")
        self.assertEqual((0, ""), (code, err))
        store.claim_host("up", "boot", m.Capabilities(protocols=("NFS",)))
        store.claim_host("down", "boot", m.Capabilities())
        self.database.run(
            "UPDATE share_agents SET last_heartbeat = '2026-01-01 00:00:00'"
            " WHERE host = 'down'"
        )
        down, up = self.json("agent", "list")
        self.assertEqual(
            ("down", "down", "up", "up"),
            (down["host"], down["state"], up["host"], up["state"]),
        )
        self.assertEqual(["NFS"], up["protocols"])
        self.assertGreater(down["age"], 60)
        code, out, _ = self.run_("agent", "list")
        self.assertEqual(0, code)
        self.assertIn("NFS, CEPHFS", out)

    def test_retry_and_reset_tell_the_agent(self):
        store = self.database.synced()
        told, looked = [], threading.Event()

        def look(uuid, generation):
            told.append(uuid)
            looked.set()

        conf = nova_shares_conf.load(files=[self.conf_file])
        server = rpc.get_server(conf, "host-1", look)
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)
        made = self.failed(store)
        again = self.json("mapping", "retry", made.uuid)
        self.assertEqual("error", again["status"])
        self.assertIsNotNone(again["fault"]["next_try"])
        self.assertTrue(looked.wait(10))
        looked.clear()
        again = self.json("mapping", "reset", made.uuid)
        self.assertEqual(
            ("attaching", None), (again["status"], again["fault"])
        )
        self.assertTrue(looked.wait(10))
        self.assertEqual([made.uuid] * 2, told)

    def test_only_what_failed_is_retried_or_reset(self):
        made = self.database.synced().insert(new())
        for verb in ("retry", "reset"):
            code, out, err = self.run_("mapping", verb, made.uuid)
            self.assertEqual((1, ""), (code, out))
            self.assertIn("is attaching, not error", err)

    def test_a_broker_that_is_away_is_told_of(self):
        made = self.failed(self.database.synced())
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.configure(
                f"rabbit://u:secret@127.0.0.1:{unused.getsockname()[1]}/"
            )
            ended = subprocess.run(
                [
                    cases.MANAGE,
                    "--config-file",
                    self.conf_file,
                    "mapping",
                    "reset",
                    made.uuid,
                ],
                capture_output=True,
                text=True,
                timeout=60,
            )
        self.assertEqual(0, ended.returncode, ended.stderr)
        self.assertIn(made.uuid, ended.stdout)
        self.assertIn("was not told", ended.stderr)
        self.assertNotIn("secret", ended.stderr)
        self.assertFalse(os.path.exists(f"{self.directory}/service.log"))
