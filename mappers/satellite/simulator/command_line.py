"""The command that flies the satellite."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mappers.satellite.dictionary import APID, PORT
from mappers.satellite.elements import CBERS_2, of_file
from mappers.satellite.orbit import Orbit
from mappers.satellite.simulator.faults import KNOWN, STUCK, Fault

__all__ = ["main"]

DESCRIPTION = """\
A simulated imaging satellite whose bus speaks space packets (CCSDS, ECSS PUS-C) over TCP: housekeeping out,
telecommands in. The same seed gives the same flight, at any speed."""
FAULTS = KNOWN | {f"{STUCK}PARAMETER": "the sensor sticks at VALUE, or as it is"}
EPILOG = "\n".join([
    "faults, each NAME[=VALUE][@SECONDS of on-board time after the start]:",
    *(f"  {name:<20} {what}" for name, what in FAULTS.items()),
    "",
    "On standard input, a line with a fault breaks it now; `clear NAME` and `clear all` mend.",
])  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Fly until told to end. 1 when it cannot be started."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="satellite simulator: %(message)s", stream=sys.stderr)
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_fly(options))
    except ImportError as error:
        return _sorry(f"needs the package {error.name}: pip install 'twinhub[satellite]'")
    except (OSError, ValueError, RuntimeError) as error:
        return _sorry(str(error))
    return 0


def _sorry(why: str) -> int:
    print(f"satellite simulator: {why}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "mappers.satellite.simulator",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=int, default=PORT, help="0: any that is free (default %(default)s)")
    add("--apid", type=int, default=APID, help="application on board (default %(default)s)")
    add("--elements", type=Path, metavar="FILE", help="two lines of orbital elements (default CBERS-2)")
    add("--epoch", type=_epoch, metavar="TIME", help="on-board time at the start, ISO 8601 or `now` "
        "(default the epoch of the elements)")  # fmt: skip
    add("--seed", type=int, default=0, help="of the noise (default %(default)s)")
    add("--speed", type=_positive, default=1.0, help="on-board seconds in a second (default %(default)g)")
    add("--every", type=_positive, default=1.0, help="seconds between reports (default %(default)g)")
    add("--fault", type=_fault, action="append", default=[], metavar="FAULT", help="see below; may be repeated")
    return parser


async def _fly(options: argparse.Namespace) -> None:
    from mappers.satellite.simulator.on_board_software import OnBoardSoftware  # noqa: PLC0415 - needs spacepackets
    from mappers.satellite.simulator.orders import orders  # noqa: PLC0415
    from mappers.satellite.simulator.server import SatelliteServer  # noqa: PLC0415
    from mappers.satellite.simulator.spacecraft import Spacecraft  # noqa: PLC0415

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    orbit = Orbit.of(*(CBERS_2 if options.elements is None else of_file(options.elements)))
    spacecraft = Spacecraft(orbit, orbit.epoch if options.epoch is None else options.epoch, options.seed)
    for fault in options.fault:
        spacecraft.plan(fault)
    software = OnBoardSoftware(spacecraft, options.apid, options.seed)
    server = SatelliteServer(software, options.host, options.port, speed=options.speed, every=options.every)
    async with server:
        print(f"a satellite on {server.host}:{server.port}, apid {options.apid}", flush=True)
        with orders(spacecraft):
            await server.wait()


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
