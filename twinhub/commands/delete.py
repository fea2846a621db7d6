"""Declare something in the cloud no longer. Its edge forgets it too; a device's readings stay until they are old.

examples:
  twinhub delete device line-2/pump --cloud HOST
  twinhub delete model pump --cloud HOST
  twinhub delete pod web --cloud HOST          its node stops it within its grace period
  twinhub delete configmap web --cloud HOST    secret likewise

An edge that is away learns it when it is back. What is declared in the folder of an edge is deleted there.
Exit codes: 0 deleted, 1 there is none or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse

import msgspec

from cloud_sync.stored import CONFIG_MAP, DEVICE, MODEL, POD, SECRET
from twinhub.cloud_option import add_cloud_options, connect_cloud
from twinhub.twin_rows import device_id

KINDS = {"device": DEVICE, "model": MODEL, "pod": POD, "configmap": CONFIG_MAP, "secret": SECRET}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(KINDS), help="what it is")
    parser.add_argument("name", type=device_id, metavar="NAME", help="[NAMESPACE/]NAME")
    parser.add_argument("--json", action="store_true", help="print what was deleted as JSON")
    add_cloud_options(parser)


def run(options: argparse.Namespace) -> int:
    key = f"{KINDS[options.kind]}/{options.name}"
    with connect_cloud(options) as client:
        client.delete(key)
    if options.json:
        print(msgspec.json.encode({"deleted": key}).decode())
    else:
        print(f"{options.kind} {options.name} is deleted")
    return 0
