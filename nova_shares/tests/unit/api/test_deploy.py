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

"""Tests of the factories: what they do before, and without, a request."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import textwrap
import threading

import fixtures
from oslo_config import cfg
from oslo_context import context
from paste.deploy import loadwsgi
import testtools
import webob

from nova_shares.api import deploy
from nova_shares.pipeline import filters

ROOT = pathlib.Path(__file__).parents[4]
SHARES = "/servers/aaaaaaaa-0000-4000-8000-00000000000a/shares"
#: Without it the service does not start.
AUTHTOKEN = """\
[keystone_authtoken]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = nova-shares
"""


def _wrapped(environ, start_response):
    if environ["PATH_INFO"] == "/":
        version = {"id": "v2.1", "version": "2.96"}
        return webob.Response(json={"versions": [version]})(
            environ, start_response
        )
    return webob.Response("Nova's")(environ, start_response)


def _get(app, path):
    request = webob.Request.blank(path)
    request.headers["OpenStack-API-Version"] = "compute 2.97"
    request.environ["nova.context"] = context.RequestContext(
        user_id="u", project_id="p", roles=["reader"], overwrite=False
    )
    return request.get_response(app)


class TestFilterFactory(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.file = os.path.join(self.directory, "nova-shares.conf")

    def _write(self, text):
        with open(self.file, "w") as file:
            file.write(textwrap.dedent(text))

    def _filter(self):
        return filters.filter_factory({}, config_file=self.file)(_wrapped)

    def _check_broken(self, app, why):
        self.assertEqual("Nova's", _get(app, "/servers").text)
        response = _get(app, SHARES)
        self.assertEqual(503, response.status_int)
        self.assertIn("server shares", response.text)
        self.assertIn(why, self.log.output)

    def test_no_file(self):
        self._check_broken(self._filter(), self.file)

    def test_a_file_that_is_none(self):
        self._write("nonsense")
        self._check_broken(self._filter(), "ConfigFileParseError")

    def test_a_value_that_is_none(self):
        for option in ("serve", "advertise"):
            self._write(f"[api]\n{option} = maybe\n")
            self._check_broken(self._filter(), "maybe")
            versions = filters.versions_filter_factory({}, self.file)
            response = _get(versions(_wrapped), "/servers")
            self.assertEqual("Nova's", response.text)

    def test_no_database(self):
        self._write("")
        self._check_broken(self._filter(), "connection")

    def test_put_right_without_a_restart(self):
        app = self._filter()
        self._check_broken(app, self.file)
        self._write(
            f"""\
            [database]
            connection = sqlite:///{self.directory}/nowhere.db
            """
        )
        response = _get(app, SHARES)
        # Configured now, but there was no db sync.
        self.assertEqual(503, response.status_int)
        self.assertIn("run nova-shares-manage db sync", self.log.output)

    def test_before_a_request_nothing_is_made(self):
        threads = threading.active_count()
        self._write("[database]\nconnection = sqlite:////nowhere/x.db\n")
        self._filter()
        self.assertEqual(threads, threading.active_count())
        self.assertEqual("", self.log.output)

    def test_not_behind_novas_authentication(self):
        request = webob.Request.blank(
            SHARES, headers={"X-User-Id": "u", "X-Roles": "admin"}
        )
        response = request.get_response(self._filter())
        self.assertEqual(503, response.status_int)
        self.assertIn("keystonecontext", self.log.output)


class TestImport(testtools.TestCase):
    def test_nova_works_on_whatever_cannot_be_imported(self):
        script = """
            import logging
            import sys
            from oslo_context import context
            import webob
            from nova_shares.pipeline import filters
            logging.disable(logging.CRITICAL)
            sys.modules[sys.argv[1]] = None
            def nova(environ, start_response):
                version = {"id": "v2.1", "version": "2.96"}
                return webob.Response(json={"versions": [version]})(
                    environ, start_response
                )
            server = "/servers/aaaaaaaa-0000-4000-8000-00000000000a"
            app = filters.filter_factory({}, sys.argv[2])(nova)
            for method, path in (
                ("DELETE", server),
                ("POST", server + "/action"),
                ("GET", server + "/shares"),
            ):
                request = webob.Request.blank(path, method=method)
                request.headers["OpenStack-API-Version"] = "compute 2.97"
                request.environ["nova.context"] = context.RequestContext(
                    user_id="u", project_id="p", roles=["reader"]
                )
                print(request.get_response(app).status_int)
        """
        directory = self.useFixture(fixtures.TempDir()).path
        file = os.path.join(directory, "ours.conf")
        with open(file, "w") as f:
            f.write(f"[database]\nconnection = sqlite:///{directory}/x.db\n")
        for missing in ("sqlalchemy", "oslo_policy", "routes"):
            done = subprocess.run(
                [
                    sys.executable,
                    *("-W", "ignore", "-c", textwrap.dedent(script)),
                    *(missing, file),
                ],
                capture_output=True,
                text=True,
            )
            self.assertEqual("200\n200\n503\n", done.stdout, done.stderr)

    def test_the_filter_needs_neither_database_nor_messaging(self):
        script = """
            import sys
            from nova_shares.pipeline import filters
            filters.filter_factory({}, config_file="/nowhere")(None)
            print(sorted({
                name for name in sys.modules
                if name in ("sqlalchemy", "oslo_messaging", "alembic",
                            "nova_shares.attachments", "nova_shares.db")
                or name == "nova" or name.startswith("nova.")
            }))
        """
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
            check=True,
            capture_output=True,
            text=True,
        )
        self.assertEqual("[]", done.stdout.strip())

    def test_the_global_configuration_stays_as_it_was(self):
        script = """
            import sys
            from oslo_config import cfg
            from nova_shares import attachments
            from nova_shares.api import deploy
            from nova_shares.pipeline import deploy as pipeline
            before = sorted(cfg.CONF)
            from nova_shares import conf
            deploy.make_service(conf.load(files=sys.argv[1:]))
            embedded = pipeline.embed(None, lambda: conf.load(files=[]))
            embedded.guard()
            print(sorted(set(cfg.CONF) - set(before)))
        """
        path = self.useFixture(fixtures.TempDir()).join("nova-shares.conf")
        pathlib.Path(path).write_text(AUTHTOKEN)
        command = [sys.executable, "-W", "ignore", "-c"]
        done = subprocess.run(
            [*command, textwrap.dedent(script), path],
            check=True,
            capture_output=True,
            text=True,
        )
        self.assertEqual("[]", done.stdout.strip())


class TestAppFactory(testtools.TestCase):
    def test_a_service_of_our_own_says_at_once_what_is_wrong(self):
        self.assertRaises(
            cfg.ConfigFilesNotFoundError,
            deploy.app_factory,
            {},
            config_file="/nowhere/nova-shares.conf",
        )


class TestWSGIModule(testtools.TestCase):
    def _import(self, **environ):
        script = "from nova_shares.wsgi import api; print(api.application)"
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
        )

    def test_loads(self):
        directory = self.useFixture(fixtures.TempDir()).path
        for name in ("nova-shares.conf", "more.conf"):
            with open(os.path.join(directory, name), "w") as file:
                file.write(f"{AUTHTOKEN}[api]\nmax_waiting = 3\n")
        for environ in (
            {"OS_NOVA_SHARES_CONFIG_DIR": directory},
            {"OS_NOVA_SHARES_CONFIG_FILES": f"{directory}/more.conf"},
            {
                "OS_NOVA_SHARES_CONFIG_DIR": directory,
                "OS_NOVA_SHARES_CONFIG_FILES": "nova-shares.conf; more.conf",
            },
        ):
            done = self._import(**environ)
            self.assertIn("HTTPProxyToWSGI", done.stdout, done.stderr)

    def test_says_which_file_is_missing(self):
        done = self._import(OS_NOVA_SHARES_CONFIG_DIR="/nowhere")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("/nowhere/nova-shares.conf", done.stderr)


class TestPasteFile(testtools.TestCase):
    """The file that we ship, as PasteDeploy reads it."""

    def test_its_sections_load(self):
        directory = self.useFixture(fixtures.TempDir()).path
        conf = os.path.join(directory, "nova-shares.conf")
        pathlib.Path(conf).write_text(AUTHTOKEN)
        shipped = ROOT / "etc" / "nova-shares" / "api-paste.ini"
        text = shipped.read_text()
        self.assertIn("/etc/nova-shares/nova-shares.conf", text)
        paste = os.path.join(directory, "api-paste.ini")
        pathlib.Path(paste).write_text(
            text.replace("/etc/nova-shares/nova-shares.conf", conf)
        )
        for name, kind in (
            ("nova_shares", filters.Filter),
            ("nova_shares_versions", filters.VersionsFilter),
        ):
            made = loadwsgi.loadfilter(f"config:{paste}", name=name)
            self.assertIsInstance(made(_wrapped), kind)
        service = loadwsgi.loadapp(f"config:{paste}")
        # Neither Keystone nor Nova is there.
        self.assertEqual(503, _get(service, "/v2.1").status_int)
        self.assertEqual(404, _get(service, "/v2").status_int)
