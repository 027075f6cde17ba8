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

"""Draws the life of a share mapping from the table in nova_shares.mapping.

``.. transitions::`` becomes a picture (graphviz) and a table below it. There
is no copy of the table to fall out of date.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.parsers import rst
from docutils.statemachine import StringList
from sphinx.ext import graphviz
from sphinx.util.nodes import nested_parse_with_titles

from nova_shares import mapping

_COLOURS = {"api": "blue", "agent": "black", "operator": "darkorange"}


def _name(status: str | None, none: str) -> str:
    return none if status is None else status


def draw() -> str:
    """Write the table in graphviz's language."""
    lines = [
        "digraph life {",
        "rankdir=TB; nodesep=0.9; ranksep=0.7;",
        "node [shape=box style=rounded fontname=sans fontsize=11];",
        "edge [fontname=sans fontsize=9];",
        '"(none)" [shape=plaintext]; "(deleted)" [shape=plaintext];',
    ]
    labels: dict[tuple[str, str, str], list[str]] = {}
    for t in mapping.TRANSITIONS:
        ends = _name(t.source, "(none)"), _name(t.target, "(deleted)")
        labels.setdefault((*ends, t.actor), []).append(t.event)
    for (source, target, actor), events in labels.items():
        colour = _COLOURS[actor]
        label = r"\n".join(events)
        lines.append(
            f'"{source}" -> "{target}" [label="{label}" color={colour}'
            f" fontcolor={colour}];"
        )
    return "\n".join([*lines, "}"])


def tabulate() -> list[str]:
    """Write the table as the lines of a list-table."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "",
    ]
    head = ("from", "to", "written by", "when")
    rows = [
        (
            _name(t.source, "(none)"),
            _name(t.target, "(deleted)"),
            t.actor,
            t.event,
        )
        for t in mapping.TRANSITIONS
    ]
    for row in (head, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'* -' if number == 0 else '  -'} {cell}")
    return lines


class Transitions(rst.Directive):
    """The directive ``transitions``: the picture, then the table."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        picture = graphviz.graphviz()
        picture["code"] = draw()
        picture["options"] = {}
        picture["alt"] = "States of a share mapping, as in the table below."
        table = nodes.section()
        table.document = self.state.document
        nested_parse_with_titles(
            self.state, StringList(tabulate(), source=__file__), table
        )
        return [picture, *table.children]


def setup(app: Any) -> dict[str, bool]:
    app.setup_extension("sphinx.ext.graphviz")
    app.add_directive("transitions", Transitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
