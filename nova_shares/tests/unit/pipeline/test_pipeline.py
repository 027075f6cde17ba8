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


"""The filters in front of a small Nova, which keeps what it is asked."""

import functools
import io
import json
import os

import fixtures
from oslo_context import context
import testtools
import webob

from nova_shares import attachments
from nova_shares import conf as nova_shares_conf
from nova_shares import mapping
from nova_shares.api import microversion
from nova_shares.db import migrations
from nova_shares.db import store as db_store
from nova_shares.pipeline import deploy
from nova_shares.pipeline import environ as pipeline_environ
from nova_shares.pipeline import filters
from nova_shares.pipeline import negotiation

SID = "aaaaaaaa-0000-4000-8000-00000000000a"
SHARE = "bbbbbbbb-0000-4000-8000-00000000000b"
SHARES = f"/servers/{SID}/shares"
ACTION = f"/servers/{SID}/action"


class Nova:
    """Nova's router, or all of its API."""

    def __init__(self, maximum="2.96"):
        self.maximum = maximum
        self.asked = []
        self.status = 200
        self.vm_state = "stopped"
        self.task_state = None
        self.gone = False

    def __call__(self, environ, start_response):
        request = webob.Request(environ)
        self.asked.append((request.method, request.path_info, request.body))
        return self._answer(request)(environ, start_response)

    def _answer(self, request):
        if request.path_info in ("/", "/v2.1/"):
            return self._document(request)
        if (request.method, request.path_info) == ("GET", f"/servers/{SID}"):
            return self._server()
        header = request.headers.get("OpenStack-API-Version", "none")
        response = webob.Response("Nova's", status=self.status)
        response.headers["OpenStack-API-Version"] = header
        return response

    def _document(self, request):
        if self.status != 200:
            return webob.Response("broken", status=self.status)
        return webob.Response(
            json={
                "versions": [
                    {"id": "v2.0", "version": ""},
                    {"id": "v2.1", "version": self.maximum},
                ]
            }
        )

    def _server(self):
        if self.gone:
            return webob.Response(
                json={"itemNotFound": {"code": 404}}, status=404
            )
        return webob.Response(
            json={
                "server": {
                    "id": SID,
                    "tenant_id": "p",
                    "locked": False,
                    "OS-EXT-SRV-ATTR:host": "h",
                    "OS-EXT-STS:vm_state": self.vm_state,
                    "OS-EXT-STS:task_state": self.task_state,
                    "flavor": {"extra_specs": {}},
                }
            }
        )


class Case(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.nova = Nova()

    def configure(self, options=""):
        path = os.path.join(self.directory, "ours.conf")
        with open(path, "w") as file:
            file.write(
                "[DEFAULT]\ntransport_url = fake://\n"
                "[database]\n"
                f"connection = sqlite:///{self.directory}/ours.db\n"
                f"{options}"
            )
        self.conf = nova_shares_conf.load(files=[path])
        return path

    def filter(self, app, ours=None):
        make = None if ours is None else lambda conf: ours
        return filters.Filter(
            app, lambda: deploy.embed(app, lambda: self.conf, make)
        )

    def versions_filter(self, app):
        return filters.VersionsFilter(
            app, lambda: negotiation.Negotiation(app, lambda: self.conf)
        )

    def send(self, app, method="GET", path="/servers", body=b"", **headers):
        request = webob.Request.blank(path, method=method, body=body)
        request.headers.update(
            {name.replace("_", "-"): v for name, v in headers.items()}
        )
        request.environ["nova.context"] = context.RequestContext(
            user_id="u",
            project_id="p",
            roles=["member", "reader"],
            overwrite=False,
        )
        return request.get_response(app)


class Ours:
    """Who is behind the inner filter; keeps the versions it is asked for."""

    def __init__(self, seen):
        self._seen = seen

    def shares(self, environ, start_response):
        version = microversion.parse(environ, microversion.SHARES)
        self._seen.append(str(version))
        return webob.Response()(environ, start_response)


class TestVersions(Case):
    def ask(self, app, version, path="/v2.1/servers"):
        return self.send(
            app, path=path, OpenStack_API_Version=f"compute {version}"
        )

    def test_only_a_200_is_remembered(self):
        self.configure()
        app = self.versions_filter(self.nova)
        self.nova.status = 500
        response = self.ask(app, "2.97")
        self.assertEqual(
            "compute 2.97", response.headers["OpenStack-API-Version"]
        )
        self.assertIn("to a request for its version document", self.log.output)
        self.nova.status = 200
        for _ in range(3):
            self.ask(app, "2.97")
        roots = [asked for asked in self.nova.asked if asked[1] == "/"]
        self.assertEqual(2, len(roots))

    def test_only_at_exactly_2_96(self):
        for maximum, advertised in (
            ("2.95", False),
            ("2.96", True),
            ("2.97", False),
            ("2.104", False),
        ):
            self.nova = Nova(maximum)
            self.configure()
            seen = []
            app = self.versions_filter(self._spy(seen))
            self.ask(app, "2.97")
            document = self.ask(app, "2.1", "/v2.1/").json
            self.assertEqual(
                "2.97" if advertised else maximum,
                document["versions"][1]["version"],
            )
            self.assertEqual("", document["versions"][0]["version"])
            self.assertEqual(
                "compute 2.96" if advertised else "compute 2.97", seen[0]
            )

    def _spy(self, seen):
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/v2.1/servers":
                seen.append(environ.get("HTTP_OPENSTACK_API_VERSION"))
            return self.nova(environ, start_response)

        return app

    def test_the_inner_one_sees_what_was_asked(self):
        self.configure()
        for asked in (
            {"OpenStack_API_Version": "compute latest"},
            {"X_OpenStack_Nova_API_Version": "2.97"},
        ):
            seen = []

            inner = filters.Filter(self.nova, functools.partial(Ours, seen))
            app = self.versions_filter(inner)
            self.send(app, path=SHARES, **asked)
            self.assertEqual(["2.97"], seen)

    def test_a_broken_configuration(self):
        make = filters.versions_filter_factory({}, "/nowhere.conf")
        app = make(self.nova)
        for _ in range(3):
            response = self.ask(app, "2.97")
            self.assertEqual("Nova's", response.text)
        self.assertIn("/nowhere.conf", self.log.output)


class TestServing(Case):
    def shares(self, options="", rows=False):
        path = self.configure(options)
        migrations.sync(self.conf)
        if rows:
            add_row(self.conf)
        app = filters.filter_factory({}, path)(self.nova)
        return self.send(
            app, path=SHARES, OpenStack_API_Version="compute latest"
        )

    def test_auto(self):
        for maximum in ("2.95", "2.96"):
            self.nova = Nova(maximum)
            response = self.shares()
            self.assertEqual({"shares": []}, response.json)
            self.assertEqual(
                "compute 2.97", response.headers["OpenStack-API-Version"]
            )
        for maximum in ("2.97", "2.104"):
            self.nova = Nova(maximum)
            self.assertEqual("Nova's", self.shares().text)

    def test_auto_with_rows(self):
        self.nova = Nova("2.104")
        response = self.shares(rows=True)
        self.assertEqual(SHARE, response.json["shares"][0]["share_id"])
        self.assertEqual(
            "compute 2.104", response.headers["OpenStack-API-Version"]
        )
        self.assertIn("keeps serving the calls", self.log.output)

    def test_auto_asks_afresh_who_attaches(self):
        self.nova = Nova("2.104")
        self.assertEqual("Nova's", self.shares().text)
        app = filters.filter_factory({}, self.configure())(self.nova)
        sent = {"path": SHARES, "OpenStack_API_Version": "compute latest"}
        self.assertEqual("Nova's", self.send(app, **sent).text)
        # As another process would.
        add_row(self.conf)
        self.assertEqual("Nova's", self.send(app, **sent).text)
        self.assertIn("badRequest", self.send(app, "POST", **sent).json)

    def test_always_and_never(self):
        self.nova = Nova("2.104")
        response = self.shares("[api]\nserve = always\n")
        self.assertEqual({"shares": []}, response.json)
        self.nova = Nova("2.96")
        response = self.shares("[api]\nserve = never\n")
        self.assertEqual("Nova's", response.text)

    def test_nova_does_not_tell(self):
        self.nova.status = 503
        self.assertEqual(503, self.shares().status_int)


class Shut(io.RawIOBase):
    """A body that nobody may read."""

    def read(self, size=-1):
        raise AssertionError("it was read")


class TestGuard(Case):
    def setUp(self):
        super().setUp()
        self.configure()
        migrations.sync(self.conf)
        self.store = db_store.Store.from_conf(self.conf)
        self.hints = []
        ours = attachments.Attachments.from_conf(self.conf)
        ours._agent_api = self
        self.app = self.filter(self.nova, ours)

    def reconcile(self, caller, changed):
        self.hints.append(changed.uuid)

    def act(self, action, **sent):
        body = json.dumps({action: None}).encode()
        return self.send(self.app, "POST", ACTION, body, **sent)

    def test_without_rows_the_body_is_unread(self):
        request = webob.Request.blank(ACTION, method="POST")
        request.environ["wsgi.input"] = shut = Shut()
        request.environ["nova.context"] = context.RequestContext(
            user_id="u", project_id="p", overwrite=False
        )
        seen = []

        def nova(environ, start_response):
            if environ["PATH_INFO"] == ACTION:
                seen.append(environ["wsgi.input"])
            return webob.Response(
                json={"version": {"id": "v2.1", "version": "2.96"}}
            )(environ, start_response)

        request.get_response(self.filter(nova))
        self.assertEqual([shut], seen)

    def test_refused(self):
        add_row(self.conf)
        self.assertEqual(409, self.act("resize").status_int)
        self.assertEqual(200, self.act("os-start").status_int)
        self.assertEqual(
            ("POST", ACTION, b'{"os-start": null}'), self.nova.asked[-1]
        )

    def test_what_is_wrong_in_ours_does_not_reach_nova(self):
        add_row(self.conf)
        self.useFixture(
            fixtures.MockPatch(
                "nova_shares.pipeline.guard._refusal", side_effect=RuntimeError
            )
        )
        self.assertEqual("Nova's", self.act("resize").text)
        self.assertIn("passed to Nova unchecked", self.log.output)

    def test_a_method_in_the_query(self):
        row = add_row(self.conf)
        body = b'{"shelve": null}'
        response = self.send(self.app, "PUT", f"{ACTION}?_method=POST", body)
        self.assertEqual(409, response.status_int)
        self.nova.gone = True
        self.send(self.app, "GET", f"/servers/{SID}%0A?_method=DELETE")
        self.assertEqual("detached", self.store.get(row.uuid).wanted)

    def test_the_old_api_too(self):
        add_row(self.conf)
        request = webob.Request.blank(
            ACTION, method="POST", body=b'{"resize": {}}'
        )
        request.environ[pipeline_environ.LEGACY] = True
        request.environ["nova.context"] = context.RequestContext(
            user_id="u", project_id="p", roles=["reader"], overwrite=False
        )
        response = request.get_response(self.app)
        self.assertEqual(409, response.status_int)
        self.assertNotIn("OpenStack-API-Version", response.headers)

    def test_a_database_that_is_away(self):
        os.unlink(os.path.join(self.directory, "ours.db"))
        self.assertEqual("Nova's", self.act("resize").text)
        self.assertIn("passed to Nova unchecked", self.log.output)
        self.nova.status = 204
        response = self.send(self.app, "DELETE", f"/servers/{SID}")
        self.assertEqual(204, response.status_int)
        self.assertIn("at a later resync", self.log.output)

    def delete(self, status=204, **state):
        row = add_row(self.conf)
        self.nova.__dict__.update(state)
        self.nova.asked.clear()
        self.nova.status = 200
        self.act("os-start")
        self.nova.status = status
        response = self.send(self.app, "DELETE", f"/servers/{SID}")
        self.assertEqual(status, response.status_int)
        wanted = self.store.get(row.uuid).wanted
        told = row.uuid in self.hints
        self.assertEqual(told, wanted == mapping.DETACHED)
        return wanted

    def test_delete(self):
        self.assertEqual("detached", self.delete(task_state="deleting"))

    def test_delete_of_one_that_is_gone_at_once(self):
        self.assertEqual("detached", self.delete(gone=True))

    def test_delete_refused(self):
        self.assertEqual("attached", self.delete(409))

    def test_soft_delete(self):
        self.assertEqual("attached", self.delete(task_state="soft-deleting"))

    def test_soft_deleted(self):
        self.assertEqual("attached", self.delete(vm_state="soft-delete"))


def add_row(conf):
    return db_store.Store.from_conf(conf).insert(
        mapping.ShareMapping(
            uuid="cccccccc-0000-4000-8000-00000000000c",
            instance_uuid=SID,
            project_id="p",
            host="h",
            share_id=SHARE,
            share_proto="NFS",
            export_location="192.0.2.1:/share",
            tag=SHARE,
        )
    )
