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


"""Our filters in a paste file, and out again."""

import io
import os
import stat
import sys
import textwrap

import fixtures
from oslo_config import cfg
import testtools

from nova_shares.cmd import manage
from nova_shares.cmd.manage import command
from nova_shares.cmd.manage import copy_conf
from nova_shares.cmd.manage import paste

NOVAS = """\
# A comment
[composite:osapi_compute]
use = call:nova.api.openstack.urlmap:urlmap_factory
/: oscomputeversions
/v2.1/+: openstack_compute_api_v21

[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory

[app:osapi_compute_app_v21]
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory
"""
EDITED = """\
# A comment
[composite:osapi_compute]
filter-with = nova_shares_versions
use = call:nova.api.openstack.urlmap:urlmap_factory
/: oscomputeversions
/v2.1/+: openstack_compute_api_v21

[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory

[app:osapi_compute_app_v21]
filter-with = nova_shares
paste.app_factory = nova.api.openstack.compute:APIRouterV21.factory

[filter:nova_shares]
paste.filter_factory = nova_shares.pipeline.filters:filter_factory
config_file = /ours.conf

[filter:nova_shares_versions]
paste.filter_factory = nova_shares.pipeline.filters:versions_filter_factory
config_file = /ours.conf
"""
#: As Nova's, with applications that can be loaded without Nova.
LOADABLE = """\
[composite:osapi_compute]
use = egg:Paste#urlmap
/ = osapi_compute_app_v21

[app:osapi_compute_app_v21]
use = egg:nova-shares
config_file = /nowhere.conf
"""
BY_HAND = """\
[filter:nova_shares]
use = egg:nova-shares
config_file = /ours.conf

[filter:nova_shares_versions]
use = egg:nova-shares#versions
config_file = /ours.conf

"""
NOVA_CONF = """\
[DEFAULT]
transport_url = rabbit://nova:secret@broker:5672/
host = node-1
[database]
connection = mysql+pymysql://nova:secret@db/nova
[keystone_authtoken]
auth_type = password
auth_url = http://keystone/v3
username = nova
password = secret$x
project_name = service
memcached_servers = cache
[placement]
auth_url = http://elsewhere/v3
region_name = north
"""


class TestText(testtools.TestCase):
    def test_installed(self):
        self.assertEqual(EDITED, paste.installed(NOVAS, "/ours.conf"))

    def test_removed_is_what_was(self):
        for before in (
            NOVAS,
            NOVAS + "\n\n",
            NOVAS + "[pipeline:x]\npipeline = y\n",
            NOVAS.rstrip("\n"),
            NOVAS.replace("\n", "\r\n"),
        ):
            after = paste.installed(before, "/ours.conf")
            self.assertEqual(before, paste.removed(after))
            self.assertEqual(after, paste.installed(after, "/ours.conf"))
            self.assertEqual(before, paste.removed(before))

    def test_removed_takes_no_line_that_is_not_ours(self):
        by_hand = "[filter:nova_shares]\npaste.filter_factory = a:b\n"
        for before, after in (
            (NOVAS, ""),
            (NOVAS, "[filter:x]\na = b\n"),
            (NOVAS, "# About x\n\n[filter:x]\na = b\n"),
            (NOVAS, "\n# The end\n"),
            (NOVAS + "# See ticket 7\n", "\n[filter:x]\na = b\n"),
            ("", NOVAS),
        ):
            self.assertEqual(
                before + after, paste.removed(before + by_hand + after)
            )

    def test_another_file_of_ours(self):
        self.assertEqual(
            EDITED.replace("/ours.conf", "/b.conf"),
            paste.installed(EDITED, "/b.conf"),
        )

    def test_not_novas(self):
        self.assertRaises(command.Failed, paste.installed, "", "/ours.conf")
        self.assertRaises(
            command.Failed,
            paste.installed,
            NOVAS.replace("[app:osapi", "[app:other"),
            "/ours.conf",
        )

    def test_another_filter_is_there(self):
        text = NOVAS.replace("paste.app_f", "filter-with = audit\npaste.app_f")
        e = self.assertRaises(
            command.Failed, paste.installed, text, "/ours.conf"
        )
        self.assertIn("audit", str(e))


class TestCommand(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.paste_file = self.write("api-paste.ini", NOVAS)
        self.out, self.err = io.StringIO(), io.StringIO()
        self.useFixture(fixtures.MonkeyPatch("sys.stdout", self.out))
        self.useFixture(fixtures.MonkeyPatch("sys.stderr", self.err))

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        return path

    def read(self, path):
        with open(path) as file:
            return file.read()

    def run_verb(self, verb, *args):
        return manage.main(
            ["paste", verb, "--paste-file", self.paste_file, *args]
        )

    def test_in_and_out(self):
        os.chmod(self.paste_file, 0o640)
        ours = ["--our-file", "/ours.conf"]
        self.assertEqual(0, self.run_verb("install", "--dry-run", *ours))
        self.assertIn("+filter-with = nova_shares\n", self.out.getvalue())
        self.assertEqual(NOVAS, self.read(self.paste_file))
        for _ in range(2):
            self.assertEqual(0, self.run_verb("install", *ours))
            self.assertEqual(EDITED, self.read(self.paste_file))
        self.assertEqual(NOVAS, self.read(self.paste_file + paste.BACKUP))
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.paste_file).st_mode))
        for _ in range(2):
            self.assertEqual(0, self.run_verb("remove"))
            self.assertEqual(NOVAS, self.read(self.paste_file))

    def test_no_file(self):
        os.unlink(self.paste_file)
        for verb in ("install", "remove", "check"):
            self.assertEqual(1, self.run_verb(verb))
        self.assertIn("cannot read", self.err.getvalue())

    def test_a_link_stays(self):
        link = os.path.join(self.directory, "link.ini")
        os.symlink("api-paste.ini", link)
        target, self.paste_file = self.paste_file, link
        for verb, text in (
            (("install", "--our-file", "/ours.conf"), EDITED),
            (("remove",), NOVAS),
        ):
            self.assertEqual(0, self.run_verb(*verb))
            self.assertEqual("api-paste.ini", os.readlink(link))
            self.assertEqual(text, self.read(target))

    def test_what_can_not_be_written(self):
        os.mkdir(self.paste_file + paste.BACKUP)
        before = sorted(os.listdir(self.directory))
        self.assertEqual(1, self.run_verb("install"))
        self.assertEqual(before, sorted(os.listdir(self.directory)))
        self.assertIn("cannot write", self.err.getvalue())
        self.assertEqual(NOVAS, self.read(self.paste_file))
        os.rmdir(self.paste_file + paste.BACKUP)
        # A file is where the directory of ours would be.
        ours = os.path.join(self.paste_file, "ours.conf")
        args = ("--our-file", ours, "--copy-from")
        nova_conf = self.write("nova.conf", NOVA_CONF)
        self.assertEqual(1, self.run_verb("install", *args, nova_conf))
        self.assertIn(f"cannot write {ours}", self.err.getvalue())

    def test_check_before_install(self):
        self.write("api-paste.ini", LOADABLE)
        self.assertEqual(1, self.run_verb("check"))
        self.assertIn("no filter", self.err.getvalue())

    def check(self, text):
        """Check a paste file; gives the exit code and what was said."""
        self.write("api-paste.ini", text)
        self.err.truncate(0)
        code = self.run_verb("check")
        return code, self.err.getvalue()

    def test_check_takes_an_edit_by_hand(self):
        ours = self.write("ours.conf", "")
        by_hand = BY_HAND.replace("/ours.conf", ours)
        audit = (
            "[filter:audit]\nuse = egg:oslo.middleware#request_id\n"
            "filter-with = nova_shares\n"
        )
        app = "[app:osapi_compute_app_v21]\n"
        versions = "[composite:osapi_compute]\n"
        with_versions = f"{versions}filter-with = nova_shares_versions\n"
        pipeline = (
            "[pipeline:api]\npipeline = nova_shares osapi_compute_app_v21\n"
        )
        for edited in (
            paste.installed(LOADABLE, ours),
            by_hand
            + LOADABLE.replace(versions, with_versions).replace(
                app, f"{app}filter-with = nova_shares\n"
            ),
            by_hand
            + audit
            + LOADABLE.replace(versions, with_versions).replace(
                app, f"{app}filter-with = audit\n"
            ),
            by_hand + pipeline + LOADABLE.replace(versions, with_versions),
        ):
            self.assertEqual((0, ""), self.check(edited), edited)

    def test_check_misses_a_filter(self):
        ours = self.write("ours.conf", "")
        whole = paste.installed(LOADABLE, ours)
        for name, factory in (
            ("nova_shares", "filter_factory is in front of osapi_compute_app"),
            ("nova_shares_versions", "versions_filter_factory is in front of"),
        ):
            code, said = self.check(
                whole.replace(f"filter-with = {name}\n", "")
            )
            self.assertEqual(1, code)
            self.assertIn(factory, said)

    def test_check_says_that_we_can_not_be_imported(self):
        # A Python that has what the script needs, but for us.
        stub = self.write(
            "python",
            f"""\
            #!{sys.executable}
            import sys
            sys.modules["nova_shares"] = None
            sys.argv = sys.argv[4:]
            sys.argv[0] = "-c"
            exec(compile(SCRIPT, "-c", "exec"))
            """,
        )
        text = self.read(stub).replace("SCRIPT", repr(paste._CHECK))
        self.write("python", text)
        os.chmod(stub, 0o755)
        self.run_verb("install", "--our-file", self.write("ours.conf", ""))
        self.assertEqual(1, self.run_verb("check", "--python", stub))
        self.assertIn("nova_shares", self.err.getvalue())
        self.assertIn("cannot load", self.err.getvalue())

    def test_copy_from(self):
        nova_conf = self.write("nova.conf", NOVA_CONF)
        os.chmod(nova_conf, 0o640)
        ours = os.path.join(self.directory, "new", "ours.conf")
        args = ("--our-file", ours, "--copy-from", nova_conf)
        self.assertEqual(0, self.run_verb("install", "--dry-run", *args))
        self.assertFalse(os.path.exists(ours))
        os.chmod(self.directory, 0o751)
        self.addCleanup(os.umask, os.umask(0o077))
        self.assertEqual(0, self.run_verb("install", *args))
        self.assertEqual(0o640, stat.S_IMODE(os.stat(ours).st_mode))
        directory = os.stat(os.path.dirname(ours))
        self.assertEqual(0o751, stat.S_IMODE(directory.st_mode))
        text = self.read(ours)
        for line in (
            "transport_url = rabbit://nova:secret@broker:5672/",
            "host = node-1",
            "auth_url = http://keystone/v3",
            "password = secret$x",
            "region_name = north",
        ):
            self.assertIn(line + "\n", text)
        # Neither Nova's database nor what is of no use to us.
        self.assertNotIn("nova:secret@db", text)
        self.assertNotIn("memcached", text)
        self.assertNotIn("secret", self.out.getvalue())
        self.write("new/ours.conf", "mine")
        self.assertEqual(0, self.run_verb("install", *args))
        self.assertEqual("mine", self.read(ours))

    def test_copy_from_takes_how_the_broker_is_reached(self):
        rabbit = (
            "[oslo_messaging_rabbit]\nssl = true\n"
            "ssl_ca_file = /etc/ca.pem\nrabbit_quorum_queue = true\n"
        )
        default = "[DEFAULT]\nrpc_response_timeout = 90\n"
        path = self.write("nova.conf", textwrap.dedent(NOVA_CONF))
        with open(path, "a") as file:
            file.write(default + rabbit)
        text = copy_conf.make(path)
        self.assertIn(rabbit, text)
        self.assertIn("rpc_response_timeout = 90\n", text)

    def test_a_bad_copy_from_changes_nothing(self):
        ours = os.path.join(self.directory, "ours.conf")
        for bad in (self.write("nova.conf", ""), "/nowhere/nova.conf"):
            args = ("--our-file", ours, "--copy-from", bad)
            self.assertEqual(1, self.run_verb("install", *args))
            self.assertEqual(NOVAS, self.read(self.paste_file))
            self.assertFalse(os.path.exists(ours))

    def test_a_second_install_keeps_the_original(self):
        for name in ("/one.conf", "/two.conf"):
            self.assertEqual(0, self.run_verb("install", "--our-file", name))
        self.assertEqual(NOVAS, self.read(self.paste_file + paste.BACKUP))

    def test_check_right_after_install(self):
        nova_conf = self.write("nova.conf", NOVA_CONF)
        ours = os.path.join(self.directory, "ours.conf")
        args = ("--our-file", ours, "--copy-from", nova_conf)
        self.assertEqual(0, self.run_verb("install", *args))
        self.run_verb("check")
        self.assertNotIn("connection", self.err.getvalue())
        self.assertEqual(1, self.run_verb("check", "--python", "/nowhere"))
        self.assertIn("cannot run /nowhere", self.err.getvalue())

    def test_a_configuration_file_that_is_a_directory(self):
        code = manage.main(["--config-file", self.directory, "agent", "list"])
        self.assertEqual(1, code)
        self.assertIn(self.directory, self.err.getvalue())

    def test_copy_from_what_has_it_not(self):
        for text in ("", "[DEFAULT]\ntransport_url = fake://\n"):
            path = self.write("nova.conf", text)
            self.assertRaises(copy_conf.Missing, copy_conf.make, path)
        self.assertRaises(cfg.Error, copy_conf.make, "/nowhere/nova.conf")
