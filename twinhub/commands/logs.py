"""Show the newest log lines that an edge has sent to its cloud.

examples:
  twinhub logs press-shop --cloud HOST
  twinhub logs press-shop --cloud HOST --json | jq -r .text

They are sent as far as the link has room for them, and kept in the cloud's memory only.
Exit codes: 0 shown, 1 no such node or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse
import sys

import msgspec

from twinhub.cloud_option import add_cloud_options, connect_cloud
from twinhub.cloud_rows import local_time
from twinhub.text import printable

LONGEST = 2_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    with connect_cloud(options) as client:
        lines = client.logs(options.node)
    for line in lines:
        if options.json:
            print(msgspec.json.encode(line).decode())
        else:
            print(f"{local_time(line.time)} {line.level:7} {line.logger}: {printable(line.text, LONGEST)}")
    if not lines:
        print(f"{options.node} has sent no log lines since this cloud was started", file=sys.stderr)
    return 0
