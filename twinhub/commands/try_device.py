"""Read a device once and show what came: raw values, their meaning, and every other reading of them side by side.

examples:
  twinhub try pump --dir plant/          every property of default/pump, as the manifests in plant/ declare it
  twinhub try line-2/pump speed          one property; the manifests are here
  twinhub try pump --json                for scripts

Nothing is published, and no hub need run. Where a number looks odd, one of the other readings is often the right one:
write its type and byte order into the manifest.
Exit codes: 0 every property was read, 1 one was not or the device does not answer, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec

from device_models import Device
from device_models.problem import suggestion
from mappers.mapper import LinkLost
from mappers.probe import Probed, probe
from twinhub.errors import CommandError
from twinhub.manifests import device_in
from twinhub.text import columns, printable
from twinhub.twin_rows import device_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("device", type=device_id, metavar="DEVICE", help="[NAMESPACE/]NAME")
    parser.add_argument("property", nargs="?", metavar="PROPERTY", help="default: all")
    parser.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="the manifests (default: here)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    device = _only(device_in(options.dir, options.device), options.property)
    try:
        found = asyncio.run(probe(device))
    except LinkLost as error:
        raise CommandError(f"{device.id} cannot be reached: {error}") from None
    if options.json:
        print(msgspec.json.encode([row._asdict() for row in found]).decode())
    else:
        _print(device, found)
    return 0 if all(row.value is not None for row in found) else 1


def _only(device: Device, name: str | None) -> Device:
    """The device, with one property where one is named."""
    if name is None:
        return device
    found = device.property(name)
    if found is None:
        names = [prop.name for prop in device.properties]
        raise CommandError(f"{device.id} has no property {name}; {suggestion(name, names)}")
    return replace(device, properties=(found,))


def _print(device: Device, found: list[Probed]) -> None:
    for row in found:
        print(f"{row.property}: {_value(device, row)}    ({row.where}, raw {printable(row.raw) or 'nothing'})")
        for line in _decodings(row):
            print(f"    {line}")


def _value(device: Device, row: Probed) -> str:
    declared = device.property(row.property)
    if row.value is None:
        return f"{row.quality}: {row.reason}"
    shown = f"{printable(row.value)} {declared.unit if declared else ''}".rstrip()
    return f"{shown}, {row.quality}: {row.reason}" if row.reason else shown


def _decodings(row: Probed) -> list[str]:
    """Decodings called `TYPE ORDER` as a table, types down and orders across; the others a line each."""
    alone = {name: text for name, text in row.decodings.items() if " " not in name}
    lines = [f"{name}  {printable(text)}" for name, text in alone.items()]
    pairs = {tuple(name.split(" ", 1)): text for name, text in row.decodings.items() if name not in alone}
    if pairs:
        types, orders = (tuple(dict.fromkeys(pair[i] for pair in pairs)) for i in (0, 1))
        cells = [(kind, *(pairs.get((kind, order), "") for order in orders)) for kind in types]
        lines += columns(("", *orders), cells, orders)
    return lines
