"""Turn an edge away: the certificates it has are good for nothing from now on, and its connections end at once.

examples:
  twinhub revoke press-shop --cloud HOST
  twinhub token press-shop --cloud HOST       lets it join again, with a new key

What the cloud knows of its devices stays.
Exit codes: 0 revoked, 1 no such node or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse

from twinhub.cloud_option import add_cloud_options, connect_cloud


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    with connect_cloud(options) as client:
        client.revoke(options.node)
    print(f"{options.node} is revoked")
    return 0
