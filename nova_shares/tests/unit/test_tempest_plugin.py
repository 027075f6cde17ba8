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

"""That the tempest plugin forgets no case of the contract.

The plugin is read and not imported: tempest is not installed here.
"""

import ast
import pathlib
import re
import uuid

import testtools

CHECKOUT = pathlib.Path(__file__).parents[3]
PLUGIN = CHECKOUT / "nova_shares_tempest_plugin"
_NUMBER = "[LSADTP][0-9]+b?"
_CITED = re.compile(rf"Contract ({_NUMBER}(?:, {_NUMBER})*): ")


def contract():
    """List the numbers of the cases in the documentation."""
    page = CHECKOUT / "doc/source/contributor/contract.rst"
    return re.findall(rf"^   \* - ({_NUMBER})$", page.read_text(), re.M)


def tests():
    """List the tests of the plugin: (their place, their node)."""
    for path in sorted((PLUGIN / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                if node.name.startswith("test_"):
                    yield f"{path.name}:{node.name}", node


def cited(node):
    """List the cases that a test names in its docstring."""
    match = _CITED.match(ast.get_docstring(node) or "")
    return match[1].split(", ") if match else []


def not_over_http():
    tree = ast.parse((PLUGIN / "contract.py").read_text())
    [found] = [node for node in tree.body if isinstance(node, ast.Assign)]
    return ast.literal_eval(found.value)


def idempotent_ids(node):
    return [
        decorator.args[0].value
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and getattr(decorator.func, "attr", "") == "idempotent_id"
    ]


class TestTempestPlugin(testtools.TestCase):
    def test_each_case_has_a_test_or_a_reason(self):
        asked = {case for _, node in tests() for case in cited(node)}
        reasons = not_over_http()
        self.assertEqual(set(contract()), asked | set(reasons))
        self.assertEqual(set(), asked & set(reasons))
        self.assertEqual([], [case for case in reasons if not reasons[case]])

    def test_the_contract_is_read(self):
        cases = contract()
        self.assertEqual(len(set(cases)), len(cases))
        for case in ("L1", "S5", "A22b", "D14", "T6", "P6"):
            self.assertIn(case, cases)

    def test_each_test_names_its_cases(self):
        for place, node in tests():
            self.assertNotEqual([], cited(node), place)

    def test_each_test_has_an_id_of_its_own(self):
        seen = []
        for place, node in tests():
            [found] = idempotent_ids(node) or [place]
            seen.append(str(uuid.UUID(found)))
        self.assertEqual(len(set(seen)), len(seen))
        self.assertGreater(len(seen), 60)
