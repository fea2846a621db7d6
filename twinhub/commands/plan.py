"""Show which requests the mappers will send to each device, and how often. Nothing is opened or sent.

examples:
  twinhub plan plant/
  twinhub plan plant/ --json | jq -r '.[] | [.device, .request] | @tsv'

Exit codes: 0 shown, 1 the manifests have errors, 2 usage.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from mappers.preview import plan_rows, plan_text
from twinhub.manifests import good_devices


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument("--json", action="store_true", help="print one list of requests as JSON")


def run(options: argparse.Namespace) -> int:
    devices = good_devices(options.path)
    if options.json:
        print(msgspec.json.encode([row._asdict() for row in plan_rows(devices)]).decode())
    else:
        print(plan_text(devices))
    return 0
