"""Show the output of a pod, or the newest log lines that an edge has sent to its cloud.

examples:
  twinhub logs web                     what the pod default/web wrote, since it was started last
  twinhub logs -f web -c sidecar       of one container, and on as it is written
  twinhub logs web --previous          before it was restarted last
  twinhub logs press-shop --cloud HOST
  twinhub logs press-shop --cloud HOST --json | jq -r .text

A pod's output is that of the hub on this machine. The log lines of a node are sent to its cloud as far as the link
has room for them, and kept in the cloud's memory only.
Exit codes: 0 shown, 1 no such pod or node, no hub or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from edged.errands import Log, LogFile
from twinhub.cloud_option import add_cloud_option, connect_cloud
from twinhub.cloud_rows import local_time
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor, add_state_option
from twinhub.pod_log import follow
from twinhub.text import printable
from twinhub.twin_rows import device_id

LONGEST = 2_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="POD|NODE", help="[NAMESPACE/]NAME of a pod; with --cloud a node")
    pod = parser.add_argument_group("of a pod")
    pod.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    pod.add_argument("-c", "--container", default="", metavar="CONTAINER", help="which one (default: the first)")
    pod.add_argument("-p", "--previous", action="store_true", help="of the time before its last restart")
    add_state_option(parser)
    cloud = parser.add_argument_group("of a node")
    cloud.add_argument("--json", action="store_true", help="one JSON object per line")
    add_cloud_option(cloud, "ask this cloud; port 10002 unless it is named")
    cloud.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="longest wait for an answer (default 10)"
    )


def run(options: argparse.Namespace) -> int:
    if options.cloud:
        return _of_node(options)
    if options.json:
        raise CommandError("--json is for the log lines of a node: name its cloud with --cloud HOST")
    return _of_pod(options)


def _of_pod(options: argparse.Namespace) -> int:
    door = HubDoor(options.state_dir)
    try:
        errand = Log(device_id(options.name), options.container, int(options.previous))
    except argparse.ArgumentTypeError as error:
        raise CommandError(str(error)) from None
    found = door.ask(errand, LogFile)
    errand = msgspec.structs.replace(errand, container=found.container)

    def current() -> Path | None:
        try:
            return Path(door.ask(errand, LogFile).path)
        except CommandError:
            return None  # between two containers, or the hub is away: what is written is shown on

    for text in follow(Path(found.path), current if options.follow else None):
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    return 0


def _of_node(options: argparse.Namespace) -> int:
    with connect_cloud(options) as client:
        lines = client.logs(options.name)
    for line in lines:
        if options.json:
            print(msgspec.json.encode(line).decode())
        else:
            print(f"{local_time(line.time)} {line.level:7} {line.logger}: {printable(line.text, LONGEST)}")
    if not lines:
        print(f"{options.name} has sent no log lines since this cloud was started", file=sys.stderr)
    return 0
