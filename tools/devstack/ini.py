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

"""iniset and inidelete, with what they do to a file in DevStack.

Usage: ini.py set|delete [-sudo] FILE SECTION OPTION [VALUE]
"""

import pathlib
import re
import subprocess
import sys


def main(verb, *args):
    as_root = args[0] == "-sudo"
    name, section, option, *value = args[as_root:]
    path = pathlib.Path(name)
    text = path.read_text() if path.exists() else ""
    lines = text.splitlines()
    if f"[{section}]" not in lines:
        lines += ["", f"[{section}]"]
    start = lines.index(f"[{section}]") + 1
    found = []
    for number, line in enumerate(lines[start:], start):
        if line.startswith("["):
            break
        if re.match(rf"{re.escape(option)}[ \t]*=", line):
            found.append(number)
    if verb == "delete":
        for number in reversed(found):
            del lines[number]
    elif found:
        for number in found:
            lines[number] = f"{option} = {' '.join(value)}"
    else:
        lines.insert(start, f"{option} = {' '.join(value)}")
    write = ["sudo", "tee", name] if as_root else ["tee", name]
    subprocess.run(
        write,
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


main(*sys.argv[1:])
