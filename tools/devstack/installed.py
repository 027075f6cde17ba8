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

"""Makes sure that an environment has a checkout, as pip install -e would.

Usage: installed.py ENVIRONMENT CHECKOUT [EXTRAS]
"""

import json
import pathlib
import sys

venv, checkout, *extras = sys.argv[1:]
[info] = pathlib.Path(venv).glob(
    "lib/python3*/site-packages/nova_shares-*.dist-info"
)
origin = json.loads((info / "direct_url.json").read_text())
url = pathlib.Path(checkout).resolve().as_uri()
if origin["url"] != url or not origin["dir_info"].get("editable"):
    sys.exit(f"{venv} has {origin['url']}, not {url}")
metadata = (info / "METADATA").read_text().splitlines()
for extra in ",".join(extras).split(","):
    if extra and f"Provides-Extra: {extra}" not in metadata:
        sys.exit(f"{checkout} has no extra {extra}")
