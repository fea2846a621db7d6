"""Run a command in a pod of the hub on this machine, without input and without a terminal.

examples:
  twinhub exec web -- ls /data
  twinhub exec web -c sidecar -- sh -c 'echo $HOSTNAME'

Both outputs come together, at the end.
Exit codes: 0 it ended well, else the command's own; 1 also when there is no such pod or it does not run, 2 usage.
"""

from __future__ import annotations

import argparse
import sys

from edged.errands import Exec, Output
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor, add_state_option
from twinhub.twin_rows import device_id

LONGEST = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", type=device_id, metavar="POD", help="[NAMESPACE/]NAME")
    parser.add_argument("-c", "--container", default="", metavar="CONTAINER", help="which one (default: the first)")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="how long it may take (default 60)"
    )
    add_state_option(parser)
    parser.add_argument("command", nargs="+", metavar="CMD", help="behind --: the command and its arguments")


def run(options: argparse.Namespace) -> int:
    if not 0 < options.timeout <= LONGEST:
        raise CommandError(f"--timeout is a number of seconds above 0, up to {LONGEST:.0f}")
    errand = Exec(options.pod, tuple(options.command), options.container, options.timeout)
    done = HubDoor(options.state_dir).ask(errand, Output, within=options.timeout)
    sys.stdout.buffer.write(done.output)
    sys.stdout.buffer.flush()
    return done.exit_code
