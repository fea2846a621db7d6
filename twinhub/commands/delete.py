"""Declare a device or a model in the cloud no longer. Its edge forgets it too; its readings stay until they are old.

examples:
  twinhub delete device line-2/pump --cloud HOST
  twinhub delete model pump --cloud HOST

What is declared in the folder of an edge is deleted there.
Exit codes: 0 deleted, 1 there is none or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse

from twinhub.cloud_option import add_cloud_options, connect_cloud
from twinhub.twin_rows import device_id

KINDS = {"device": "Device", "model": "DeviceModel"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(KINDS), help="what it is")
    parser.add_argument("name", type=device_id, metavar="NAME", help="[NAMESPACE/]NAME")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    with connect_cloud(options) as client:
        client.delete(f"{KINDS[options.kind]}/{options.name}")
    print(f"{options.kind} {options.name} is deleted")
    return 0
