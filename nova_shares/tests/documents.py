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

"""The commands and the files of the documentation, as they stand in it."""

import os
import re
import textwrap
from typing import NamedTuple

_CHECKOUT = os.path.join(os.path.dirname(__file__), "..", "..")
_DIRECTIVE = re.compile(r"( *)\.\. code-block:: (\S+)")
_UNDERLINE = re.compile(r"([=-])\1+")


class Block(NamedTuple):
    """A literal block.

    :ivar section: the title above it
    :ivar kind: the language, such as console or ini
    """

    section: str
    kind: str
    text: str

    def commands(self):
        """List what is typed in it: (prompt, command)."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [
            (line[0], line[2:])
            for line in joined.splitlines()
            if line[:2] in ("$ ", "# ")
        ]


def blocks(page):
    """List the blocks of a page below doc/source, such as install/api."""
    path = os.path.join(_CHECKOUT, "doc", "source", f"{page}.rst")
    with open(path) as file:
        lines = file.read().splitlines()
    section, found = "", []
    for number, line in enumerate(lines):
        if number and _UNDERLINE.fullmatch(line):
            section = lines[number - 1] or section
        match = _DIRECTIVE.fullmatch(line)
        if match:
            body = []
            for inner in lines[number + 1 :]:
                if inner and not inner.startswith(match[1] + " "):
                    break
                body.append(inner)
            text = textwrap.dedent("\n".join(body)).strip("\n") + "\n"
            found.append(Block(section, match[2], text))
    return found


def commands(page):
    """List all that is typed in a page: (prompt, command)."""
    return [
        command
        for block in blocks(page)
        if block.kind == "console"
        for command in block.commands()
    ]
