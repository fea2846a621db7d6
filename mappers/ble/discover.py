"""What Bluetooth devices are near, and what one of them has, ready to be declared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mappers.ble.adapter import Adapter, Advertisement, Characteristic, Connection, adapter_named
from mappers.ble.assigned import ASSIGNED
from mappers.ble.uuids import full_uuid, short_uuid
from mappers.mapper import CannotDiscover, Discovery, LinkLost

LISTEN = 8.0
"""Seconds of listening for devices; many advertise every second, some every ten."""
CONNECT = 20.0
"""Seconds until a device is connected and its services are known."""
HOUSEKEEPING = full_uuid("1801")
"""The service in which devices and hosts agree about services; nothing in it is a property."""
MOST = 500
"""Devices that are listed."""
_ADDRESS = re.compile(r"([0-9A-F]{2}:){5}[0-9A-F]{2}")


async def discover(target: str, options: Mapping[str, str]) -> Discovery:
    """With an address, that device as manifests; without, who is there. Options: `adapter`, `seconds` to listen."""
    name = options.get("adapter", "hci0")
    wanted = target.strip().upper().replace("-", ":")
    if wanted and not _ADDRESS.fullmatch(wanted):
        raise CannotDiscover(
            f"{target} is no Bluetooth address such as F0:F1:F2:F3:F4:F5; leave it out to see who is near"
        )
    adapter = adapter_named(name)
    seen = _Seen(wanted)
    try:
        await adapter.open(seen.hear, seen.lost)
        await seen.wait(_seconds(options))
        if not wanted:
            return _list(seen.by_address.values(), name)
        await adapter.free(wanted)
        return await _describe(adapter, seen)
    finally:
        await adapter.close()


def _seconds(options: Mapping[str, str]) -> float:
    try:
        return float(options.get("seconds", LISTEN))
    except ValueError:
        raise CannotDiscover(f"seconds: {options['seconds']} is no number") from None


class _Seen:
    """Who was heard."""

    def __init__(self, wanted: str) -> None:
        self.by_address: dict[str, Advertisement] = {}
        self.wanted = wanted
        self._enough = asyncio.Event()
        self._reason = ""

    def hear(self, advertisement: Advertisement) -> None:
        address = advertisement.address
        known = self.by_address.get(address)
        if known is None and len(self.by_address) >= MOST:
            return
        if known is None or advertisement.name or not known.name:
            self.by_address[address] = advertisement
        if address == self.wanted:
            self._enough.set()

    def lost(self, reason: str) -> None:
        self._reason = reason
        self._enough.set()

    async def wait(self, seconds: float) -> None:
        """Until the wanted one is there, or the time is up."""
        try:
            async with asyncio.timeout(seconds):
                await self._enough.wait()
        except TimeoutError:
            if self.wanted:
                raise LinkLost(f"{self.wanted} was not heard for {seconds:g} s: is it on, and near?") from None
        if self._reason:
            raise LinkLost(self._reason)


def _list(seen: Any, adapter: str) -> Discovery:
    nearest = sorted(seen, key=lambda each: -each.rssi)
    lines = [_line(each) for each in nearest]
    option = "" if adapter == "hci0" else f" -o adapter={adapter}"
    advice = f"for manifests of one of them: twinhub discover ble ADDRESS{option}"
    return Discovery((), [*lines, advice] if lines else ["no device was heard"])


def _line(each: Advertisement) -> str:
    said = [f"manufacturerData {company:#06x}: {data.hex(' ')}" for company, data in each.manufacturer_data.items()]
    said += [f"serviceData {short_uuid(uuid)}: {data.hex(' ')}" for uuid, data in each.service_data.items()]
    return "  ".join([each.address, f"{each.rssi} dBm", each.name or "(no name)", *said])


async def _describe(adapter: Adapter, seen: _Seen) -> Discovery:
    advertisement = seen.by_address[seen.wanted]
    try:
        connection = await adapter.connect(advertisement, CONNECT, seen.lost)
    except TimeoutError:
        raise LinkLost(f"{seen.wanted} was heard, but did not connect within {CONNECT:g} s") from None
    try:
        return _manifests(connection, advertisement, adapter.name)
    finally:
        await connection.close()


def _manifests(connection: Connection, advertisement: Advertisement, adapter: str) -> Discovery:
    characteristics = [each for each in connection.characteristics if each.service != HOUSEKEEPING]
    properties: dict[str, Mapping[str, Any]] = {}
    for characteristic in characteristics:
        prop = _property(characteristic, characteristics)
        properties[_unique(prop["name"], properties)] = prop
    for name, prop in _advertised(advertisement).items():
        properties[_unique(name, properties)] = prop
    base = re.sub("[^a-z0-9]+", "-", advertisement.name.lower()).strip("-")
    base = base or f"ble-{advertisement.address.replace(':', '').lower()}"
    model = _object(
        "DeviceModel",
        f"{base}-model",
        {
            "protocol": "ble",
            "properties": [
                {key: value for key, value in prop.items() if key != "visitors"} | {"name": name}
                for name, prop in properties.items()
            ],
        },
    )
    device = _object(
        "Device",
        base,
        {
            "deviceModelRef": {"name": f"{base}-model"},
            "protocol": {
                "protocolName": "ble",
                "configData": {"macAddress": advertisement.address, "adapter": adapter},
            },
            "properties": [
                {"name": name, "visitors": {"protocolName": "ble", "configData": prop["visitors"]}}
                for name, prop in properties.items()
            ],
        },
    )
    return Discovery([model, device], _remarks(characteristics))


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "devices.kubeedge.io/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _unique(name: str, taken: Mapping[str, Any]) -> str:
    """Two batteries are `battery-level` and `battery-level-2`."""
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 2))]
    return next(each for each in names if each not in taken)


def _property(characteristic: Characteristic, others: Sequence[Characteristic]) -> dict[str, Any]:
    known = ASSIGNED.get(characteristic.uuid)
    short = short_uuid(characteristic.uuid)
    visitor: dict[str, Any] = {"characteristicUUID": short}
    if sum(1 for other in others if other.uuid == characteristic.uuid) > 1:
        visitor["serviceUUID"] = short_uuid(characteristic.service)
    if known is None:
        visitor["type"] = "bytes"
    writable = characteristic.writable and (known is None or known.encode is not None)
    return {
        "name": known.name if known else f"characteristic-{short[:8].lower()}",
        "type": known.type if known else "BYTES",
        "accessMode": "ReadWrite" if writable else "ReadOnly",
        **({"unit": known.unit} if known and known.unit else {}),
        "visitors": visitor,
    }


def _advertised(advertisement: Advertisement) -> dict[str, dict[str, Any]]:
    def heard(type_: str, **visitor: Any) -> dict[str, Any]:
        return {"type": type_, "accessMode": "ReadOnly", "visitors": visitor}

    found = {f"company-{company:04x}": heard("BYTES", manufacturerData=company, type="bytes")
             for company in advertisement.manufacturer_data}  # fmt: skip
    for uuid in advertisement.service_data:
        found[f"service-{short_uuid(uuid)[:8].lower()}"] = heard("BYTES", serviceData=short_uuid(uuid), type="bytes")
    return found | {"rssi": heard("INT", rssi=True) | {"unit": "dBm"}}


def _remarks(characteristics: Sequence[Characteristic]) -> list[str]:
    unknown = [short_uuid(each.uuid) for each in characteristics if each.uuid not in ASSIGNED]
    said = [f"{short_uuid(each.service)} {short_uuid(each.uuid)}: {', '.join(sorted(each.properties))}"
            for each in characteristics]  # fmt: skip
    if unknown:
        said.append(f"not known, declared as BYTES, write type: {', '.join(unknown)}")
    return said
