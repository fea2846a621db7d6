"""Set the desired value of a property. The hub (with --cloud the cloud) keeps the wish until it is met or replaced.

examples:
  twinhub set pump speed-set-point 1450           returns when the hub has the wish safe
  twinhub set pump speed-set-point 1450 --wait    returns when the device reports that value
  twinhub set boiler burner false --wait --timeout 30
  twinhub set pump speed-set-point 1450 --cloud HOST --wait     wherever the pump's edge is

Exit codes: 0 accepted (with --wait: met), 1 refused or not met in time, 2 usage.
"""

from __future__ import annotations

import argparse
from difflib import get_close_matches

import msgspec

from eventbus import topics
from twin.documents import MsgTwin, TwinDocument
from twinhub.broker_option import add_broker_option, connect
from twinhub.client import TwinClient, decode
from twinhub.cloud_option import add_cloud_option, connect_cloud
from twinhub.cloud_set import wish
from twinhub.errors import CommandError
from twinhub.twin_rows import device_id, is_met

_NOTHING = TwinDocument("", 0, {})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", type=device_id, metavar="DEVICE", help="[NAMESPACE/]NAME")
    parser.add_argument("property", metavar="PROPERTY")
    parser.add_argument("value", metavar="VALUE")
    parser.add_argument("--wait", action="store_true", help="wait until the device reports the value")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    add_broker_option(parser, "longest wait for the hub and, with --wait, for the device (default 5)")
    cloud = parser.add_argument_group("through a cloud")
    add_cloud_option(cloud, "set it in this cloud instead of a hub; port 10002 unless it is named")


def run(options: argparse.Namespace) -> int:
    device, name, value = options.device, options.property, options.value
    met = _in_the_cloud(options) if options.cloud else _in_the_hub(options)
    if options.json:
        print(msgspec.json.encode({"device": device, "property": name, "desired": value, "met": met}).decode())
    if met is False:
        raise CommandError(
            f"{device} has not reported {name} = {value} within {options.timeout:g} s;"
            f" the wish stays, `twinhub get {_shown(options)}` shows it"
        )
    return 0


def _in_the_cloud(options: argparse.Namespace) -> bool | None:
    wait = options.timeout if options.wait else None
    with connect_cloud(options) as client:
        return wish(client, options.device, options.property, options.value, wait)


def _in_the_hub(options: argparse.Namespace) -> bool | None:
    device, name = options.device, options.property
    with connect(options) as client:
        _check_property(name, device, client.twin(device))
        client.subscribe([topics.of_device(device, topics.TWIN_DOCUMENT)])
        client.wish(device, {name: options.value})
        return _is_met(client, options) if options.wait else None


def _shown(options: argparse.Namespace) -> str:
    """The words after `twinhub get` that show the device."""
    return f"twins {options.device} --cloud {options.cloud}" if options.cloud else str(options.device)


def _check_property(name: str, device: str, twin: dict[str, MsgTwin]) -> None:
    if twin and name not in twin:
        near = get_close_matches(name, twin, n=1)
        advice = f"did you mean {near[0]}?" if near else f"`twinhub get {device}` lists what it has"
        raise CommandError(f"{device} has no property {name}; {advice}")


def _is_met(client: TwinClient, options: argparse.Namespace) -> bool:
    """Whether the device reports the value, now or before the time is over."""
    name, value = options.property, options.value
    if is_met(value, _reported(client.twin(options.device).get(name))):
        return True
    for message in client.messages(options.timeout):
        change = decode(message.payload, TwinDocument, _NOTHING).twin.get(name)
        if change is not None and is_met(value, _reported(change.current)):
            return True
    return False


def _reported(twin: MsgTwin | None) -> str | None:
    return twin.actual.value if twin is not None and twin.actual is not None else None
