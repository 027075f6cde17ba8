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


"""The contract's cases, asked of Nova's own calls and of ours.

Both nova-apis have the same Nova behind them. Each has its own servers and
shares, since an attachment is one's or the other's; an answer is compared
after the ids in it were replaced by names.
"""

import json
import re

from nova_shares.tests.functional_nova import base
from nova_shares.tests.functional_nova import nova as nova_fixture

UNKNOWN = "aaaaaaaa-0000-4000-8000-000000000001"
_HEADERS = (
    "Content-Type",
    "OpenStack-API-Version",
    "X-OpenStack-Nova-API-Version",
    "Vary",
    "Location",
)
_L = "/servers/{empty}/shares"
_ONE = "/servers/{one}/shares"
_TAGS = "/servers/{tags}/shares"
_ITEM = _ONE + "/{attached}"
_NEW = {"share": {"share_id": "{new}"}}


def _body(**share):
    return {"share": {"share_id": "{new}", **share}}


def _tagged(name, tag):
    return {"share": {"share_id": f"{{{name}}}", "tag": tag}}


def _states():
    for state in (
        "active",
        "paused",
        "suspended",
        "rescued",
        "error",
        "shelved",
        "shelved_offloaded",
        "resized",
        "building",
        "soft-delete",
    ):
        path = f"/servers/{{{state}}}/shares"
        yield f"A15 {state}", ("POST", path, _NEW)
        yield f"D2 {state}", ("DELETE", f"{path}/{UNKNOWN}")


def _versions():
    for name, sent in {
        "L10 2.96": {"version": "2.96"},
        "L10 2.1": {"version": "2.1"},
        "L10 none": {"version": None},
        "L10 no service": {"version": None, "OpenStack_API_Version": "2.97"},
        "L11 latest": {"version": "latest"},
        "L11 list": {
            "version": None,
            "OpenStack_API_Version": "volume 3.0, compute 2.97",
        },
        "L11 case": {
            "version": None,
            "OpenStack_API_Version": "COMPUTE  2.97",
        },
        "L11 legacy": {
            "version": None,
            "X_OpenStack_Nova_API_Version": "2.97",
        },
        "L11 both": {"X_OpenStack_Nova_API_Version": "2.1"},
        "L11 the second decides": {
            "version": None,
            "OpenStack_API_Version": "volume 3.0",
            "X_OpenStack_Nova_API_Version": "2.97",
        },
        "L12 2.105": {"version": "2.105"},
        "L12 3.0": {"version": "3.0"},
        "L13 abc": {"version": "abc"},
        "L13 2": {"version": "2"},
        "L13 2.97.1": {"version": "2.97.1"},
        "L13 2.-1": {"version": "2.-1"},
    }.items():
        yield name, ("GET", _ONE, None, sent)


def _bodies():
    for name, body in {
        "A2": b"{nope",
        "A3 empty": b"",
        "A3 null": b"null",
        "A3 list": [],
        "A3 string": "x",
        "A4 {}": {},
        "A4 null": {"share": None},
        "A4 list": {"share": []},
        "A4 empty": {"share": {}},
        "A5 null": {"share": {"share_id": None}},
        "A5 5": {"share": {"share_id": 5}},
        "A5 true": {"share": {"share_id": True}},
        "A5 no uuid": {"share": {"share_id": "not-a-uuid"}},
        "A6 beside share": {**_NEW, "x": 1},
        "A6 beside share_id": _body(x=1),
        "A7 empty": _body(tag=""),
        "A7 null": _body(tag=None),
        "A7 7": _body(tag=7),
        "A7 space": _body(tag="a b"),
        "A7 underscore": _body(tag="a_b"),
        "A7 dot": _body(tag="a.b"),
        "A7 letter": _body(tag="é"),
        "A7 long": _body(tag="a" * 256),
        "A13 no UTF-8": b'{"share": "\xff"}',
        "A13 nested": b"[" * 2000 + b"]" * 2000,
        "A13 NaN": b'{"share": {"share_id": NaN}}',
    }.items():
        yield name, ("POST", _L, body)


CASES = {
    "L1": ("GET", _L),
    "L2": ("GET", _ONE),
    "L3": ("GET", _ONE, None, {"user": "reader"}),
    "L4": ("GET", _ONE, None, {"user": "norole"}),
    "L4 empty": ("GET", _L, None, {"user": "norole"}),
    "L5": ("GET", _ONE, None, {"user": "other"}),
    "L5 empty": ("GET", _L, None, {"user": "other"}),
    "L6": ("GET", _ONE, None, {"user": "admin"}),
    "L6 empty": ("GET", _L, None, {"user": "admin"}),
    "L7 unknown": ("GET", f"/servers/{UNKNOWN}/shares"),
    "L7 no uuid": ("GET", "/servers/nope/shares"),
    "L7 no uuid POST": ("POST", "/servers/nope/shares", _NEW),
    "L8": ("GET", "/servers/{deleted}/shares"),
    "L8 admin": ("GET", "/servers/{deleted}/shares", None, {"user": "admin"}),
    "L8 POST": ("POST", "/servers/{deleted}/shares", _NEW),
    "L9": ("GET", _ONE + "?foo=bar"),
    "L9 several": ("GET", _ONE + "?limit=1&all_tenants=1"),
    "L9 show": ("GET", _ITEM + "?foo=bar"),
    **dict(_versions()),
    "L14": ("GET", "/" + "0" * 32 + _ONE),
    "L14 POST": ("POST", "/" + "0" * 32 + _ONE, {}),
    "L14 and A2": ("POST", "/" + "0" * 32 + _ONE, b"{nope"),
    "L14 own": ("GET", "/{project}" + _ONE),
    "L14 no project": ("GET", "/nope" + _ONE),
    "L15 PUT": ("PUT", _ONE),
    "L15 PATCH": ("PATCH", _ITEM),
    "L15 DELETE": ("DELETE", _ONE),
    "L15 POST": ("POST", _ITEM, _NEW),
    "L16 slash": ("GET", _ONE + "/"),
    "L16 json": ("GET", _ONE + ".json"),
    "L16 below": ("GET", _ITEM + "/edit"),
    "L17 no UTF-8": ("GET", _ONE + "/%ff"),
    "L17 NUL": ("GET", _ONE + "/%00"),
    "L17 emoji": ("GET", _ONE + "/%F0%9F%98%80"),
    "L18 none": ("GET", _ONE, None, {"X_Auth_Token": None}),
    "L18 bad": ("GET", _ONE, None, {"X_Auth_Token": "bad"}),
    "S1": ("GET", _ITEM),
    "S1 reader": ("GET", _ITEM, None, {"user": "reader"}),
    "S2": ("GET", _ITEM, None, {"user": "admin"}),
    "S4 unknown": ("GET", f"{_ONE}/{UNKNOWN}"),
    "S4 no uuid": ("GET", f"{_ONE}/nope"),
    "S4 empty": ("GET", f"{_L}/{UNKNOWN}"),
    "S5 other": ("GET", _ITEM, None, {"user": "other"}),
    **dict(_bodies()),
    "A11 xml": ("POST", _L, _NEW, {"Content_Type": "application/xml"}),
    "A14": ("POST", _L, _NEW, {"user": "reader"}),
    **dict(_states()),
    "A18": ("POST", "/servers/{no_host}/shares", _NEW),
    "A22": ("POST", _L, {"share": {"share_id": UNKNOWN}}),
    "A22 other's": ("POST", _L, {"share": {"share_id": "{others}"}}),
    "A22b": ("POST", _L, {"share": {"share_id": "{public}"}}),
    "A23": ("POST", _L, {"share": {"share_id": "{creating}"}}),
    "A24": ("POST", _L, {"share": {"share_id": "{nowhere}"}}),
    "A25": ("POST", _L, {"share": {"share_id": "{cifs}"}}),
    "A26": ("POST", _ONE, {"share": {"share_id": "{attached}", "tag": "t"}}),
    "A26 tag": ("POST", _ONE, _body(tag="{attached}")),
    "A31": ("POST", _L, _NEW, {"user": "other"}),
    "D3": ("DELETE", f"{_ONE}/{UNKNOWN}"),
    "D3 no uuid": ("DELETE", f"{_ONE}/nope"),
    "D11": ("DELETE", _ITEM, None, {"user": "reader"}),
    "D14": ("DELETE", _ITEM, None, {"user": "other"}),
    # What changes something, in one of the two, comes last.
    "A8": ("POST", _TAGS, _tagged("t8", "ab\n")),
    "A9 37": ("POST", _TAGS, _tagged("t37", "a" * 37)),
    "A9 255": ("POST", _TAGS, _tagged("t255", "a" * 255)),
    "A16": ("POST", "/servers/{busy}/shares", _NEW),
    "A17": ("POST", "/servers/{locked}/shares", _NEW),
    "A1": ("POST", _L + "?ignored=1", _body(tag="a-tag")),
    "A1 admin": (
        "POST",
        _L,
        {"share": {"share_id": "{second}"}},
        {
            "user": "admin",
            "Content_Type": "text/plain",
        },
    ),
    "A27": (
        "POST",
        "/servers/{two}/shares",
        {"share": {"share_id": "{attached}"}},
    ),
    "D12": ("DELETE", "/servers/{locked}/shares/{of_locked}"),
    "D13": ("DELETE", "/servers/{busy}/shares/{of_busy}"),
    "D1": ("DELETE", _ITEM + "?ignored=1", b"ignored"),
}
#: The cases that are marked **ours** in the contract. What Nova answers is
#: told in the administrator's guide, on the page of the differences.
OURS = {
    "L7 unknown",
    "L7 no uuid",
    "L7 no uuid POST",
    "L15 PUT",
    "L15 PATCH",
    "L15 DELETE",
    "L15 POST",
    "L16 slash",
    "L16 json",
    "L16 below",
    "A8",
    "A9 37",
    "A9 255",
    "A13 no UTF-8",
    "A13 nested",
    "A13 NaN",
    "A16",
    "A17",
    "A18",
    "A22b",
    "D12",
    "D13",
}


#: Both answer 400: Nova reads the body before it looks at the URL's project,
#: we after it, as the contract has it.
ORDER = {"L14 and A2"}


class _World:
    """Servers and shares for one of the two.

    :ivar names: by what they are called in the cases
    """

    def __init__(self, nova, url):
        self._nova = nova
        self._url = url
        server, share = nova.server, nova.share
        states = {name.partition(" ")[2]: None for name, _ in _states()}
        self.names = {
            **{state: server(state) for state in states},
            "project": nova.cloud.projects["demo"].id,
            "empty": server(),
            "one": server(),
            "two": server(),
            "tags": server(),
            "deleted": self._deleted(server()),
            "no_host": server(host=None),
            "busy": server(),
            "locked": server(),
            "new": share(),
            "second": share(),
            **{name: share() for name in ("t8", "t37", "t255")},
            "attached": share(paths=["192.0.2.1:/a"]),
            "of_busy": share(),
            "of_locked": share(),
            "others": share(project="other"),
            "public": share(project="other", is_public=True),
            "creating": share(status="creating"),
            "nowhere": share(paths=[]),
            "cifs": share(proto="CIFS"),
        }
        for name, shared in (
            ("one", "attached"),
            ("busy", "of_busy"),
            ("locked", "of_locked"),
        ):
            nova.attach(self.names[name], self.names[shared], url=url)
        for change, name in (
            ("task_state = 'powering-on'", "busy"),
            ("locked = 1, locked_by = 'admin'", "locked"),
        ):
            nova.sql(
                f"UPDATE instances SET {change} WHERE uuid = %s",
                self.names[name],
            )

    def _deleted(self, server):
        nova, path = self._nova, f"/servers/{server}"
        nova.ask("DELETE", path, url=self._url)
        nova_fixture.wait_for(
            lambda: nova.ask("GET", path, url=self._url).status_code == 404
        )
        return server

    def answer(self, method, path, body=None, sent=None):
        """Ask, and make the answer comparable."""
        if not isinstance(body, bytes):
            body = None if body is None else self._named(json.dumps(body))
            body = body and body.encode()
        response = self._nova.ask(
            method,
            self._named(path),
            body,
            url=self._url,
            **(sent or {}),
        )
        return (
            response.status_code,
            self._unnamed(response.text),
            {
                name: response.headers[name]
                for name in _HEADERS
                if name in response.headers
            },
        )

    def _named(self, text):
        for name, value in self.names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def _unnamed(self, text):
        for name, value in self.names.items():
            text = text.replace(value, f"{{{name}}}")
        # A mapping's own id; and Nova quotes an id as it was sent.
        return re.sub(r'("uuid": )"[0-9a-f-]{36}"', r'\1"{uuid}"', text)


class TestContract(base.TestCase):
    def test_the_differences_are_those_marked_ours(self):
        intree = _World(self.nova, self.nova.plain.url)
        ours = _World(self.nova, self.nova.api.url)
        different = {}
        for name, case in CASES.items():
            theirs, mine = intree.answer(*case), ours.answer(*case)
            if theirs != mine:
                different[name] = f"{name}:\n  Nova {theirs}\n  ours {mine}"
        wrong = [d for n, d in different.items() if n not in OURS | ORDER]
        self.assertEqual([], wrong, "\n".join(wrong))
        self.assertEqual(OURS | ORDER, set(different))
