"""What is heard on a bus, as manifests: the parameters that the dictionary knows; of the rest, where it lies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from mappers.mapper import CannotDiscover, Discovery, LinkLost
from mappers.satellite.bus import open_bus
from mappers.satellite.dictionary import HOUSEKEEPING, PORT, STRUCTURE_BYTES, STRUCTURES, Parameter
from mappers.satellite.packets import LONGEST, Telemetry, header_of, read_telemetry

__all__ = ["discover"]

PATIENCE = 5.0
"""Seconds to connect."""
LISTENED = 3.0
"""Seconds for which a bus is listened to, unless `silence` says otherwise."""
MOST_KINDS = 200
"""Kinds of packets that are told apart."""

_Kind = tuple[int, int, int, int]
"""Application, service, subservice, and the structure or whatever the data begin with."""


async def discover(target: str, options: Mapping[str, str]) -> Discovery:
    """Listen at `host[:port]`. Options: `silence`, the seconds to listen."""
    host, colon, port = target.rpartition(":") if ":" in target else (target, "", "")
    if not host:
        raise CannotDiscover("say where the satellite's bus is heard: twinhub discover satellite HOST:PORT")
    if colon and not port.isdigit():
        raise ValueError(f"{port!r} in {target} is no port")
    try:
        seconds = float(options.get("silence", LISTENED))
    except ValueError:
        raise ValueError(f"silence is {options['silence']!r}, and must be a number of seconds") from None
    number = int(port or PORT)
    kinds = await _listen(host, number, min(seconds, 3600.0))
    if not kinds:
        raise LinkLost(f"no telemetry within {seconds:g} s; -o silence=SECONDS listens longer")
    return _declare(host, number, kinds)


async def _listen(host: str, port: int, seconds: float) -> dict[_Kind, int]:
    """The kinds of packets, with the bytes of data they have."""
    kinds: dict[_Kind, int] = {}
    async with asyncio.timeout(PATIENCE):
        bus = await open_bus(host, port, LONGEST, lambda packets: _hear(packets, kinds))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                reason = await bus.listen()
                if not kinds:
                    raise LinkLost(reason)
    finally:
        bus.close()
    return kinds


def _hear(packets: Iterable[bytes], kinds: dict[_Kind, int]) -> None:
    for packet in packets:
        try:
            telemetry = read_telemetry(packet)
        except ValueError:
            continue
        if telemetry is not None and len(kinds) < MOST_KINDS:
            kinds.setdefault(_kind(header_of(packet).apid, telemetry), len(telemetry.data))


def _kind(apid: int, telemetry: Telemetry) -> _Kind:
    begins = telemetry.data[:STRUCTURE_BYTES] if (telemetry.service, telemetry.subservice) == HOUSEKEEPING else b""
    return apid, telemetry.service, telemetry.subservice, int.from_bytes(begins, "big")


def _declare(host: str, port: int, kinds: Mapping[_Kind, int]) -> Discovery:
    manifests: list[Mapping[str, Any]] = []
    remarks: list[str] = []
    known: dict[int, set[int]] = {}
    for (apid, service, subservice, structure), size in sorted(kinds.items()):
        if (service, subservice) == HOUSEKEEPING and structure in STRUCTURES:
            known.setdefault(apid, set()).add(structure)
        else:
            remarks.append(_remark(apid, service, subservice, structure, size))
    for apid, structures in known.items():
        manifests += [_model(apid, structures), _device(apid, host, port)]
    return Discovery(manifests, remarks)


def _remark(apid: int, service: int, subservice: int, structure: int, size: int) -> str:
    of = f", structure {structure}" if (service, subservice) == HOUSEKEEPING else ""
    return (
        f"apid {apid} also sends TM[{service},{subservice}]{of} with {size} bytes of data: declare what is in it by"
        " service, subservice, structure, offset and format"
    )


def _model(apid: int, structures: Iterable[int]) -> dict[str, Any]:
    parameters = [each for structure in sorted(structures) for each in STRUCTURES[structure]]
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "DeviceModel",
        "metadata": {"name": f"satellite-{apid}"},
        "spec": {"protocol": "satellite", "properties": [_property(parameter) for parameter in parameters]},
    }


def _property(parameter: Parameter) -> dict[str, Any]:
    kind = "BOOLEAN" if parameter.truth else "FLOAT" if parameter.format == "float32" else "INT"
    declared: dict[str, Any] = {"name": parameter.name, "type": kind}
    if parameter.description:
        declared["description"] = parameter.description
    declared["accessMode"] = "ReadOnly" if parameter.command is None else "ReadWrite"
    if parameter.command is not None and not parameter.truth:
        declared |= {"minimum": str(parameter.command.minimum), "maximum": str(parameter.command.maximum)}
    if parameter.unit:
        declared["unit"] = parameter.unit
    return declared | {"visitors": {"protocolName": "satellite", "configData": {"parameter": parameter.name}}}


def _device(apid: int, host: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": f"satellite-{apid}"},
        "spec": {
            "deviceModelRef": {"name": f"satellite-{apid}"},
            "protocol": {
                "protocolName": "satellite",
                "configData": {"host": host, "port": port, "apid": apid},
            },
        },
    }
