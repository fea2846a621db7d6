"""Run a command in a pod of the hub on this machine.

examples:
  twinhub exec web -- ls /data
  twinhub exec web -c sidecar -- sh -c 'echo $HOSTNAME'
  twinhub exec -i web -- sh -c 'cat > /data/plan' < plan
  twinhub exec -it web -- sh

Its outputs come as they are written, each to our own. When this command is ended, so is the one in the pod.
Exit codes: 0 or another, as the command ends; 1 also when there is no such pod or it does not run, 2 usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack

from edged.errands import Exec
from twinhub import terminal
from twinhub.conversation import Conversation
from twinhub.errors import CommandError
from twinhub.hub_door import HubDoor, add_state_option
from twinhub.twin_rows import device_id

LONGEST = 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", type=device_id, metavar="POD", help="[NAMESPACE/]NAME")
    parser.add_argument("-i", "--stdin", action="store_true", help="pass on our input")
    parser.add_argument("-t", "--tty", action="store_true", help="on a terminal: with ours, mostly with -i")
    parser.add_argument("-c", "--container", default="", metavar="CONTAINER", help="which one (default: the first)")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="how long it may take (default: no limit)")
    add_state_option(parser)
    parser.add_argument("command", nargs="+", metavar="CMD", help="behind --: the command and its arguments")


def run(options: argparse.Namespace) -> int:
    if options.timeout is not None and not 0 < options.timeout <= LONGEST:
        raise CommandError(f"--timeout is a number of seconds above 0, up to {LONGEST:.0f}")
    if options.tty and options.stdin and not os.isatty(0):
        raise CommandError("-t with -i needs a terminal, and the input is none: leave -t out")
    errand = Exec(
        options.pod,
        tuple(options.command),
        options.container,
        options.timeout,
        stdin=options.stdin,
        terminal=terminal.size() if options.tty else None,
    )
    with terminal.ended_by_signals(), ExitStack() as stack:
        wire = stack.enter_context(HubDoor(options.state_dir).begin(errand))
        resized = stack.enter_context(terminal.resized()) if options.tty else None
        if options.tty and options.stdin:
            stack.enter_context(terminal.raw())
        end = Conversation(wire, stdin=options.stdin).last(resized, terminal.size)
    if end.reason:
        print(f"twinhub: {end.reason}", file=sys.stderr)
    return end.exit_code
