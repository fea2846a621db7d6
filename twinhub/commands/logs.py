"""Show the output of a pod, or the newest log lines that an edge has sent to its cloud.

examples:
  twinhub logs web                     what the pod default/web wrote, since it was started last
  twinhub logs -f web -c sidecar       of one container, and on as it is written
  twinhub logs web --previous          before it was restarted last
  twinhub logs web --tail 20 --timestamps
  twinhub logs web --since 15min
  twinhub logs press-shop --cloud HOST
  twinhub logs press-shop --cloud HOST --json | jq -r .text

A pod's output is that of the hub on this machine; of long output at most the newest 10 MB are shown. With -f it goes
on through restarts, until the pod is deleted or has ended for good. The log lines of a node are sent to its cloud as
far as the link has room for them, and kept in the cloud's memory only.
Exit codes: 0 shown, 1 no such pod or node, no hub or no cloud, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edged.errands import Log, LogFile
from twinhub.cloud_option import add_cloud_option, connect_cloud
from twinhub.cloud_rows import local_time
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor, NoSuchPod, add_state_option
from twinhub.moments import moment
from twinhub.pod_log import Entry, follow, last, since, stamped
from twinhub.text import printable
from twinhub.twin_rows import device_id

LONGEST = 2_000
MOST_DIGITS = 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="POD|NODE", help="[NAMESPACE/]NAME of a pod; with --cloud a node")
    pod = parser.add_argument_group("of a pod")
    pod.add_argument("-f", "--follow", action="store_true", help="go on as more is written")
    pod.add_argument("-c", "--container", default="", metavar="CONTAINER", help="which one (default: the first)")
    pod.add_argument("-p", "--previous", action="store_true", help="of the time before its last restart")
    pod.add_argument("--tail", type=_lines, metavar="N", help="only the last N lines of what is there")
    pod.add_argument("--since", type=moment, metavar="TIME", help="nothing older: 90s, 15min, 2h, or a date and time")
    pod.add_argument("--timestamps", action="store_true", help="each line with its time before it")
    add_state_option(parser)
    cloud = parser.add_argument_group("of a node")
    cloud.add_argument("--json", action="store_true", help="one JSON object per line")
    add_cloud_option(cloud, "ask this cloud; port 10002 unless it is named")
    cloud.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="longest wait for an answer (default 10)"
    )


def run(options: argparse.Namespace) -> int:
    if options.cloud:
        _refuse_of_pods(options)
        return _of_node(options)
    if options.json:
        raise CommandError("--json is for the log lines of a node: name its cloud with --cloud HOST")
    return _of_pod(options)


def _refuse_of_pods(options: argparse.Namespace) -> None:
    given = (options.follow, options.container, options.previous, options.timestamps)
    if any(given) or (options.tail, options.since) != (None, None):
        raise CommandError("-f, -c, -p, --tail, --since and --timestamps are for pods: leave them out for a node")


def _of_pod(options: argparse.Namespace) -> int:
    door = HubDoor(options.state_dir)
    try:
        errand = Log(device_id(options.name), options.container, int(options.previous))
    except argparse.ArgumentTypeError as error:
        raise CommandError(str(error)) from None
    found = door.ask(errand, LogFile)
    errand = msgspec.structs.replace(errand, container=found.container)

    written = Path(found.path)

    def current() -> Path | None:
        nonlocal written
        try:
            seen = door.ask(errand, LogFile)
        except NoSuchPod:
            return None
        except CommandError:
            return written  # between two containers, or the hub is away: what is written is shown on
        written = Path(seen.path)
        return None if seen.ended else written

    _show(follow(written, current if options.follow else None), options)
    return 0


def _show(entries: Iterator[Entry | None], options: argparse.Namespace) -> None:
    if options.since is not None:
        entries = since(entries, options.since / 1000)
    if options.tail is not None:
        entries = last(entries, options.tail)
    for entry in stamped(entries) if options.timestamps else entries:
        if entry:
            sys.stdout.buffer.write(entry.text)
        if not entry or options.follow:
            sys.stdout.buffer.flush()


def _lines(text: str) -> int:
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


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
