"""Show the devices a running hub knows, the twin of one, or one value; or, with --cloud, what a cloud knows.

examples:
  twinhub get                          all devices and their state
  twinhub get pump                     the twin of default/pump: reported, desired, quality, age
  twinhub get line-2/pump speed        one value, alone on its line
  twinhub get pump --json | jq .twin   for scripts
  twinhub get pods                     all pods: ready, status, restarts, age

of a cloud:
  twinhub get nodes --cloud HOST       the edges, their links, and what waits for them
  twinhub get devices --cloud HOST     all devices: where they are, and what is wrong with any
  twinhub get twins pump --cloud HOST  one twin, with wishes that are open or lost
  twinhub get twins pump --cloud HOST --property speed --since 1h
  twinhub get twins pump --cloud HOST --property speed --at 2026-03-01T14:00
  twinhub get pods --cloud HOST        all pods and their nodes, and what is wrong with any
  twinhub get secrets --cloud HOST     who takes them; no value is shown; configmaps likewise

A device is named NAME (in the namespace default) or NAMESPACE/NAME.
Exit codes: 0 shown, 1 no hub, no such device or property, or a property without a value; 2 usage.
"""

from __future__ import annotations

import argparse
import sys
import time

import msgspec

from twin.documents import MemberDevice, MsgTwin
from twinhub import cloud_get
from twinhub.broker_option import add_broker_option, connect
from twinhub.client import TwinClient
from twinhub.cloud_option import add_cloud_option, connect_cloud
from twinhub.errors import CommandError
from twinhub.moments import moment
from twinhub.pod_view import POD_HEADER, POD_RIGHT, PodView, pod_row, pods
from twinhub.text import columns, printable
from twinhub.twin_rows import HEADER, RIGHT, device_id, row

PODS = "pods"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", nargs="?", type=_name, metavar="DEVICE", help="[NAMESPACE/]NAME, or pods")
    parser.add_argument("property", nargs="?", metavar="PROPERTY")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_broker_option(parser)
    cloud = parser.add_argument_group("of a cloud", "DEVICE is what to list, PROPERTY the name of one")
    add_cloud_option(cloud, "ask this cloud instead of a hub; port 10002 unless it is named")
    cloud.add_argument("--property", dest="of", metavar="PROPERTY", help="only this property of the twin")
    when = cloud.add_mutually_exclusive_group()
    when.add_argument(
        "--since", type=moment, metavar="TIME", help="its readings since then: 90s, 15min, 2h, 3d or a date"
    )
    when.add_argument("--at", type=moment, metavar="TIME", help="what it was then")


def run(options: argparse.Namespace) -> int:
    if options.cloud:
        with connect_cloud(options) as cloud:
            cloud_get.show(cloud, options)
        return 0
    if options.of or options.since is not None or options.at is not None:
        raise CommandError("--property, --since and --at ask a cloud: name it with --cloud HOST")
    with connect(options) as client:
        if options.device == PODS and options.property is None:
            _show_pods(pods(client), json=options.json)
            return 0
        if options.device is None:
            _show_devices(client.devices(), json=options.json)
            return 0
        device = device_id(options.device)
        if options.property is None:
            _show_twin(device, _twin(client, options.device), json=options.json)
        else:
            _show_property(device, options.property, client, json=options.json)
    return 0


def _name(text: str) -> str:
    """The text as it is, if it can name a device."""
    device_id(text)
    return text


def _twin(client: TwinClient, name: str) -> dict[str, MsgTwin]:
    try:
        return client.twin(device_id(name))
    except CommandError as error:
        if name in cloud_get.KINDS:
            raise CommandError(f"{error}; with --cloud HOST, {name} of a cloud are shown") from None
        raise


def _show_devices(devices: list[MemberDevice], *, json: bool) -> None:
    if json:
        _print_json(devices)
    elif devices:
        rows = [(device.id, device.state or "unknown", device.last_online, device.description) for device in devices]
        print(*columns(("DEVICE", "STATE", "LAST ONLINE", "DESCRIPTION"), rows), sep="\n")
    else:
        print("the hub knows no devices", file=sys.stderr)


def _show_pods(found: list[PodView], *, json: bool) -> None:
    if json:
        _print_json([{"pod": pod.id, **pod.values} for pod in found])
    elif found:
        print(*columns(POD_HEADER, [pod_row(pod, time.time()) for pod in found], POD_RIGHT), sep="\n")
    else:
        print("the hub knows no pods", file=sys.stderr)


def _show_twin(device: str, twin: dict[str, MsgTwin], *, json: bool) -> None:
    if json:
        _print_json({"device": device, "twin": twin})
        return
    rows = [row(name, twin[name], time.time()) for name in sorted(twin)]
    print(*columns(HEADER, rows, RIGHT), sep="\n")


def _show_property(device: str, name: str, client: TwinClient, *, json: bool) -> None:
    twin = client.twin(device)
    if name not in twin:
        raise CommandError(f"{device} has no property {name}; it has {', '.join(sorted(twin)) or 'none yet'}")
    actual = twin[name].actual
    if json:
        _print_json({"device": device, "property": name, **msgspec.to_builtins(twin[name])})
    elif actual is None or actual.value is None:
        raise CommandError(f"{device} has not reported {name} yet")
    else:
        print(printable(actual.value, longest=1 << 20))


def _print_json(thing: object) -> None:
    print(msgspec.json.encode(thing).decode())
