"""Look what devices there are and print their manifests, ready to be edited and saved.

examples:
  twinhub discover opcua opc.tcp://plc:4840                            browse a server
  twinhub discover opcua opc.tcp://plc:4840 -o userName=op -o passwordFile=secret
  twinhub discover ble                                                 which devices are in range
  twinhub discover ble F0:F1:F2:F3:F4:F5 > plant/sensor.yaml           what one of them offers
  twinhub discover serial                                              which ports there are, and what is heard

TARGET and the options are the protocol's: an option is a field of `protocol.configData`. The manifests go to standard
output, remarks to standard error. A protocol that has nothing to discover says why, and what to do instead.
Exit codes: 0 something was found, 1 nothing, or it cannot be reached, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import yaml

from mappers.asking import words
from mappers.mapper import CannotDiscover, Discovery, LinkLost
from mappers.protocols import PROTOCOLS, BrokenMapper
from twinhub.errors import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("protocol", choices=sorted(PROTOCOLS), metavar="PROTOCOL", help=", ".join(sorted(PROTOCOLS)))
    parser.add_argument("target", nargs="?", default="", metavar="TARGET", help="where to look")
    parser.add_argument(
        "-o", dest="options", action="append", default=[], type=_option, metavar="FIELD=VALUE",
        help="a field of protocol.configData; may be repeated",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    found = _discover(options.protocol, options.target, dict(options.options))
    for remark in found.remarks:
        print(f"# {remark}", file=sys.stderr)
    print(yaml.safe_dump_all(found.manifests, sort_keys=False, allow_unicode=True, width=110), end="")
    return 0 if found.manifests else 1


def _discover(protocol: str, target: str, options: dict[str, str]) -> Discovery:
    try:
        return asyncio.run(PROTOCOLS[protocol].mapper.discover(target, options))
    except (CannotDiscover, BrokenMapper, ValueError) as error:
        raise CommandError(str(error)) from None
    except (LinkLost, OSError) as error:
        raise CommandError(f"{target or protocol} cannot be reached: {words(error)}") from None


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=VALUE")
    return name, value
