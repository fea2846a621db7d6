"""Show all there is to know of a pod: its containers, its conditions, and what happened to it.

examples:
  twinhub describe pod web             the pod default/web
  twinhub describe pod line-2/web

Exit codes: 0 shown, 1 no hub or no such pod, 2 usage.
"""

from __future__ import annotations

import argparse
import time

from twinhub.broker_option import add_broker_option, connect
from twinhub.pod_view import page, pod
from twinhub.twin_rows import device_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["pod"], metavar="pod")
    parser.add_argument("pod", type=device_id, metavar="POD", help="[NAMESPACE/]NAME")
    add_broker_option(parser)


def run(options: argparse.Namespace) -> int:
    with connect(options) as client:
        print(*page(pod(client, options.pod), time.time()), sep="\n")
    return 0
