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

"""Reports what was run of what there is, and why the rest was not.

usage: report.py DIR [REASON...] < LIST
LIST has the tests that there are, one a line; the results are those of the
last run in DIR. A test that was skipped for a reason that none of the regular
expressions REASON matches counts as failed, and so does one without a result.
"""

import base64
import collections
import hashlib
from importlib import metadata
import pathlib
import re
import subprocess
import sys

import shim
import subunit
import testtools

_TAGS = re.compile(r"\[.*\]$")
_CLASS = re.compile(r"setUpClass \((.*)\)")


class Results(testtools.StreamToDict):
    """The results of a run.

    :ivar became: of each test, and of each class that was not set up
    :ivar why: the reason why something was skipped
    """

    def __init__(self):
        super().__init__(self._add)
        self.became, self.why = {}, {}

    def _add(self, test):
        name = _TAGS.sub("", test["id"])
        name = _CLASS.sub(r"\1", name)
        self.became[name] = test["status"]
        reason = test["details"].get("reason")
        self.why[name] = reason.as_text().strip() if reason else ""

    def of(self, name):
        """Return what became of a test: (status, reason)."""
        for key in (name, name.rpartition(".")[0]):
            if key in self.became:
                return self.became[key], self.why[key]
        return "unknown", "it has no result"


def read(directory):
    """Read the results of the last run."""
    stream = subprocess.Popen(
        ["stestr", "last", "--subunit"],
        cwd=directory / "workspace",
        stdout=subprocess.PIPE,
    )
    results = Results()
    results.startTestRun()
    subunit.ByteStreamToStreamResult(
        stream.stdout, non_subunit_name="output"
    ).run(results)
    results.stopTestRun()
    stream.wait()
    return results


def changed(distribution):
    """List the Python files of a distribution that are not as installed."""
    return [
        str(path)
        for path in distribution.files
        if path.suffix == ".py" and path.hash and not _is_as_installed(path)
    ]


def _is_as_installed(path):
    digest = hashlib.new(path.hash.mode, path.read_binary()).digest()
    value = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return value == path.hash.value


def show_shim(directory):
    """Print what was replaced of the tests that others wrote."""
    used = collections.Counter((directory / "shimmed").read_text().split())
    manila = metadata.distribution("manila-tempest-plugin")
    if changed(manila):
        sys.exit(f"Not as it was released: {changed(manila)}")
    print(
        f"\nmanila-tempest-plugin {manila.version}, with no file changed, on "
        f"tempest {metadata.version('tempest')}.\n"
        "Replaced in its scenarios, and how often that was used:"
    )
    for name, what in shim.SHIMMED.items():
        print(f"  {used[name]:4} {name}: {what}")


def main(directory, *reasons):
    directory = pathlib.Path(directory)
    results = read(directory)
    names = [_TAGS.sub("", line) for line in sys.stdin.read().split()]
    passed = failed = 0
    print("\nNot passed:")
    for name in sorted(names):
        status, why = results.of(name)
        if status == "success":
            passed += 1
            continue
        known = any(re.search(reason, why) for reason in reasons)
        fails = status != "skip" or not known
        failed += fails
        print(f"  {'FAILED' if fails else 'not run'} {name}: {status}: {why}")
    show_shim(directory)
    groups = collections.Counter(name.split(".")[0] for name in names)
    print("\nThere are:", ", ".join(f"{n} of {g}" for g, n in groups.items()))
    log = directory / "workspace" / "tempest.log"
    repeated = log.read_text(errors="replace").count("Repeated after 503: ")
    print(f"Repeated after a 503 with Retry-After: {repeated} requests.")
    print(f"Not run: {len(names) - passed - failed}, for the reasons above.")
    print(f"{passed} passed, {failed} failed")
    return failed != 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
