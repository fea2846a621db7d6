"""Show all there is to know of a pod: its containers, its conditions, and what happened to it.

examples:
  twinhub describe pod web             the pod default/web
  twinhub describe pod line-2/web
  twinhub describe pod web --cloud HOST    as the cloud knows it

Exit codes: 0 shown, 1 no hub, no cloud or no such pod, 2 usage.
"""

from __future__ import annotations

import argparse
import time

import msgspec

from twinhub.broker_option import add_broker_option, connect
from twinhub.cloud_option import add_cloud_option, connect_cloud
from twinhub.cloud_pod_rows import pod_page
from twinhub.pod_view import page, pod
from twinhub.twin_rows import device_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["pod"], metavar="pod")
    parser.add_argument("pod", type=device_id, metavar="POD", help="[NAMESPACE/]NAME")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_broker_option(parser)
    add_cloud_option(parser, "ask this cloud instead of a hub; port 10002 unless it is named")


def run(options: argparse.Namespace) -> int:
    if options.cloud:
        _show_of_cloud(options)
        return 0
    with connect(options) as client:
        found = pod(client, options.pod)
    if options.json:
        print(msgspec.json.encode({"pod": found.id, **found.values}).decode())
    else:
        print(*page(found, time.time()), sep="\n")
    return 0


def _show_of_cloud(options: argparse.Namespace) -> None:
    with connect_cloud(options) as client:
        found = client.pod(options.pod)
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print(*pod_page(found, time.time()), sep="\n")
