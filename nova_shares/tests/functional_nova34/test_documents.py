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

"""The installation and user pages, typed by a test as they stand.

Two hosts are installed on: one whose nova-api has the filters, and a compute
host, which has the service of its own, too.
"""

import glob
import os
import re
import subprocess
import sys
import uuid

from nova_shares.tests import documents
from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import nova
from nova_shares.tests.functional_nova34 import host

_OPT = "/opt/nova-shares/bin"
_OURS = "/etc/nova-shares/nova-shares.conf"
_CHECKOUT = os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", "..", "..")
)
#: What other tests type: real guests, the real Keystone, a usage error.
_ELSEWHERE = {
    "mount -t virtiofs verify /mnt",
    "umount /mnt",
    "mount -t virtiofs website /srv/website",
    "openstack user create --domain default --password-prompt nova-shares",
    "openstack role add --project service --user nova-shares admin",
    # With HAProxy, and a Nova below 2.97.
    "haproxy -c -f /etc/haproxy/haproxy.cfg",
    "curl http://controller:8774/",
    "openstack --os-compute-api-version 2.97 server list",
}
_PAGES = (
    "install/requirements",
    "install/package",
    "install/api",
    "admin/nova-pipeline",
    "install/agent",
    "admin/compute-host",
    "install/verify",
    "user/index",
)


class TestInstall(base.TestCase):
    def setUp(self):
        super().setUp()
        self.typed = set()
        self.programs = os.path.join(os.path.abspath(nova.VENV), "bin")
        self.name = f"nova_shares_{uuid.uuid4().hex[:8]}"
        cloud = self.nova.cloud
        cloud.create_user("nova-shares", "service", "admin")
        mysql = nova.MYSQL.rpartition("@")[2].partition("/")[0]
        rabbit = nova.RABBIT.rpartition("@")[2].partition("/")[0]
        # What an operator puts in, the longest first.
        self.put_in = {
            "/path/to/nova/venv": os.path.abspath(nova.VENV),
            "controller/nova_shares": f"{mysql}/{self.name}",
            "controller:5672/": f"{rabbit}/{self.name}",
            "http://controller": cloud.url,
            "nova_shares:DB_PASSWORD": f"{self.name}:secret",
            "nova_shares:RABBIT_PASSWORD": f"{self.name}:secret",
            "DB_PASSWORD": "secret",
            "RABBIT_PASSWORD": "secret",
            "= PASSWORD": f"= {cloud.password}",
            "compute-1": nova.HOST,
            "10.0.0.11": "127.0.0.1",
            "10.0.2.11": "127.0.0.1",
            "virt_driver = libvirt": "virt_driver = fake",
        }

    def fill(self, text):
        for before, after in self.put_in.items():
            text = text.replace(before, after)
        return text

    def blocks(self, page, section, kind):
        found = [
            block
            for block in documents.blocks(page)
            if (block.section, block.kind) == (section, kind)
        ]
        self.assertNotEqual([], found, f"{page}: {section}")
        return found

    def file(self, page, section, start, kind="ini"):
        """Get the file of a page that begins with a line."""
        [found] = [
            block.text
            for block in self.blocks(page, section, kind)
            if block.text.startswith(start)
        ]
        return self.fill(found)

    def type_all(self, page, section, where, *programs, but=()):
        """Type all commands of a section; returns what they print.

        :param but: those that are not for this host
        """
        printed = {}
        for block in self.blocks(page, section, "console"):
            for _, command in block.commands():
                if not command.startswith(tuple(but)):
                    printed[command] = self.type(command, where, *programs)
        return printed

    def type(self, command, where, *programs, code=0):
        self.typed.add(command)
        line = self.fill(command)
        if "VERSION" in line:
            [wheel] = glob.glob(f"{self.dist}/*.whl")
            version = wheel.rpartition("/")[2].split("-")[1]
            line = line.replace("VERSION", version)
        found, printed = where.run(line, *programs)
        self.assertEqual(code, found, f"{line}\n{printed}")
        return printed

    def prepare(self, where, line):
        """Do what the pages leave to the operator."""
        code, printed = where.run(line)
        self.assertEqual(0, code, f"{line}\n{printed}")
        return printed

    def user(self, command, until=None):
        """Type a user's command, again until it prints something."""
        self.typed.add(command)
        line = command.replace("SERVER", self.server).replace(
            "SHARE", "verified"
        )
        seen = []

        def prints():
            done = subprocess.run(
                ["sh", "-ec", f"export OS_COMPUTE_API_VERSION=2.97\n{line}"],
                env={
                    "PATH": f"{os.path.dirname(sys.executable)}:"
                    + os.environ["PATH"],
                    "OS_CLIENT_CONFIG_FILE": self.nova.clouds,
                    "OS_CLOUD": "member",
                    "PYTHONWARNINGS": "ignore",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self.assertEqual(0, done.returncode, f"{line}\n{done.stdout}")
            seen.append(done.stdout)
            return until is None or re.search(until, done.stdout)

        nova.wait_for(prints, lambda: f"{line}: {seen[-1]}", limit=120)
        return seen[-1]

    def test_all(self):
        # A service of its own may be on a compute host.
        api, compute = (
            self.useFixture(host.Host(nova.VENV)) for _ in range(2)
        )
        self.build(compute, api)
        self.make_database()
        self.make_vhost(compute)
        self.install_filters(api)
        self.install_service(compute)
        self.install_agent(compute)
        self.verify(api, compute)
        self.use()
        self.type_all(
            "admin/nova-pipeline", "Remove the filters", api, self.programs
        )
        code, _ = api.run("grep nova_shares /etc/nova/api-paste.ini")
        self.assertEqual(1, code)
        written = {
            command
            for page in _PAGES
            for _, command in documents.commands(page)
        }
        self.assertEqual(_ELSEWHERE, written - self.typed)

    def build(self, where, other):
        self.prepare(
            where, f"git clone -q --no-hardlinks {_CHECKOUT} nova-shares"
        )
        self.type_all("install/package", "Install the package", where)
        self.dist = os.path.join(self.nova.home, "dist")
        self.prepare(where, f"cp -r dist {self.dist}")
        for each in (where, other):
            self.prepare(each, f"cp {self.dist}/*.whl .")

    def make_database(self):
        mysql, postgresql = (
            re.sub(r"\bnova_shares\b", self.name, self.fill(block.text))
            for block in self.blocks(
                "install/api", "Create the database", "sql"
            )
        )
        for client, statements, drop in (
            ("mariadb -uroot", mysql, f"DROP USER {self.name}"),
            (
                "cd / && runuser -u postgres -- psql -q -v ON_ERROR_STOP=1",
                postgresql,
                f"DROP ROLE {self.name}",
            ),
        ):
            self.addCleanup(
                subprocess.run,
                ["sh", "-c", client],
                input=f"DROP DATABASE {self.name}; {drop};",
                text=True,
            )
            subprocess.run(
                ["sh", "-c", client], input=statements, text=True, check=True
            )

    def make_vhost(self, where):
        self.prepare(where, f"rabbitmqctl -q add_vhost {self.name}")
        for command in ("delete_vhost", "delete_user"):
            self.addCleanup(
                subprocess.run, ["rabbitmqctl", "-q", command, self.name]
            )
        self.put_in.update(
            {
                "add_user nova_shares": f"add_user {self.name}",
                "set_permissions nova_shares": f"set_permissions -p"
                f" {self.name} {self.name}",
            }
        )
        self.type_all(
            "install/api", "Create the user of the message broker", where
        )

    def install_filters(self, where):
        package, page = "install/package", "admin/nova-pipeline"
        section = "In the environment of nova-api"
        venv, system = (
            block.commands()
            for block in self.blocks(package, section, "console")
        )
        for _, command in venv:
            self.type(command, where)
        self.type(system[0][1], where)
        # Nova's libraries are not there.
        self.assertIn("nova-shares", self.type(system[1][1], where, code=1))
        for name, source in (
            ("api-paste.ini", self.nova.paste_file),
            ("nova.conf", os.path.join(self.nova.home, "nova.conf")),
        ):
            self.prepare(
                where,
                f"mkdir -p /etc/nova && cp {os.path.abspath(source)}"
                f" /etc/nova/{name}",
            )
        programs = self.programs
        section = "Install the filters"
        commands = [
            command
            for block in self.blocks(page, section, "console")
            for _, command in block.commands()
        ]
        dry, install, sync, sync_elsewhere, check = commands
        self.assertIn("filter-with", self.type(dry, where, programs))
        self.assertEqual(1, where.run(f"test -e {_OURS}")[0])
        self.type(install, where, programs)
        # The database, and a bus that all agents reach.
        with_nova = self.prepare(where, f"cat {_OURS}")
        edited = self.file(page, section, "[database]")
        bus = f"transport_url = rabbit://{self.name}:secret@controller:5672/"
        where.write(
            _OURS,
            re.sub("(?m)^transport_url.*", self.fill(bus), with_nova) + edited,
        )
        self.type(sync, where, programs)
        self.put_in["/path/to/nova-shares.conf"] = _OURS
        self.type(sync_elsewhere, where, programs)
        self.type(check, where, programs)
        port = nova.free_port()
        started = nova.Process(
            self.nova.home,
            "nova-api-documented",
            where.enter(
                *self.nova.uwsgi(port), *self.nova.api_module(), "--threads=8"
            ),
            OS_NOVA_CONFIG_DIR="/etc/nova",
        )
        self.addCleanup(started.stop)
        self.url = f"http://127.0.0.1:{port}"
        nova.wait_for(lambda: nova.responds(self.url), started.tail, limit=120)

    def install_service(self, where):
        package, page = "install/package", "install/api"
        section = "A service of its own"
        in_venv = "In a virtual environment"
        # The first of two: without the agent.
        for command in self.blocks(package, in_venv, "console")[0].commands():
            self.type(command[1], where)
        self.type_all(package, "Configuration directory", where)
        where.write(_OURS, self.file(page, section, "[DEFAULT]"))
        where.write(
            "/etc/nova-shares/uwsgi.ini", self.file(page, section, "[uwsgi]")
        )
        where.write(
            "/etc/systemd/system/nova-shares-api.service",
            self.file(page, section, "[Unit]"),
        )
        self.assertIn(":8799", self.file(page, section, "[uwsgi]"))
        commands = [
            command
            for block in self.blocks(page, section, "console")
            for _, command in block.commands()
        ]
        for command in commands[:-1]:
            self.type(command, where)
        nova.wait_for(
            lambda: where.run(commands[-1])[0] == 0,
            lambda: where.run("cat /var/log/nova-shares-api.log")[1],
        )
        self.assertIn("200 OK", self.type(commands[-1], where))
        self.server = self.nova.server()
        response = self.ask(
            "GET",
            f"/servers/{self.server}/shares",
            url="http://127.0.0.1:8799",
        )
        self.assertEqual(
            (200, {"shares": []}),
            (
                response.status_code,
                response.json(),
            ),
        )

    def install_agent(self, where):
        package, page = "install/package", "install/agent"
        prepare = "admin/compute-host"
        section = "User and mount helper"
        # As the package of libvirt does.
        self.prepare(where, "groupadd --system --force libvirt")
        # Made with the service of its own.
        self.type_all(prepare, section, where, but=["useradd"])
        sudoers = "/etc/sudoers.d/nova-shares"
        where.write(
            sudoers, self.file(prepare, section, "Defaults", "text"), 0o440
        )
        self.prepare(where, f"visudo --check {sudoers}")
        in_venv = self.blocks(package, "In a virtual environment", "console")
        for _, command in in_venv[1].commands():
            self.type(command, where)
        own = self.file("install/api", "A service of its own", "[DEFAULT]")
        where.write(
            _OURS,
            self.file(page, "Install the agent", "[DEFAULT]")
            + own[own.index("[keystone_authtoken]") :],
        )
        where.write(
            "/etc/nova-shares/mount-helper.conf",
            self.file(prepare, section, "[mounts]"),
        )
        where.write(
            "/etc/systemd/system/nova-shares-compute.service",
            self.file(prepare, "Mount namespace", "[Unit]"),
        )
        self.type_all(prepare, "Prepare a compute host", where, _OPT)
        self.type_all(page, "Install the agent", where)
        # Started already; another one is refused.
        self.type_all(prepare, "Start the agent", where)
        up = f"{_OPT}/nova-shares-manage agent list"
        nova.wait_for(
            lambda: re.search(rf"{nova.HOST}\b.*\bup\b", where.run(up)[1]),
            lambda: where.run("cat /var/log/nova-shares-compute.log")[1],
        )

    def verify(self, api, compute):
        self.nova.cloud.create_share("verified")
        self.addCleanup(setattr, self.nova, "_target", self.nova._target)
        self.nova._target = self.url
        steps = [
            command
            for _, command in documents.commands("install/verify")
            if command not in _ELSEWHERE
        ]
        version, agents, check, *steps, audit = steps
        self.type(version, compute, _OPT)
        self.assertIn("up", self.type(agents, compute, _OPT))
        self.assertNotIn("MISSING", self.type(check, compute))
        seen = {
            "export OS_COMPUTE_API_VERSION=2.97": [None],
            "openstack server share list SERVER": [r"^\s*$", r"^\s*$"],
            "openstack server add share SERVER SHARE --tag verify": [
                "attaching"
            ],
            "openstack server share show SERVER SHARE": [
                "inactive",
                "active",
            ],
            "openstack server start SERVER": [None],
            "openstack server stop SERVER": [None],
            "openstack server show SERVER -c status": ["SHUTOFF"],
            "openstack server remove share SERVER SHARE": [None],
        }
        for step in steps:
            self.user(step, seen[step].pop(0))
        self.assertEqual([], [left for left in seen.values() if left])
        self.type(audit, compute, _OPT)

    def use(self):
        self.nova.cloud.create_share("website")
        server = self.nova.server("active")
        renamed = {"server": {"name": "web-1"}}
        response = self.ask("PUT", f"/servers/{server}", renamed)
        self.assertEqual(200, response.status_code, response.text)
        show = "openstack server show web-1 -c status"
        until = {
            show: "SHUTOFF",
            "openstack server share show web-1 website": "inactive",
        }
        for _, command in documents.commands("user/index"):
            if command not in _ELSEWHERE:
                self.user(command, until.get(command))
        self.user("openstack server start web-1")
        self.user(show, "ACTIVE")
        [block] = self.blocks("user/index", "Use the Python SDK", "python")
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", block.text],
            env={**os.environ, "OS_CLIENT_CONFIG_FILE": self.nova.clouds},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertRegex(done.stdout, "website (attaching|inactive)")
