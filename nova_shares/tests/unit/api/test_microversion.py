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

"""Tests of how a request says which microversion it wants."""

from __future__ import annotations

from microversion_parse import Version
import testtools

from nova_shares.api import microversion

MAXIMUM = Version(2, 97)


def _environ(new=None, old=None):
    environ = {}
    if new is not None:
        environ["HTTP_OPENSTACK_API_VERSION"] = new
    if old is not None:
        environ["HTTP_X_OPENSTACK_NOVA_API_VERSION"] = old
    return environ


class TestParse(testtools.TestCase):
    def _parse(self, *headers, maximum=MAXIMUM):
        return str(microversion.parse(_environ(*headers), maximum))

    def test_none_is_the_minimum(self):
        self.assertEqual("2.1", self._parse())
        self.assertEqual("2.1", self._parse("2.97"))
        self.assertEqual("2.1", self._parse("volume 3.59"))
        self.assertEqual("2.1", self._parse(""))

    def test_named(self):
        self.assertEqual("2.96", self._parse("compute 2.96"))
        self.assertEqual("2.97", self._parse("COMPUTE  2.97"))
        self.assertEqual("2.97", self._parse("volume 3.0, compute 2.97"))
        self.assertEqual("2.5", self._parse("compute 2.97,compute 2.5"))

    def test_old_header(self):
        self.assertEqual("2.97", self._parse(None, "2.97"))
        self.assertEqual("2.97", self._parse("volume 3.0", "2.97"))
        self.assertEqual("2.60", self._parse("compute 2.60", "2.97"))
        self.assertEqual("2.97", self._parse(None, "2.5, 2.97"))

    def test_latest_is_the_maximum(self):
        self.assertEqual("2.97", self._parse("compute latest"))
        maximum = Version(2, 104)
        self.assertEqual(
            "2.104", self._parse("compute latest", maximum=maximum)
        )
        self.assertEqual(
            "2.100", self._parse("compute 2.100", maximum=maximum)
        )

    def test_malformed(self):
        for text in (
            "abc",
            "2",
            "2.97.1",
            "2.-1",
            "2.01",
            "02.1",
            "0.1",
            "+2.97",
            "\u0662.\u0661",
            "2." + "9" * 5000,
        ):
            for headers in ((f"compute {text}",), (None, text)):
                error = self.assertRaises(
                    microversion.Malformed, self._parse, *headers
                )
                self.assertEqual(
                    f"API Version String {text} is of invalid format. Must"
                    " be of format MajorNum.MinorNum.",
                    error.detail,
                )

    def test_out_of_range(self):
        for text in ("2.98", "2.105", "3.0", "2.0", "1.1"):
            error = self.assertRaises(
                microversion.TooHigh, self._parse, f"compute {text}"
            )
            self.assertEqual(
                f"Version {text} is not supported by the API. Minimum is 2.1"
                " and maximum is 2.97.",
                error.detail,
            )


class TestHeaders(testtools.TestCase):
    def _headers(self, *headers):
        return microversion.headers(_environ(*headers), MAXIMUM)

    def test_name_what_was_used(self):
        self.assertEqual(
            {
                "OpenStack-API-Version": "compute 2.97",
                "X-OpenStack-Nova-API-Version": "2.97",
                "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
            },
            self._headers("compute latest"),
        )

    def test_name_what_was_asked_for(self):
        headers = self._headers("compute 2.105")
        self.assertEqual("compute 2.105", headers["OpenStack-API-Version"])

    def test_none_where_it_is_malformed(self):
        self.assertEqual({}, self._headers("compute abc"))
