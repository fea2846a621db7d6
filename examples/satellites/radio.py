"""The radio of one satellite: a cable to the cloud that is whole while a ground station sees the satellite.

    python radio.py edge/ --listen 11010 --to 127.0.0.1:10000

It hears the satellite's own time from its bus and computes from the elements and stations in the folder's manifest
where the satellite stands. Below MASK the cable is cut; above it carries what the distance allows.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import next_door  # noqa: F401
from cable import Cable, address

from mappers.configuration import points_of
from mappers.protocols import PROTOCOLS
from mappers.satellite.bus import open_bus
from mappers.satellite.config import SatelliteConfig
from mappers.satellite.contact import Contact, Contacts
from mappers.satellite.orbit import Orbit
from mappers.satellite.packets import read_telemetry
from mappers.satellite.stations import Station
from twinhub.errors import CommandError
from twinhub.manifests import good_devices

MASK = 7.0
"""Degrees above the horizon; a contact is declared a little higher, so that the link can be closed in time."""
PAUSE = 0.2
"""Seconds between two attempts to hear the satellite."""


def config_of(folder: Path) -> SatelliteConfig:
    """That of the satellite in this folder. Raises CommandError."""
    device = good_devices(folder)[0]
    config = points_of(PROTOCOLS[device.protocol].mapper, [device])[0].config
    assert isinstance(config, SatelliteConfig)
    return config


def skies(config: SatelliteConfig, mask: float | None = None) -> list[Contacts]:
    """The satellite over each of its stations, in contact from `mask` degrees (None: as declared)."""
    assert config.elements is not None
    orbit = Orbit.of(*config.elements)
    return [
        Contacts(
            orbit,
            Station(form.name, form.latitude, form.longitude, form.altitude),
            form.minimum_elevation if mask is None else mask,
            form.bits_at_1000_km,
        )
        for form in config.stations
    ]


class Radio:
    """Turns the cable by what the time on board is."""

    def __init__(self, cable: Cable, skies: Sequence[Contacts]) -> None:
        self._cable = cable
        self._skies = skies
        self._heard = ""
        """The station that hears the satellite."""

    def turn(self, time: float) -> None:
        """It is this Unix second on board."""
        seen = [(sky.at(time), sky.station.name) for sky in self._skies]
        contact, station = max(seen, key=lambda each: each[0].rate)
        if contact.in_contact:
            self._cable.throttle(contact.rate)
        if contact.in_contact != bool(self._heard):
            (self._cable.restore if contact.in_contact else self._cable.cut)()
            self._heard = station if contact.in_contact else ""
            print(f"radio: {_said(contact, self._heard)}", flush=True)


def _said(contact: Contact, station: str) -> str:
    if not station:
        return "nobody hears the satellite"
    return f"{station} hears the satellite, {contact.rate / 1e6:.2f} Mbit/s"


async def listen(config: SatelliteConfig, radio: Radio) -> None:
    """For ever."""

    def hear(packets: Iterable[bytes]) -> None:
        for packet in packets:
            telemetry = read_telemetry(packet, checksum=config.checksum)
            if telemetry and telemetry.time is not None:
                radio.turn(telemetry.time / 1000)

    while True:
        with suppress(OSError):
            bus = await open_bus(config.host, config.port, config.longest_packet, hear)
            try:
                await bus.listen()
            finally:
                bus.close()
        await asyncio.sleep(PAUSE)


async def serve(folder: Path, port: int, target: tuple[str, int]) -> None:
    """Until cancelled."""
    config = config_of(folder)
    async with Cable(target, port) as cable:
        cable.cut()
        print(f"radio: from 127.0.0.1:{cable.port} to {target[0]}:{target[1]}", flush=True)
        await listen(config, Radio(cable, skies(config, MASK)))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="manifests of one satellite")
    parser.add_argument("--listen", type=int, default=0, metavar="PORT", help="port of 127.0.0.1 (default: any)")
    parser.add_argument("--to", type=address, required=True, metavar="HOST:PORT", help="where the cable leads")
    options = parser.parse_args()
    task = asyncio.create_task(serve(options.folder, options.listen, options.to), name="radio")
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
    except OSError as error:
        sys.exit(f"radio: cannot listen on port {options.listen}: {error.strerror}; choose another with --listen")
    except CommandError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    asyncio.run(main())
