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


"""nova-shares-manage paste: our two filters in Nova's api-paste.ini.

The edit is a line in each of two sections of Nova's, and two sections of
ours at the end; no line of Nova's is changed. What is left after ``remove``
is the file as it was, byte for byte.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from oslo_config import cfg

from nova_shares.cmd.manage import command
from nova_shares.cmd.manage import copy_conf

BACKUP = ".before-nova-shares"
#: The section of Nova's, and the filter that stands around what it makes.
_AROUND = {
    "composite:osapi_compute": "nova_shares_versions",
    "app:osapi_compute_app_v21": "nova_shares",
}
_FACTORIES = {
    "nova_shares": "filter_factory",
    "nova_shares_versions": "versions_filter_factory",
}
_HEADER = re.compile(r"^\[([^]]+)\]")
_OUR_FILE = "/etc/nova-shares/nova-shares.conf"

#: Run by Nova's Python, which may be another than ours. What Nova's own
#: factories make needs a configured Nova: they are imported, not called. It
#: prints the files of ours that the filters read.
_CHECK = """\
import configparser
import sys
from paste.deploy import loadwsgi
from nova_shares import conf
from nova_shares.pipeline import filters
import nova_shares.pipeline.deploy, nova_shares.pipeline.guard
import nova_shares.attachments
from oslo_config import cfg

uri = "config:" + sys.argv[1]
parser = configparser.RawConfigParser(strict=False)
parser.read(sys.argv[1])

def chain(context):
    if context.object_type is loadwsgi.FILTER_WITH:
        return chain(context.filter_context) + chain(context.next_context)
    return [context]

def around(name):
    yield from chain(loadwsgi.loadcontext(loadwsgi.APP, uri, name=name))
    for section in parser.sections():
        for _, value in parser.items(section):
            *before, last = value.split() or [""]
            if last == name:
                for word in before:
                    yield loadwsgi.loadcontext(loadwsgi.FILTER, uri, name=word)

for app, factory in (
    ("osapi_compute", filters.versions_filter_factory),
    ("osapi_compute_app_v21", filters.filter_factory),
):
    ours = [found for found in around(app) if found.object is factory]
    if not ours:
        sys.exit("no filter %s is in front of %s" % (factory.__name__, app))
    for found in ours:
        found.create()(None)
    our_file = ours[0].local_conf.get("config_file")
try:
    nova_shares.attachments.Attachments.from_conf(conf.load_file(our_file))
except cfg.RequiredOptError:
    print(our_file)
"""


def add(groups: Any) -> None:
    """Add the group to the command line."""
    group = command.add_group(
        groups, "paste", "the filters in Nova's pipeline"
    )
    for name, run, help_ in (
        ("install", _install, "add the filters to Nova's api-paste.ini"),
        ("remove", _remove, "remove the filters from Nova's api-paste.ini"),
        ("check", _check, "load the file as nova-api does"),
    ):
        verb = command.add(group, name, run, help_)
        verb.add_argument(
            "--paste-file",
            required=True,
            metavar="FILE",
            help="the api-paste.ini that nova-api reads",
        )
        if name == "check":
            verb.add_argument(
                "--python",
                default=sys.executable,
                help="the Python that runs nova-api; default: the current one",
            )
            continue
        verb.add_argument(
            "--dry-run", action="store_true", help="only show the change"
        )
        if name == "install":
            verb.add_argument(
                "--our-file",
                default=_OUR_FILE,
                metavar="FILE",
                help=f"the nova_shares configuration; default: {_OUR_FILE}",
            )
            verb.add_argument(
                "--copy-from",
                metavar="NOVA_CONF",
                help="create the configuration file, if it does not exist,"
                " with the transport_url, credentials and host of this file",
            )


def installed(text: str, our_file: str) -> str:
    """Make the text of a paste file with our filters in it.

    :raises command.Failed: if it is not of the kind that Nova has
    """
    lines = removed(text).splitlines(keepends=True)
    for section, name in _AROUND.items():
        start, end = _find(lines, section)
        for line in lines[start:end]:
            if re.match(r"filter-with\s*[=:]", line):
                raise command.Failed(
                    f"[{section}] already has a filter: {line.strip()};"
                    f" add {name} to its pipeline manually"
                )
        lines.insert(start + 1, f"filter-with = {name}\n")
    if not lines[-1].endswith("\n"):
        # Kept apart, so that it can be taken out again.
        lines.append("\n# nova_shares: there was no newline before\n")
    for name, factory in _FACTORIES.items():
        lines += [
            "\n",
            f"[filter:{name}]\n",
            f"paste.filter_factory = nova_shares.pipeline.filters:{factory}\n",
            f"config_file = {our_file}\n",
        ]
    return "".join(lines)


def removed(text: str) -> str:
    """Make the text of a paste file without our filters."""
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    after: list[str] = []
    section = ""
    for line in lines:
        header = _HEADER.match(line)
        if header:
            section = header[1]
            kept, after = kept + after, []
            if _is_ours(section) and kept and not kept[-1].strip():
                # The empty line that stands before our sections.
                kept.pop()
        if _is_ours(section):
            # What follows our last setting is about the next section.
            is_setting = line.strip() and line[0] not in "#;"
            after = [] if is_setting else [*after, line]
            continue
        around = _AROUND.get(section)
        if around and re.fullmatch(rf"filter-with\s*[=:]\s*{around}\s*", line):
            continue
        kept.append(line)
    kept += after
    if kept and kept[-1] == "# nova_shares: there was no newline before\n":
        kept[-2:] = [kept[-2][:-1]]
    return "".join(kept)


def _is_ours(section: str) -> bool:
    kind, _, name = section.partition(":")
    return kind == "filter" and name.strip() in _FACTORIES


def _find(lines: list[str], section: str) -> tuple[int, int]:
    headers = [
        (number, match[1])
        for number, match in enumerate(map(_HEADER.match, lines))
        if match
    ]
    ends = [number for number, _ in headers[1:]] + [len(lines)]
    for (start, name), end in zip(headers, ends):
        if name == section:
            return start, end
    raise command.Failed(
        f"section [{section}] is missing; this is not Nova's file"
    )


def _install(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    our_file = os.path.abspath(args.our_file)
    new = installed(_read(args.paste_file), our_file)
    # Everything is read before anything is written.
    text = None
    if args.copy_from is not None and not os.path.exists(our_file):
        try:
            text = copy_conf.make(args.copy_from)
        except copy_conf.Missing as e:
            raise command.Failed(f"{args.copy_from} has no {e}") from e
    if text is not None and args.dry_run:
        print(f"{our_file} would be created from {args.copy_from}")
    elif text is not None:
        _write(our_file, text, like=args.copy_from)
        print(f"{our_file} is created; set [database] connection in it")
    elif args.copy_from is not None:
        print(f"{our_file} exists and is not changed")
    _change(args, new)


def _remove(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    _change(args, removed(_read(args.paste_file)))


def _check(conf: cfg.ConfigOpts, args: argparse.Namespace) -> None:
    # One that cannot be read is reported as the other commands report it.
    _read(args.paste_file)
    try:
        done = subprocess.run(  # noqa: S603
            [
                args.python,
                "-W",
                "ignore",
                "-c",
                _CHECK,
                os.path.abspath(args.paste_file),
            ],
            capture_output=True,
            text=True,
        )
    except OSError as e:
        raise command.Failed(f"cannot run {args.python}: {e.strerror}") from e
    if done.returncode != 0:
        why = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise command.Failed(
            f"{args.python} cannot load {args.paste_file}: {why}"
        )
    print(f"{args.paste_file} can be loaded, with nova_shares in it")
    if done.stdout:
        print(
            f"[database] connection is not set in {done.stdout.strip()}:"
            " calls for server shares return 503 until it is"
        )


def _change(args: argparse.Namespace, new: str) -> None:
    path = args.paste_file
    old = _read(path)
    if old == new:
        print(f"{path} needs no change")
        return
    if args.dry_run:
        diff = difflib.unified_diff(
            old.splitlines(keepends=True),
            new.splitlines(keepends=True),
            path,
            path,
        )
        sys.stdout.writelines(diff)
        return
    if removed(old) == old:
        # Never over the original by what an install has made of it.
        _write(path + BACKUP, old, like=path)
    _write(path, new, like=path)
    print(f"{path} is changed; the original is {path}{BACKUP}")


def _read(path: str) -> str:
    try:
        with open(path, newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as e:
        raise command.Failed(f"cannot read {path}: {e}") from e


def _make_like(path: str, like: str) -> None:
    """Give a file or directory the owner and the mode of another."""
    shutil.copymode(like, path)
    owner = os.stat(like)
    os.chown(path, owner.st_uid, owner.st_gid)


def _write(path: str, text: str, like: str) -> None:
    """Write a file in one go, its owner and mode those of another."""
    # What a link leads to: the link stays.
    path = os.path.realpath(path)
    directory = os.path.dirname(path)
    try:
        if not os.path.isdir(directory):
            os.makedirs(directory)
            # Root's umask may keep out who reads the file.
            _make_like(directory, os.path.dirname(os.path.realpath(like)))
        handle, name = tempfile.mkstemp(dir=directory)
        try:
            with open(handle, "w", newline="") as file:
                file.write(text)
            _make_like(name, like)
            os.replace(name, path)
        except OSError:
            # It may have the passwords of a copied file.
            os.unlink(name)
            raise
    except OSError as e:
        raise command.Failed(f"cannot write {path}: {e}") from e
