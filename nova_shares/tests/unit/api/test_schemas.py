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

"""Tests of the requests' schemas; each error with its message."""

from __future__ import annotations

import json
import sys

import testtools

from nova_shares import exception
from nova_shares.api import schemas

SHARE = "aaaaaaaa-0000-4000-8000-000000000001"
FIELD = "Invalid input for field/attribute "


class TestParseAttach(testtools.TestCase):
    def _message(self, body):
        error = self.assertRaises(
            exception.Invalid, schemas.parse_attach, body
        )
        return error.data["message"]

    def _share_message(self, share):
        return self._message(json.dumps({"share": share}).encode())

    def _tag_message(self, tag):
        return self._share_message({"share_id": SHARE, "tag": tag})

    def test_good(self):
        self.assertEqual(
            (SHARE, None),
            schemas.parse_attach(
                json.dumps({"share": {"share_id": SHARE}}).encode()
            ),
        )

    def test_good_tags(self):
        for tag in ("a", "-", "A-9", "x" * 36):
            body = {"share": {"share_id": SHARE, "tag": tag}}
            self.assertEqual(
                (SHARE, tag), schemas.parse_attach(json.dumps(body).encode())
            )

    def test_ids_that_nova_takes_for_such(self):
        for share_id in (SHARE.upper(), SHARE.replace("-", "")):
            body = json.dumps({"share": {"share_id": share_id}})
            self.assertEqual(
                (share_id, None), schemas.parse_attach(body.encode())
            )

    def test_a2_a13_not_json(self):
        deep = 100_000
        for body in (
            b"{nope",
            b"\xff\xfe",
            b'{"share": {"share_id": "\xff"}}',
            "\ufeff{}".encode(),
            "{}".encode("utf-16"),
            b"NaN",
            b'{"share": Infinity}',
            b"-Infinity",
            b"1" * 5000 if sys.version_info >= (3, 11) else b"{",
            b"[" * 2000 + b"]" * 2000,
            b"[" * deep + b"]" * deep,
            b'{"share":' * 2000 + b"1" + b"}" * 2000,
            b"[" * deep,
        ):
            self.assertEqual("Malformed request body", self._message(body))

    def test_a3_no_object(self):
        self.assertEqual("None is not of type 'object'", self._message(b""))
        self.assertEqual(
            "None is not of type 'object'", self._message(b"null")
        )
        self.assertEqual("[] is not of type 'object'", self._message(b"[]"))
        self.assertEqual("'x' is not of type 'object'", self._message(b'"x"'))

    def test_a4_no_share(self):
        self.assertEqual(
            "'share' is a required property", self._message(b"{}")
        )
        self.assertEqual(
            FIELD + "share. Value: None. None is not of type 'object'",
            self._share_message(None),
        )
        self.assertEqual(
            FIELD + "share. Value: {}. 'share_id' is a required property",
            self._share_message({}),
        )

    def test_a5_share_id(self):
        for value, message in (
            (None, "Value: None. None is not of type 'string'"),
            (5, "Value: 5. 5 is not of type 'string'"),
            (True, "Value: True. True is not of type 'string'"),
            (
                "not-a-uuid",
                "Value: not-a-uuid. 'not-a-uuid' is not a 'uuid'",
            ),
            ("", "Value: . '' is not a 'uuid'"),
        ):
            self.assertEqual(
                f"{FIELD}share_id. {message}",
                self._share_message({"share_id": value}),
            )

    def test_a6_more_keys(self):
        share = {"share_id": SHARE}
        self.assertEqual(
            "Additional properties are not allowed ('x' was unexpected)",
            self._message(json.dumps({"share": share, "x": 1}).encode()),
        )
        more = {"share_id": SHARE, "x": 1}
        self.assertEqual(
            f"{FIELD}share. Value: {more}. Additional properties are not"
            " allowed ('x' was unexpected)",
            self._share_message(more),
        )

    def test_a7_tag(self):
        for tag, message in (
            (None, "None is not of type 'string'"),
            (7, "7 is not of type 'string'"),
            ("a b", "'a b' does not match '^[a-zA-Z0-9-]*$'"),
            ("a_b", "'a_b' does not match '^[a-zA-Z0-9-]*$'"),
            ("é", "'é' does not match '^[a-zA-Z0-9-]*$'"),
            ("x" * 256, f"'{'x' * 256}' is too long"),
        ):
            self.assertEqual(
                f"{FIELD}tag. Value: {tag}. {message}", self._tag_message(tag)
            )

    def test_a7_empty_tag(self):
        # The words are those of the version of jsonschema.
        self.assertIn(
            self._tag_message(""),
            (
                f"{FIELD}tag. Value: . '' is too short",
                f"{FIELD}tag. Value: . '' should be non-empty",
            ),
        )

    def test_a8_newline_at_the_end(self):
        self.assertIn("is not a virtio-fs tag", self._tag_message("ab\n"))

    def test_a9_more_than_36_bytes(self):
        for length in (37, 48, 49, 255):
            self.assertEqual(
                f"{FIELD}tag. Value: {'x' * length}. '{'x' * length}' is not"
                " a virtio-fs tag: it has at most 36 bytes, each a letter, a"
                " digit or a hyphen",
                self._tag_message("x" * length),
            )

    def test_half_a_character(self):
        self.assertIn("does not match", self._tag_message("\ud83d"))

    def test_the_last_of_equal_keys_counts(self):
        body = b'{"share": 1, "share": {"share_id": "%s"}}' % SHARE.encode()
        self.assertEqual((SHARE, None), schemas.parse_attach(body))


class TestCheckQuery(testtools.TestCase):
    def _message(self, query):
        error = self.assertRaises(
            exception.Invalid, schemas.check_query, query
        )
        return error.data["message"]

    def test_nothing(self):
        for query in ("", "&", "&&"):
            schemas.check_query(query)

    def test_l9_one(self):
        for query in ("foo=bar", "foo", "foo=1&foo=2"):
            self.assertEqual(
                "Additional properties are not allowed ('foo' was unexpected)",
                self._message(query),
            )

    def test_l9_several_are_sorted(self):
        self.assertEqual(
            "Additional properties are not allowed"
            " ('all_tenants', 'limit' were unexpected)",
            self._message("limit=1&all_tenants=1"),
        )

    def test_no_utf8(self):
        self.assertIn("was unexpected", self._message("%ff=1"))


class TestResponses(testtools.TestCase):
    def test_no_key_more(self):
        share = {"share_id": SHARE, "status": "active", "tag": "a"}
        valid = schemas.validator(schemas.SHOW_RESPONSE).is_valid
        self.assertTrue(valid({"share": share}))
        self.assertFalse(valid({"share": {**share, "uuid": SHARE}}))
        self.assertFalse(valid({"share": {**share, "status": "lost"}}))
        self.assertFalse(valid({"share": {**share, "tag": "a\n"}}))
        self.assertFalse(valid({"share": {"share_id": SHARE}}))
