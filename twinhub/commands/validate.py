"""Check a folder of manifests (or one file) and show everything that is wrong with it, each with file and line.

examples:
  twinhub validate plant/
  twinhub validate plant/ --json | jq -r '.problems[].message'

Exit codes: 0 no errors (there may be warnings), 1 errors, 2 usage.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import msgspec

from twinhub.manifests import Manifests, read_manifests
from twinhub.text import plural


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(options: argparse.Namespace) -> int:
    manifests = read_manifests(options.path)
    if options.json:
        _print_json(manifests)
    else:
        _print(manifests)
    return 1 if manifests.errors else 0


def _print(manifests: Manifests) -> None:
    for problem in manifests.problems:
        print(f"warning: {problem}" if problem.severity == "warning" else problem)
    properties = sum(len(device.properties) for device in manifests.devices)
    outcome = plural(len(manifests.errors), "error") if manifests.errors else "no errors"
    complete = [plural(len(manifests.devices), "device"), plural(properties, "property")]
    if pods := manifests.pods.pods:
        complete.append(plural(len(pods), "pod"))
    print(f"complete: {', '.join(complete)}; {outcome}")


def _print_json(manifests: Manifests) -> None:
    findings = {
        "ok": not manifests.errors,
        "devices": [device.id for device in manifests.devices],
        "pods": list(manifests.pods.pods),
        "problems": [asdict(problem) for problem in manifests.problems],
    }
    print(msgspec.json.encode(findings).decode())
