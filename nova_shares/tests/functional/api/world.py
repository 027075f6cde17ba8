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

"""A cloud with a server and a share of every kind, and our API in it.

The API is deployed in one of its two ways; Keystone, Nova and Manila are
devcloud's, over HTTP. There is no agent: its rows are there, and what it
would write is written by the tests.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid

import fixtures
import webob

from nova_shares import conf as nova_shares_conf
from nova_shares import mapping as m
from nova_shares.api import deploy
from nova_shares.api import schemas
from nova_shares.db import migrations
from nova_shares.db import store as db_store
from nova_shares.pipeline import deploy as pipeline_deploy
from nova_shares.pipeline import filters
from nova_shares_devcloud import compute
from nova_shares_devcloud import server
from nova_shares_devcloud import shares as devcloud_shares
from nova_shares_devcloud import state

FILTER = "filter"
SERVICE = "service"

#: Servers by name: what each is, beside stopped and of the project demo.
SERVERS = {
    "stopped": {},
    "stopped2": {},
    "empty": {},
    "active": {"vm_state": "active"},
    "paused": {"vm_state": "paused"},
    "suspended": {"vm_state": "suspended"},
    "rescued": {"vm_state": "rescued"},
    "error": {"vm_state": "error"},
    "error_busy": {"vm_state": "error", "task_state": "deleting"},
    "shelved": {"vm_state": "shelved"},
    "shelved_offloaded": {"vm_state": "shelved_offloaded", "host": None},
    "resized": {"vm_state": "resized"},
    "building": {"vm_state": "building"},
    "soft_delete": {"vm_state": "soft-delete"},
    "busy": {"task_state": "powering-on"},
    "locked": {"locked": True},
    "no_host": {"host": None},
    "no_agent": {"host": "no-agent"},
    "dead_agent": {"host": "dead-agent"},
    "no_virtiofs": {"host": "no-virtiofs"},
    "nfs_only": {"host": "nfs-only"},
    "no_memory": {"host": "no-memory"},
    "large_pages": {"host": "no-memory", "flavor": "m1.hugepages"},
    "small_pages": {"host": "no-memory", "flavor": "m1.smallpages"},
    "deleted": {"deleted": True},
    "other": {"project": "other"},
}
HOSTS = {
    "good": m.Capabilities(),
    "dead-agent": m.Capabilities(),
    "no-virtiofs": m.Capabilities(virtiofs=False),
    "nfs-only": m.Capabilities(protocols=("NFS",)),
    "no-memory": m.Capabilities(file_backed_memory=False),
}
_Location = devcloud_shares.ExportLocation
SHARES = {
    "nfs": {},
    "nfs2": {},
    "nfs3": {},
    "cephfs": {"proto": "CEPHFS"},
    "cifs": {"proto": "CIFS"},
    "creating": {"status": "creating"},
    "nowhere": {"paths": []},
    "in_recycle_bin": {"in_recycle_bin": True},
    "unmountable": {"paths": ["nfs_srv:/x", "192.0.2.1:no/slash"]},
    "mountable_second": {
        "paths": ["[fe80::1%eth0 -o suid]:/x", "192.0.2.1:2049:/two"]
    },
    "several": {
        "export_locations": (
            _Location("192.0.2.1:/first"),
            _Location("192.0.2.2:/preferred", preferred=True),
        )
    },
    "several_equal": {
        "export_locations": (
            _Location("192.0.2.1:/one"),
            _Location("192.0.2.2:/two"),
        )
    },
    "other": {"project": "other"},
    "public": {"project": "other", "is_public": True},
}
_CONF = """
[DEFAULT]
transport_url = fake://
[api]
serve = always
[database]
connection = sqlite:///{directory}/nova-shares.db
[oslo_policy]
policy_file = {directory}/policy.yaml
[manila]
{auth}
[nova]
{auth}
[keystone_authtoken]
{auth}
www_authenticate_uri = {url}/identity/v3
service_token_roles_required = true
"""
_AUTH = """\
auth_type = password
auth_url = {url}/identity/v3
username = nova-shares
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
"""


class World(fixtures.Fixture):
    """It all, started.

    :param deployment: FILTER or SERVICE
    :param options: lines of our configuration file, over the defaults
    :ivar app: the compute endpoint, every answer of ours checked
    """

    def __init__(self, deployment, options=""):
        super().__init__()
        self.deployment = deployment
        self.broken = None
        self._options = options

    def _setUp(self):
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.useFixture(
            fixtures.MonkeyPatch("nova_shares.policies.REREAD_AFTER", 0)
        )
        self.useFixture(fixtures.MonkeyPatch("nova_shares.bulkhead.PAUSE", 0))
        self.cloud = state.Cloud(host="good")
        self.cloud.create_user("norole", "demo", "guest")
        served = server.serve(self.cloud, compute_app=self._compute)
        self.addCleanup(served.stop)
        self.conf = self._configure()
        migrations.sync(self.conf)
        self.store = db_store.Store.from_conf(self.conf)
        if self.deployment == SERVICE:
            self.bare = deploy.make_service(self.conf)
        self.app = Checked(self.bare)
        self._populate()

    def _compute(self, cloud):
        if self.deployment == SERVICE:
            return compute.pipeline(cloud)
        self.bare = compute.pipeline(
            cloud,
            wrap_router=lambda app: self._filter(Breakable(self, app)),
        )
        return self.bare

    def _filter(self, app):
        conf = self._configure()
        return filters.Filter(
            app, lambda: pipeline_deploy.embed(app, lambda: conf)
        )

    def _configure(self):
        url = self.cloud.url
        auth = _AUTH.format(url=url, password=self.cloud.password)
        path = os.path.join(self.directory, "nova-shares.conf")
        with open(path, "w") as file:
            file.write(
                _CONF.format(directory=self.directory, url=url, auth=auth)
            )
            file.write(self._options)
        return nova_shares_conf.load(files=[path])

    def _populate(self):
        self.servers = {
            name: self._create_server(name, **is_)
            for name, is_ in SERVERS.items()
        }
        self.shares = {
            name: self.cloud.create_share(name, **is_).id
            for name, is_ in SHARES.items()
        }
        for host, capabilities in HOSTS.items():
            self.store.claim_host(host, "boot", capabilities)
        self.execute(
            "UPDATE share_agents SET last_heartbeat = '2020-01-01 00:00:00'"
            " WHERE host = 'dead-agent'"
        )
        self.tokens = {
            user: self.cloud.token_of(user)
            for user in ("admin", "member", "reader", "other", "norole")
        }
        admin = self.cloud.users["admin"]
        self.tokens["system"] = self.cloud.issue(admin, system=True).id

    def _create_server(self, name, vm_state="stopped", task_state=None, **is_):
        made = self.cloud.create_server(name, vm_state=vm_state, **is_)
        # Devcloud ends a task when it has made the server.
        self.cloud.set_server(made.id, task_state=task_state)
        return made.id

    def execute(self, statement, *values):
        """Run a statement of SQL behind the API's back."""
        path = os.path.join(self.directory, "nova-shares.db")
        connection = sqlite3.connect(path, timeout=5)
        with connection:
            rows = connection.execute(statement, values).fetchall()
        connection.close()
        return rows

    def policy(self, text):
        """Write the operator's policy file."""
        path = os.path.join(self.directory, "policy.yaml")
        with open(path, "w") as file:
            file.write(text)

    def mapped(self, server, share=None, status=m.INACTIVE, **fields):
        """Record a mapping as an attach and the agent would have."""
        server_id = self.servers.get(server, server)
        share_id = self.shares[share] if share else str(uuid.uuid4())
        new = m.ShareMapping(
            **{
                "uuid": str(uuid.uuid4()),
                "instance_uuid": server_id,
                "project_id": self.cloud.servers[server_id].project_id,
                "host": "good",
                "share_id": share_id,
                "share_proto": "NFS",
                "export_location": "192.0.2.1:/a",
                "tag": share_id,
                **fields,
            }
        )
        new = self.store.insert(new)
        if status == m.DETACHING:
            return self.store.want_detached(new.uuid)
        if status == m.ERROR:
            return self.store.fail(new, "access", "no", None)
        if status != m.ATTACHING:
            new = self.store.advance(new, status)
        return new

    def ask(
        self,
        method,
        path,
        body=None,
        user="member",
        version="compute 2.97",
        app=None,
        **headers,
    ):
        """Send a request to the compute endpoint, below ``/v2.1``.

        :param body: bytes, or what becomes JSON
        :param headers: with ``_`` for ``-``; None leaves one out
        """
        request = webob.Request.blank("/v2.1" + path, method=method)
        request.remote_addr = "127.0.0.1"
        given = {
            "X-Auth-Token": self.tokens.get(user, user),
            "OpenStack-API-Version": version,
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        if body is not None:
            is_bytes = isinstance(body, bytes)
            request.body = body if is_bytes else json.dumps(body).encode()
        for name, value in given.items():
            if value is not None:
                request.headers[name] = value
        return request.get_response(app or self.app)

    def path(self, server, share=None):
        """Tell the path of a server's shares, or of one of them."""
        path = f"/servers/{self.servers.get(server, server)}/shares"
        if share is not None:
            path += f"/{self.shares.get(share, share)}"
        return path

    def attach(self, server, share, tag=None, **how):
        """Ask for a share to be attached."""
        body = {"share_id": self.shares.get(share, share)}
        if tag is not None:
            body["tag"] = tag
        return self.ask("POST", self.path(server), {"share": body}, **how)

    def list(self, server, **how):
        return self.ask("GET", self.path(server), **how)

    def show(self, server, share, **how):
        return self.ask("GET", self.path(server, share), **how)

    def detach(self, server, share, **how):
        return self.ask("DELETE", self.path(server, share), **how)

    def break_nova(self, status=500, html=False):
        """Have Nova's answers to our look-ups be of no use."""
        if self.deployment == SERVICE:
            self.cloud.fail("nova", status=status, html=html)
            return
        page = b"<html>It works!</html>" if html else b'{"itemNotFound": {}}'
        self.broken = webob.Response(page, status=status)

    def mend(self):
        """Put right what is broken."""
        self.cloud.clear_faults()
        self.broken = None


_FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    406: "computeFault",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    503: "serviceUnavailable",
}
_INTERNALS = (
    "Traceback",
    "nova_shares",
    "Error",
    "Exception",
    "SELECT",
    "127.0.0.1",
    "sqlite",
    "http:",
)


class Breakable:
    """Nova's router, which a test may break for our look-ups."""

    def __init__(self, world, app):
        self._world = world
        self._app = app

    def __call__(self, environ, start_response):
        broken = self._world.broken
        if broken is None:
            return self._app(environ, start_response)
        if isinstance(broken, Exception):
            raise broken
        return broken(environ, start_response)


class Checked:
    """Holds each answer that passes to what holds for all of ours."""

    def __init__(self, app):
        self._app = app

    def __call__(self, environ, start_response):
        request = webob.Request(environ)
        method = request.method
        # A blank request of WebOb's is as of a process of one thread.
        environ["wsgi.multithread"] = True
        ours = "/shares" in environ["PATH_INFO"]
        response = request.get_response(self._app)
        if ours:
            check(method, response, environ)
        return response(environ, start_response)


def check(method, response, environ):
    """Fail unless an answer is as every answer of ours is."""
    headers = response.headers
    request_id = headers["x-openstack-request-id"]
    assert request_id.startswith("req-"), request_id
    assert headers["x-compute-request-id"] == request_id
    assert request_id != environ.get("HTTP_X_OPENSTACK_REQUEST_ID")
    assert "Location" not in headers
    status = response.status_int
    if status == 401:
        _check_unauthorized(response)
        return
    _check_version(response)
    if status >= 400:
        if method != "HEAD":
            _check_fault(response)
    else:
        _check_content(method, response)


def _check_unauthorized(response):
    message = "The request you have made requires authentication."
    error = {"code": 401, "title": "Unauthorized", "message": message}
    assert response.json == {"error": error}, response.text
    assert response.headers["WWW-Authenticate"].startswith("Keystone uri=")


def _check_version(response):
    headers = response.headers
    if response.status_int == 400 and "API Version String" in response.text:
        assert "OpenStack-API-Version" not in headers
        return
    version = headers["X-OpenStack-Nova-API-Version"]
    assert headers["OpenStack-API-Version"] == f"compute {version}"
    vary = "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
    assert headers["Vary"] == vary, headers["Vary"]
    if response.status_int not in (404, 406, 413):
        assert version == "2.97", version


def _check_fault(response):
    status = response.status_int
    assert status != 500, response.text
    headers = response.headers
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    ((name, fault),) = response.json.items()
    assert name == _FAULTS[status], name
    assert fault.pop("code") == status
    message = fault.pop("message")
    assert message
    # What the caller sent may come back, and look like anything.
    if status >= 500:
        for internal in _INTERNALS:
            assert internal not in message, message
        assert headers["Retry-After"].isdigit()
    if status == 413:
        assert fault.pop("retryAfter") == headers["Retry-After"]
    assert not fault, fault
    assert ("Allow" in headers) == (status == 405)


def _check_content(method, response):
    assert response.headers["Content-Type"] == "application/json"
    if method == "DELETE":
        assert response.status_int == 200
        assert response.body == b""
        assert response.headers["Content-Length"] == "0"
        return
    content = response.json
    assert response.status_int == (201 if method == "POST" else 200)
    if "shares" in content:
        schema = schemas.INDEX_RESPONSE
    elif "uuid" in content["share"]:
        schema = schemas.SHOW_ADMIN_RESPONSE
    else:
        schema = schemas.SHOW_RESPONSE
    schemas.validator(schema).validate(content)
