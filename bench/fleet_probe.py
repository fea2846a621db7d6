"""What arrives from a fleet of `modbus_fleet`: tags per second and the true age of each value.

    python -m bench.fleet_probe --broker 127.0.0.1:1883 --devices 500 --step-ms 2 --seconds 10

It says "ready" when it listens, and then reads one line: the processes to measure, as `hub=123 broker=456`.
It follows the hub's results on MQTT: a value seen there was read, judged, stored durably and published. Tag t007 is
register 7; its slave wrote the clock into it when it answered, so now minus that is how old the value is by the time
an application has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from array import array
from collections import Counter
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
import uvloop

from bench.mqtt_client import Client
from bench.processes import Cost, Meter, parse_pids

FILTER = "$hw/events/device/default/+/twin/update/result"
WRAP = 1 << 16
_DEVICE = re.compile(rb"/fleet-(\d+)/")


class Side(msgspec.Struct):
    value: str | None = None


class Twin(msgspec.Struct):
    actual: Side | None = None


class Result(msgspec.Struct):
    twin: dict[str, Twin] = {}


@dataclass
class Report:
    """`first` and `all` are Unix times: of the first value of any device, and when every device had one (0: never).

    The rest was seen in the measured seconds after that.
    """

    first: float = 0.0
    all: float = 0.0
    devices: int = 0
    tags_per_second: float = 0.0
    updates_per_second: float = 0.0
    age_p50_ms: float = 0.0
    age_p99_ms: float = 0.0
    age_max_ms: float = 0.0
    slowest_device_tags_per_second: float = 0.0
    costs: dict[str, Cost] = field(default_factory=dict)


class Probe:
    """`run` it once."""

    def __init__(self, devices: int, step_ms: int) -> None:
        self._devices, self._step_ms = devices, step_ms
        self._decode = msgspec.json.Decoder(Result).decode
        self._numbers: dict[str, int] = {}
        self._report = Report()
        self._first_seen = set[int]()
        self._complete = asyncio.Event()
        self._measuring = False
        self._updates = 0
        self._tags = Counter[int]()
        self._ages = array("L")

    async def run(self, host: str, port: int, *, wait: float, settle: float, seconds: float) -> Report:
        """Wait for all devices at most `wait` s, then `settle` s, then measure."""
        async with await Client.connect(host, port, "bench-fleet-probe", self._on_message) as client:
            await client.subscribe([FILTER], 0)
            print("ready", flush=True)
            words = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            meter = Meter({"probe": os.getpid()} | parse_pids(words.split()))
            await _at_most(wait, self._complete.wait())
            await client.stay(settle)
            self._measuring = True
            meter.start()
            start = time.perf_counter()
            await client.stay(seconds)
            self._note(time.perf_counter() - start)
            self._report.costs = meter.stop()
        return self._report

    def _on_message(self, topic: bytes, payload: bytes) -> None:
        now = time.time()
        match = _DEVICE.search(topic)
        if not match:
            return
        device = int(match[1])
        twin = self._decode(payload).twin
        if not self._complete.is_set() and any(t.actual and t.actual.value for t in twin.values()):
            self._arrive(device, now)
        if self._measuring:
            self._count(device, twin, now)

    def _arrive(self, device: int, now: float) -> None:
        self._report.first = self._report.first or now
        self._first_seen.add(device)
        if len(self._first_seen) == self._devices:
            self._report.all = now
            self._complete.set()

    def _count(self, device: int, twin: dict[str, Twin], now: float) -> None:
        counter = int(now * 1000) // self._step_ms
        self._updates += 1
        for name, tag in twin.items():
            if tag.actual and tag.actual.value:
                self._tags[device] += 1
                self._ages.append((counter + self._number(name) - int(tag.actual.value)) % WRAP)

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = int(name[1:])
        return number

    def _note(self, seconds: float) -> None:
        report, ages = self._report, sorted(self._ages)
        report.devices = len(self._tags)
        report.tags_per_second = round(self._tags.total() / seconds, 1)
        report.updates_per_second = round(self._updates / seconds, 1)
        report.slowest_device_tags_per_second = round(min(self._tags.values(), default=0) / seconds, 1)
        if ages:
            report.age_p50_ms, report.age_p99_ms, report.age_max_ms = (
                float(age * self._step_ms) for age in (ages[len(ages) // 2], ages[len(ages) * 99 // 100], ages[-1])
            )


async def _at_most(seconds: float, waiting: Coroutine[Any, Any, object]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await waiting
    except TimeoutError:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    parser.add_argument("--devices", type=int, default=500, help="how many are awaited before measuring")
    parser.add_argument("--step-ms", type=int, default=2, help="the fleet's own")
    parser.add_argument("--wait", type=float, default=60)
    parser.add_argument("--settle", type=float, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    host, port = options.broker.rsplit(":", 1)
    times = {"wait": options.wait, "settle": options.settle, "seconds": options.seconds}

    async def measure() -> Report:
        return await Probe(options.devices, options.step_ms).run(host, int(port), **times)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(measure()))))


if __name__ == "__main__":
    main()
