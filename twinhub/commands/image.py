"""Images for the pods of the hub on this machine.

examples:
  twinhub image load alarm.tar         take the images of a file that `docker save` or `podman save` wrote
  twinhub image list

A node without a registry gets its images this way; pods that waited for one start at once.
Exit codes: 0 done, 1 no hub or not such a file, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edged.errands import ImageList, Images, Load, Loaded
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor, add_state_option
from twinhub.text import columns

LONGEST_LOAD = 600.0
"""Seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(metavar="load|list", required=True)
    load = parts.add_parser("load", help="take images from a file")
    load.add_argument("file", type=Path, metavar="FILE.tar")
    load.set_defaults(part=_load)
    add_state_option(load)
    listing = parts.add_parser("list", help="show the images that are here")
    listing.set_defaults(part=_list)
    add_state_option(listing)


def run(options: argparse.Namespace) -> int:
    code: int = options.part(options)
    return code


def _load(options: argparse.Namespace) -> int:
    if not options.file.is_file():
        raise CommandError(f"there is no file {options.file}")
    errand = Load(str(options.file.absolute()))
    loaded = HubDoor(options.state_dir).ask(errand, Loaded, within=LONGEST_LOAD)
    print(*loaded.names, sep="\n")
    return 0


def _list(options: argparse.Namespace) -> int:
    found = HubDoor(options.state_dir).ask(Images(), ImageList).images
    if not found:
        print("there are no images", file=sys.stderr)
        return 0
    rows = [(", ".join(one.names) or "-", one.id[:19], f"{one.size / 1e6:.1f} MB") for one in found]
    print(*columns(("IMAGE", "ID", "SIZE"), sorted(rows), ("SIZE",)), sep="\n")
    return 0
