"""Which ports there are, and what is said on them: a few seconds of listening, recognised and declared.

Instruments that wait for a request cannot be recognised; nothing is ever sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from mappers.asking import words
from mappers.mapper import CannotDiscover, Discovery, LinkLost
from mappers.serial import spelling
from mappers.serial.config import SerialConfig
from mappers.serial.declaring import manifests
from mappers.serial.ports import PortInfo, plugged_in, stable_name
from mappers.serial.recognition import Recognised, recognise
from mappers.serial.wire import open_wire

LISTENED = 2.5
"""Seconds at each speed: most receivers speak once a second."""
SPEEDS = (9600, 4800, 115200, 38400, 19200, 57600)
"""Bauds that are tried where none is given."""
MOST_PORTS = 16
MOST_HEARD = 65536
"""Bytes that are kept of a port."""


class Heard(NamedTuple):
    """What came of listening at a port."""

    config: dict[str, Any]
    """`protocol.configData`"""
    recognised: Recognised | None
    remark: str


async def discover(target: str, options: Mapping[str, str]) -> Discovery:
    """Listen at a device file, a `usb:` name, `HOST:PORT`, or, without a target, at all ports."""
    options = spelling.CONFIG.tidy(options)
    if target:
        heard = [await _listen({**options, **_line_of(target)})]
        if heard[0].recognised is None:
            raise CannotDiscover(heard[0].remark)
    else:
        heard = await _listen_everywhere(plugged_in(), options)
    found = [manifest for each in heard for manifest in manifests(each.config, each.recognised)]
    return Discovery(found, [each.remark for each in heard])


async def _listen_everywhere(ports: Sequence[PortInfo], options: Mapping[str, Any]) -> list[Heard]:
    if not ports:
        raise CannotDiscover(
            "no serial port is plugged in here; for a serial server write its address:"
            " twinhub discover serial HOST:PORT"
        )
    lines = [{**options, "serialPort": stable_name(port)} for port in ports[:MOST_PORTS]]
    async with asyncio.TaskGroup() as tasks:
        listening = [tasks.create_task(_listen(line), name=line["serialPort"]) for line in lines]
    return [task.result() for task in listening]


def _line_of(target: str) -> dict[str, Any]:
    if target.startswith(("/", "usb:")):
        return {"serialPort": target}
    host, _, port = target.removeprefix("tcp://").rpartition(":")
    if not host or not port.isdigit():
        raise CannotDiscover(f"{target} is neither a device file, nor usb:VID:PID, nor HOST:PORT")
    return {"host": host, "port": port}


async def _listen(line: Mapping[str, Any]) -> Heard:
    name = line.get("serialPort") or f"{line['host']}:{line['port']}"
    speeds = [line["baudRate"]] if "baudRate" in line else ["9600"] if "host" in line else SPEEDS
    heard = b""
    for speed in speeds:
        config = _config({**line, "baudRate": speed})
        try:
            data = await _bytes_of(config)
        except (LinkLost, OSError) as error:
            return Heard(dict(line), None, f"{name}: {words(error)}")
        recognised = recognise(data)
        if recognised is not None:
            at = "" if config.host else f" at {speed} baud"
            declared = {**line, "framing": recognised.framing} | ({} if config.host else {"baudRate": int(speed)})
            return Heard(declared, recognised, f"{name}{at}: {recognised.what}")
        heard = data or heard
    return Heard(dict(line), None, f"{name}: {_nothing(heard)}")


def _nothing(heard: bytes) -> str:
    if heard:
        return f"{len(heard)} bytes that are neither NMEA nor lines of JSON or columns: {heard[:16].hex(' ')} …"
    return "nothing is said there; an instrument that waits to be asked has to be declared by its manual"


def _config(line: Mapping[str, Any]) -> SerialConfig:
    try:
        return msgspec.convert(spelling.CONFIG.tidy(line), SerialConfig, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


async def _bytes_of(config: SerialConfig) -> bytes:
    """What is said in a few seconds; less when that suffices to recognise it."""
    heard = bytearray()
    wire = await open_wire(config, lambda data: heard.extend(data[: MOST_HEARD - len(heard)]))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(LISTENED):
                reason = await asyncio.shield(wire.lost)
                if not heard:
                    raise LinkLost(reason)
    finally:
        wire.close()
    return bytes(heard)
