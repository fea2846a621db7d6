"""Instruments on pseudo terminals whose values are the clock, so that who receives one knows how old it is.

    python -m bench.serial_talker --count 100 --rate 10             five NMEA sentences, ten times a second, each
    python -m bench.serial_talker --count 50 --asked --silent 10    answer five columns; the last 10 do not

It prints the ports, a JSON array on one line, and talks until its input ends. Tag n, counted from 0, is the clock in
steps of `--step-ms` plus n, modulo 2**16; it is column n + 1, or the field of the sentence in KINDS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
import tty
from contextlib import suppress

from mappers.serial.checksum import xor_of

KINDS = {
    "GGA.9": "GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,{},M,46.9,M,,",
    "RMC.7": "GPRMC,123519,A,4807.038,N,01131.000,E,{},084.4,,,",
    "VTG.7": "GPVTG,054.7,T,034.4,M,005.5,N,{},K",
    "HDT.1": "GPHDT,{},T",
    "DPT.1": "SDDPT,{},0.5",
}
"""A field, and the sentence in which it is."""
WRAP = 1 << 16


class Talker:
    """One port."""

    def __init__(self, step_ms: int) -> None:
        self._inner, outer = os.openpty()  # the outer side stays open: nobody is hung up
        tty.setraw(outer)
        os.set_blocking(self._inner, False)
        self.port = os.ttyname(outer)
        self._step_ms = step_ms

    def say(self) -> None:
        """All five sentences."""
        sentences = []
        for kind, number in zip(KINDS.values(), self._numbers(), strict=True):
            sentence = kind.format(number).encode()
            sentences.append(b"$%b*%02X\r\n" % (sentence, xor_of(sentence)))
        self._write(b"".join(sentences))

    def answer(self) -> None:
        """To whatever was asked."""
        os.read(self._inner, 4096)
        self._write(",".join(map(str, self._numbers())).encode() + b"\r\n")

    def listen(self) -> None:
        """Answer from now on."""
        asyncio.get_running_loop().add_reader(self._inner, self.answer)

    def _numbers(self) -> list[int]:
        clock = int(time.time() * 1000) // self._step_ms
        return [(clock + n) % WRAP for n in range(len(KINDS))]

    def _write(self, data: bytes) -> None:
        with suppress(BlockingIOError):  # nobody listens yet
            os.write(self._inner, data)


async def _talk(talkers: list[Talker], rate: float) -> None:
    """Each at the rate, one after the other within the period."""
    loop = asyncio.get_running_loop()
    began, turn = loop.time(), 0
    while True:
        talkers[turn % len(talkers)].say()
        turn += 1
        await asyncio.sleep(began + turn / (rate * len(talkers)) - loop.time())


async def _live(options: argparse.Namespace) -> None:
    talkers = [Talker(options.step_ms) for _ in range(options.count)]
    print(json.dumps([talker.port for talker in talkers]), flush=True)
    talking = None
    if options.asked:
        for talker in talkers[: options.count - options.silent]:
            talker.listen()
    else:
        talking = asyncio.create_task(_talk(talkers, options.rate))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if talking is not None:
        talking.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10, help="Hz")
    parser.add_argument("--asked", action="store_true", help="answer instead of speaking by itself")
    parser.add_argument("--silent", type=int, default=0, help="so many do not answer")
    parser.add_argument("--step-ms", type=int, default=2)
    asyncio.run(_live(parser.parse_args()))


if __name__ == "__main__":
    main()
