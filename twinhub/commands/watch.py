"""Follow twins as they change: a live table on a terminal, one line per change elsewhere.

examples:
  twinhub watch                  every device, as a table that is redrawn in place
  twinhub watch pump             one device
  twinhub watch --lines          one line per change, also on a terminal
  twinhub watch --json           one JSON object per change, for scripts
  twinhub watch --seconds 10     stop after ten seconds

Ctrl-C ends it. An arrow before a desired value marks a wish that the device has not met yet.
Exit codes: 0 the time was over, 1 no hub or the connection was lost, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time

import msgspec

from twinhub.broker_option import add_broker_option, connect
from twinhub.client import TwinClient
from twinhub.screen import Screen
from twinhub.text import printable
from twinhub.twin_rows import device_id, row
from twinhub.view import Change, View, filters

REDRAW = 0.25
"""Seconds between two drawings of the table."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", type=device_id, metavar="DEVICE", help="[NAMESPACE/]NAME (default: all)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--lines", action="store_true", help="one line per change")
    form.add_argument("--json", action="store_true", help="one JSON object per change")
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after so long (default: never)")
    add_broker_option(parser)


def run(options: argparse.Namespace) -> int:
    view = View()
    with connect(options) as client:
        client.subscribe(filters(options.device))
        for device in [options.device] if options.device else [known.id for known in client.devices()]:
            view.put(device, client.twin(device))
        if options.lines or options.json or not sys.stdout.isatty():
            _print_changes(client, view, options)
        else:
            _draw(client, view, options.seconds)
    return 0


def _draw(client: TwinClient, view: View, seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    screen = Screen(sys.stdout)
    while end is None or time.monotonic() < end:
        screen.draw(view.lines(time.time()))
        for message in client.messages(REDRAW):
            view.feed(message)


def _print_changes(client: TwinClient, view: View, options: argparse.Namespace) -> None:
    show = _json_line if options.json else _text_line
    for device, twin in view.twins.items():
        for name, shown in twin.items():
            print(show(Change(device, name, shown)))
    sys.stdout.flush()
    for message in client.messages(options.seconds):
        for change in view.feed(message):
            print(show(change), flush=True)


def _text_line(change: Change) -> str:
    clock = time.strftime("%H:%M:%S")
    if change.twin is None:
        return f"{clock}  {change.device}  {change.name}  deleted"
    name, value, unit, desired, quality, _ = row(change.name, change.twin, time.time())
    reading = f"{value} {unit}".rstrip()
    wish = f"  desired {desired}" if desired else ""
    return f"{clock}  {change.device}  {name}  {printable(reading)}  {quality}{printable(wish)}"


def _json_line(change: Change) -> str:
    shown = {} if change.twin is None else msgspec.to_builtins(change.twin)
    return msgspec.json.encode({"device": change.device, "property": change.name, **shown}).decode()
