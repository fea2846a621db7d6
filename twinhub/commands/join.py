"""Let this edge join a cloud, once. From then on `twinhub run DIR` keeps a link to it.

examples:
  twinhub join --cloud HOST --node press-shop                            asks for the token
  twinhub join --cloud HOST --node press-shop --token-file token.txt
  twinhub token press-shop --cloud HOST | ssh edge twinhub join --cloud HOST --node press-shop

The token comes from the cloud: `twinhub token NODE` makes one. It says which cloud is the right one, and is good
for one node and one time. The key is made here and never leaves this machine. To join again replaces the identity.
Exit codes: 0 joined, 1 refused or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edgehub.enrol import EnrolmentError
from edgehub.identity import Identity
from link.limits import TOKEN_CHARACTERS
from twinhub.cloud_option import cloud_address
from twinhub.errors import CommandError
from twinhub.identity_option import add_identity_option, identity_folder

STANDARD_INPUT = "-"
LONGEST = TOKEN_CHARACTERS + 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cloud",
        type=cloud_address,
        required=True,
        metavar="HOST[:PORT]",
        help="where to join (port 10002 unless it is named)",
    )
    parser.add_argument("--node", required=True, metavar="NAME", help="the name the token is for")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--token-file", type=Path, metavar="FILE", help="read the token from a file")
    source.add_argument("--token", metavar="-", help="read it from standard input (the default)")
    parser.add_argument(
        "--link-port", type=int, default=10000, metavar="PORT", help="where the cloud takes links (default 10000)"
    )
    add_identity_option(parser)


def run(options: argparse.Namespace) -> int:
    folder, cloud = identity_folder(options), options.cloud
    identity = Identity(folder)
    token = _token(options)
    try:
        identity.enrol(cloud.host, cloud.port, options.node, token, link_port=options.link_port)
    except (EnrolmentError, OSError) as error:
        raise CommandError(str(error)) from None
    named = f" --identity {folder}" if options.identity else ""
    print(f"joined the cloud at {cloud} as {identity.node}; the identity is in {folder}")
    print(f"now run the hub on your manifests, or restart the one that runs: twinhub run DIR{named}")
    return 0


def _token(options: argparse.Namespace) -> str:
    if options.token not in (None, STANDARD_INPUT):
        raise CommandError(
            "a token on the command line is shown to everyone on this machine who lists its processes;"
            " give it on standard input or with --token-file FILE, and ask for a new one with `twinhub token NODE`"
        )
    if options.token_file:
        return _token_of(options.token_file)
    if sys.stdin.isatty():
        return getpass.getpass("token: ").strip()
    return sys.stdin.read(LONGEST).strip()


def _token_of(file: Path) -> str:
    try:
        with file.open() as stream:
            return stream.read(LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read the token from {file}: {error}") from None
