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

"""The API as a service of its own, behind HAProxy, before Nova.

HAProxy runs the configuration that we ship, with other addresses in it.
"""

import datetime
import ipaddress
import os
import pathlib
import re
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
import fixtures
import requests

from nova_shares.tests.functional_nova import nova as real

CONFIGURATION = (
    pathlib.Path(__file__).parents[3] / "etc" / "nova-shares" / "haproxy.cfg"
)
#: Where Debian has it, which is not on everybody's PATH.
HAPROXY = "/usr/sbin/haproxy"
#: The service finds Nova in the catalog, as HAProxy.
_OVERRIDE = "endpoint_override = {nova}/v2.1\n"
_OPTIONS = """\
[keystone_authtoken]
www_authenticate_uri = {url}/identity/v3
{auth}
[oslo_middleware]
enable_proxy_headers_parsing = true
"""


class Standalone(fixtures.Fixture):
    """A service of our own, and HAProxy.

    The catalog has HAProxy as the compute endpoint.

    :param nova: a :class:`nova.Nova`
    :param api: its nova-api that HAProxy has; default: the one without us
    :param maximum: what the version documents then show
    :ivar configuration: HAProxy's, with other addresses than documented
    :ivar url: of HAProxy, without a slash at the end
    :ivar tls_url: the same by TLS
    """

    def __init__(self, nova, api=None, maximum="2.97"):
        super().__init__()
        self._nova = nova
        self._api = api or nova.plain
        self._maximum = maximum

    def _setUp(self):
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.port = real.free_port()
        ports = [real.free_port() for _ in range(2)]
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.tls_url = f"https://127.0.0.1:{ports[1]}"
        self.start_service()
        self.addCleanup(lambda: self.service.stop())
        self.configuration = self._configure(*ports)
        self.haproxy = real.Process(
            self.directory,
            "haproxy",
            [HAPROXY, "-db", "-f", self.configuration],
        )
        self.addCleanup(self.haproxy.stop)
        # For the clients, and for the service itself.
        endpoints = self._nova.cloud.keystone.elsewhere
        endpoints["compute"] = f"{self.url}/v2.1"
        self.addCleanup(endpoints.clear)
        self.wait_for_maximum(self._maximum)

    def restart(self, options=""):
        """Start the service again; options as :meth:`start_service`."""
        self.service.stop()
        self.start_service(options)

    def start_service(self, options=""):
        """Start the service.

        :param options: lines of its configuration file, over the others
        """
        path = os.path.join(self.directory, "nova-shares.conf")
        with open(path, "w") as file:
            text = real.OURS_CONF.replace(_OVERRIDE, "") + _OPTIONS
            file.write(text.format(**self._nova.fields()) + options)
        self.service = real.Process(
            self.directory,
            "nova-shares-api",
            [
                os.path.join(os.path.dirname(sys.executable), "uwsgi"),
                *real.CLOSING,
                f"127.0.0.1:{self.port}",
                *("--module", "nova_shares.wsgi.api:application"),
                *("--master", "--need-app", "--lazy-apps", "--die-on-term"),
                *("--enable-threads", "--threads", "8"),
            ],
            OS_NOVA_SHARES_CONFIG_FILES=path,
        )
        # HAProxy takes it for up at first, and for down once it has looked
        # in vain a few times.
        url = f"http://127.0.0.1:{self.port}/healthcheck"
        real.wait_for(
            lambda: real.responds(url), lambda: self.service.tail(), limit=60
        )

    def wait_for_maximum(self, version, served=True):
        """Wait until HAProxy's documents show a maximum microversion.

        :param served: whether it has the service then
        """
        seen = []

        def shown():
            try:
                document, shares = (
                    requests.get(f"{self.url}/v2.1/{path}", timeout=10)
                    for path in ("", "servers/any/shares")
                )
            except requests.RequestException as e:
                seen[:] = [e]
                return False
            finally:
                assert self.haproxy.popen.poll() is None, self.haproxy.tail()
            if served:
                assert self.service.popen.poll() is None, self.service.tail()
            seen[:] = [document.text, shares.text]
            return f'"version": "{version}"' in document.text and (
                # It requires a token.
                shares.status_code == (401 if served else 503)
            )

        real.wait_for(
            shown,
            lambda: f"{seen} {self.service.tail()} {self.haproxy.tail()}",
            limit=60,
        )

    def _configure(self, port, tls_port):
        certificate = os.path.join(self.directory, "haproxy.pem")
        _write_certificate(certificate)
        text = CONFIGURATION.read_text()
        listen = (
            f"    bind 127.0.0.1:{port}\n"
            f"    bind 127.0.0.1:{tls_port} ssl crt {certificate}\n"
        )
        nova = self._api.url.partition("://")[2]
        for pattern, replacement, count in (
            (r"    bind .*\n", listen, 1),
            (r"    server controller2 .*\n", "", 3),
            (r"192\.0\.2\.11:8774 check", f"{nova} check", 1),
            (
                r"192\.0\.2\.11:8799 check",
                f"127.0.0.1:{self.port} check inter 500 rise 1",
                2,
            ),
        ):
            text, found = re.subn(pattern, replacement, text)
            assert found == count, (pattern, found)
        path = os.path.join(self.directory, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(text)
        return path


def _write_certificate(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nova")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    with open(path, "wb") as file:
        file.write(made.public_bytes(serialization.Encoding.PEM))
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
