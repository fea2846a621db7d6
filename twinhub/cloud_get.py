"""`twinhub get nodes|devices|twins|pods|configmaps|secrets --cloud`: what a cloud knows, as tables or as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

import msgspec

from cloud_sync.api_forms import Reading, Source, Twin
from twinhub.cloud_client import CloudClient
from twinhub.cloud_pod_rows import pod_table, source_table
from twinhub.cloud_rows import device_table, node_table, reading_table, twin_lines
from twinhub.errors import CommandError
from twinhub.text import columns, printable
from twinhub.twin_rows import HEADER, RIGHT, device_id, row

__all__ = ["KINDS", "show"]


def show(client: CloudClient, options: argparse.Namespace) -> None:
    """Print what is asked for."""
    kind, name = options.device, options.property
    if kind not in KINDS:
        raise CommandError(f"write what to get from the cloud: twinhub get {'|'.join(KINDS)} [NAME] --cloud HOST")
    history = options.since is not None or options.at is not None
    if (history or options.of) and (kind != "twins" or name is None):
        raise CommandError("--property, --since and --at are for one twin: twinhub get twins NAME --property NAME")
    if history and not options.of:
        raise CommandError("say of which property with --property NAME")
    KINDS[kind](client, name, options)


def _nodes(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    nodes = [node for node in client.nodes() if name in (None, node.name)]
    if name is not None and not nodes:
        raise CommandError(f"the cloud knows no node {name}; `twinhub get nodes` lists those it knows")
    if options.json:
        _print_json(nodes)
    else:
        _print(node_table(nodes, time.time()), nodes, "the cloud knows no nodes; `twinhub token NODE` lets one join")


def _devices(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    wanted = device_id(name) if name is not None else None
    devices = [device for device in client.devices() if wanted in (None, device.id)]
    if wanted is not None and not devices:
        raise CommandError(f"the cloud knows no device {wanted}; `twinhub get devices` lists those it knows")
    if options.json:
        _print_json(devices)
    else:
        none = "the cloud knows no devices; declare some with `twinhub apply -f FILE`"
        _print(device_table(devices, time.time()), devices, none)


def _pods(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    pods = list(client.pods()) if name is None else [client.pod(device_id(name))]
    if options.json:
        _print_json(pods)
    else:
        _print(
            pod_table(pods, time.time()), pods, "the cloud knows no pods; declare some with `twinhub apply -f FILE`"
        )


def _config_maps(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    _sources("configmap", client.sources("configmaps"), name, json=options.json)


def _secrets(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    _sources("secret", client.sources("secrets"), name, json=options.json)


def _sources(kind: str, known: Iterable[Source], name: str | None, *, json: bool) -> None:
    wanted = device_id(name) if name is not None else None
    sources = [one for one in known if wanted in (None, one.id)]
    if wanted is not None and not sources:
        raise CommandError(f"the cloud knows no {kind} {wanted}; `twinhub get {kind}s` lists those it knows")
    if json:
        _print_json(sources)
    else:
        none = f"the cloud knows no {kind}s; declare some with `twinhub apply -f FILE`"
        _print(source_table(kind.upper(), sources), sources, none)


def _twins(client: CloudClient, name: str | None, options: argparse.Namespace) -> None:
    if name is None:
        _all_twins(list(client.twins()), json=options.json)
    elif options.since is not None or options.at is not None:
        _history(client, device_id(name), options)
    elif options.of:
        _value(client.twin(device_id(name)), options.of, json=options.json)
    else:
        twin = client.twin(device_id(name))
        if options.json:
            _print_json(twin)
        else:
            print(*twin_lines(twin, time.time()), sep="\n")


def _all_twins(twins: Sequence[Twin], *, json: bool) -> None:
    if json:
        _print_json(twins)
        return
    now = time.time()
    rows = [(twin.device, *row(name, twin.twin[name], now)) for twin in twins for name in sorted(twin.twin)]
    _print(columns(("DEVICE", *HEADER), rows, RIGHT), rows, "nothing has been reported yet")


def _value(twin: Twin, name: str, *, json: bool) -> None:
    if name not in twin.twin:
        raise CommandError(
            f"{twin.device} has no property {name}; it has {', '.join(sorted(twin.twin)) or 'none yet'}"
        )
    actual = twin.twin[name].actual
    if json:
        _print_json({"device": twin.device, "property": name, **msgspec.to_builtins(twin.twin[name])})
    elif actual is None or actual.value is None:
        raise CommandError(f"{twin.device} has not reported {name} yet")
    else:
        print(printable(actual.value, longest=1 << 20))


def _history(client: CloudClient, device: str, options: argparse.Namespace) -> None:
    readings: Iterable[Reading]
    if options.at is not None:
        reading = client.at(device, options.of, options.at)
        if reading is None:
            raise CommandError(f"the cloud has no reading of {options.of} of {device} from that time or before")
        readings = [reading]
    else:
        readings = client.readings(device, options.of, since=options.since, until=int(time.time() * 1000) + 1)
    readings = list(readings)
    if options.json:
        _print_json(readings)
    else:
        _print(reading_table(readings), readings, f"{device} has not reported {options.of} since then")


def _print(lines: Sequence[str], entries: Sequence[object], otherwise: str) -> None:
    if entries:
        print(*lines, sep="\n")
    else:
        print(otherwise, file=sys.stderr)


def _print_json(thing: object) -> None:
    print(msgspec.json.encode(thing).decode())


KINDS = {
    "nodes": _nodes,
    "devices": _devices,
    "twins": _twins,
    "pods": _pods,
    "configmaps": _config_maps,
    "secrets": _secrets,
}
