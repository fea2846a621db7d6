"""Declare devices, models, pods, ConfigMaps and Secrets in the cloud, which hands each device and pod to the node
its spec.nodeName names, with the models, ConfigMaps and Secrets it needs.

examples:
  twinhub apply -f plant.yaml --cloud HOST
  twinhub apply -f plant/ --cloud HOST            all manifests of a folder
  sed s/edge-1/edge-2/ plant.yaml | twinhub apply -f - --cloud HOST

Everything is checked before anything is sent. What is declared already and looks the same stays as it is; a desired
value that is new or edited becomes a wish. A device may come before its model, and a pod before its Secret: the
cloud keeps it and says so.
Exit codes: 0 all of it is declared, 1 mistakes, something was refused, or no cloud; 2 usage.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from cloud_sync.api_forms import Applied
from device_models.yaml_text import MAX_BYTES
from twinhub.cloud_manifests import read_objects
from twinhub.cloud_option import add_cloud_options, connect_cloud
from twinhub.cloud_rows import condition_lines
from twinhub.errors import CommandError
from twinhub.text import plural, printable

STANDARD_INPUT = "-"
LONGEST_REASON = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", dest="path", required=True, metavar="FILE", help="a file, a folder, or - for stdin")
    parser.add_argument("--json", action="store_true", help="print what became of each object as JSON")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    objects = _objects(options.path)
    if not objects:
        raise CommandError(f"{options.path} declares nothing")
    with connect_cloud(options) as client:
        applied = list(client.apply(objects))
    if options.json:
        print(msgspec.json.encode(applied).decode())
    else:
        _print(applied)
    return 1 if any(one.outcome == "refused" for one in applied) else 0


def _objects(path: str) -> list[dict[str, Any]]:
    """What is declared there, what others need first. CommandError with every mistake there is."""
    with _readable(path) as (place, shown):
        objects, problems = read_objects(place)
    lines = [str(problem).replace(*shown) for problem in problems if problem.severity == "error"]
    if lines:
        raise CommandError("\n".join([*lines, f"{plural(len(lines), 'error')}; nothing was applied"]))
    return objects


@contextmanager
def _readable(path: str) -> Iterator[tuple[Path, tuple[str, str]]]:
    """The file or folder to read, and how to call it: the text to replace, and what by."""
    if path != STANDARD_INPUT:
        yield Path(path), (path, path)
        return
    text = sys.stdin.buffer.read(MAX_BYTES + 1)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "stdin.yaml")
        file.write_bytes(text)
        yield file, (str(file), "standard input")


def _print(applied: list[Applied]) -> None:
    for one in applied:
        kind, _, name = one.key.partition("/")
        why = f": {printable(one.message, LONGEST_REASON)}" if one.outcome == "refused" else ""
        print(f"{kind.lower()} {name} {one.outcome}{why}")
        for line in condition_lines("  but", one.conditions):
            print(line)
