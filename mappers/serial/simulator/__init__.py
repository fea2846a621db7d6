"""Simulated instruments at the far end of a line: a GNSS receiver, a balance, a binary sensor.

python -m mappers.serial.simulator gnss --rate 10
python -m mappers.serial.simulator balance --link /tmp/balance
python -m mappers.serial.simulator sensor --tcp 127.0.0.1:4001
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Callable, Sequence

from mappers.serial.simulator.balance import Balance
from mappers.serial.simulator.far_end import Instrument, pseudo_terminal, serve, tcp_server
from mappers.serial.simulator.gnss import Gnss
from mappers.serial.simulator.sensor import Sensor

INSTRUMENTS: dict[str, Callable[[float], Instrument]] = {"gnss": Gnss, "balance": Balance, "sensor": Sensor}
"""By name; each is made with how often it speaks, in Hz."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one until SIGINT or SIGTERM. Prints `<name> on <address>` when it is ready."""
    parser = argparse.ArgumentParser(
        "simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("instrument", choices=INSTRUMENTS)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--link", metavar="PATH", help="also call the pseudo terminal so")
    where.add_argument("--tcp", metavar="HOST:PORT", help="be a serial server; port 0: any free one")
    parser.add_argument("--rate", type=_rate, default=1.0, metavar="HZ", help="how often it speaks by itself (1)")
    options = parser.parse_args(arguments)
    asyncio.run(_run(options.instrument, options.rate, options.link, options.tcp))
    return 0


async def _run(name: str, rate: float, link: str | None, tcp: str | None) -> None:
    end = tcp_server(tcp) if tcp else pseudo_terminal(link)
    async with end as far_end:
        print(f"{name} on {far_end.address}", flush=True)
        serving = asyncio.create_task(serve(INSTRUMENTS[name](rate), far_end), name=name)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        await asyncio.gather(serving, return_exceptions=True)


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 < rate <= 100_000:
        raise argparse.ArgumentTypeError("write a rate in Hz, above 0")
    return rate
