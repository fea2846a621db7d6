"""Make a token with which one node may join the cloud: once, and soon.

examples:
  twinhub token press-shop --cloud HOST                 prints it, and what to do with it
  twinhub token press-shop --cloud HOST > token.txt     the token alone
  twinhub token press-shop --cloud HOST | ssh edge twinhub join --cloud HOST --node press-shop

Whoever has the token can join as that node until it is used or too old: treat it as a password.
Exit codes: 0 made, 1 refused or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse
import sys

from twinhub.cloud_option import add_cloud_options, connect_cloud
from twinhub.cloud_rows import local_time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help="the name under which the edge will be known")
    parser.add_argument("--minutes", type=float, metavar="N", help="how long it is good for (default: the cloud's)")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    with connect_cloud(options) as client:
        made = client.token(options.node, options.minutes)
    print(made.token)
    if sys.stdout.isatty():
        print(
            f"\nGood once, until {local_time(made.expires)[:16]}. On the edge, and give it this token when it asks:\n"
            f"  twinhub join --cloud {client.address} --node {made.node}",
            file=sys.stderr,
        )
    return 0
