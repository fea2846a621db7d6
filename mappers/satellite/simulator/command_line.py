"""The command that flies the satellite."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mappers.satellite.dictionary import APID, PORT
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.elements import CBERS_2
from mappers.satellite.simulator.faults import KNOWN, STUCK, Fault

if TYPE_CHECKING:
    from mappers.satellite.simulator.spacecraft import Spacecraft

__all__ = ["main"]

STDIN = 0

DESCRIPTION = """\
A simulated imaging satellite whose bus speaks space packets (CCSDS, ECSS PUS-C) over TCP: housekeeping out,
telecommands in. The same seed gives the same flight, at any speed."""
FAULTS = "faults, each NAME[=VALUE][@SECONDS of on-board time after the start]:\n" + "\n".join(
    f"  {name:<20} {what}"
    for name, what in {**KNOWN, f"{STUCK}PARAMETER": "the sensor sticks at VALUE, or as it is"}.items()
)
ON_STDIN = "\n\nOn standard input, a line with a fault breaks it now, and `clear NAME` or `clear all` mends it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Fly until interrupted. Exit codes: 0 interrupted, 1 it cannot be started, 2 usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        asyncio.run(_fly(options))
    except KeyboardInterrupt:
        return 0
    except ImportError as error:
        print(f"the simulator needs the package {error.name}: pip install 'twinhub[satellite]'", file=sys.stderr)
        return 1
    except (OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="satellite simulator",
        description=DESCRIPTION,
        epilog=FAULTS + ON_STDIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen at, 0 for a free one (%(default)s)")
    parser.add_argument("--apid", type=int, default=APID, help="application on board (%(default)s)")
    parser.add_argument("--elements", type=Path, metavar="FILE", help="two lines of orbital elements (CBERS-2)")
    parser.add_argument("--epoch", type=_epoch, metavar="TIME", help="on-board time at the start, ISO 8601 or `now` "
                        "(the epoch of the elements)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the noise (%(default)s)")
    parser.add_argument("--speed", type=_positive, default=1.0, help="on-board seconds in a second (%(default)g)")
    parser.add_argument("--every", type=_positive, default=1.0, help="seconds between reports (%(default)g)")
    parser.add_argument("--fault", type=_fault, action="append", default=[], metavar="FAULT", help="see below")
    return parser


async def _fly(options: argparse.Namespace) -> None:
    from mappers.satellite.simulator.on_board_software import OnBoardSoftware  # noqa: PLC0415 - needs spacepackets
    from mappers.satellite.simulator.server import SatelliteServer  # noqa: PLC0415
    from mappers.satellite.simulator.spacecraft import Spacecraft  # noqa: PLC0415

    orbit = Orbit.of(*_elements(options.elements))
    epoch = orbit.epoch if options.epoch is None else options.epoch
    spacecraft = Spacecraft(orbit, epoch, options.seed)
    for fault in options.fault:
        spacecraft.plan(fault)
    software = OnBoardSoftware(spacecraft, options.apid, options.seed)
    server = SatelliteServer(software, options.host, options.port, speed=options.speed, every=options.every)
    with _orders(spacecraft):
        async with server:
            print(f"satellite {options.apid} on {server.host}:{server.port}", flush=True)
            await server.wait()


def _elements(file: Path | None) -> tuple[str, str]:
    if file is None:
        return CBERS_2
    lines = [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if len(lines) < 2:
        raise ValueError(f"{file} has no two lines of elements")
    return lines[-2], lines[-1]


@contextmanager
def _orders(spacecraft: Spacecraft) -> Iterator[None]:
    """Hear lines on standard input; a file there, or nothing, gives no orders."""
    loop = asyncio.get_running_loop()
    lines = _Lines(spacecraft)

    def hear() -> None:
        data = os.read(STDIN, 4096)
        if not data:
            loop.remove_reader(STDIN)
        lines.feed(data)

    try:
        loop.add_reader(STDIN, hear)
    except OSError:  # epoll takes no files
        yield
        return
    try:
        yield
    finally:
        loop.remove_reader(STDIN)


class _Lines:
    """Orders as they come."""

    def __init__(self, spacecraft: Spacecraft) -> None:
        self._spacecraft = spacecraft
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-1000:]
        for line in lines:
            try:
                self._obey(line.decode("utf-8", "replace").strip())
            except ValueError as error:
                print(error, file=sys.stderr)

    def _obey(self, line: str) -> None:
        if line.startswith("clear "):
            self._spacecraft.faults.clear(line.removeprefix("clear ").strip())
        elif line:
            self._spacecraft.plan(Fault.parse(line)._replace(after=0.0))


def _epoch(text: str) -> float:
    moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1,000,000")
    return value


def _fault(text: str) -> Fault:
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
