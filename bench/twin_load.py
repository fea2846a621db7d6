"""Closed-loop load: twin updates over MQTT, a fixed number of them under way, each matched with its result.

    python -m bench.twin_load --broker 127.0.0.1:1883 --devices 100 --properties 1 --inflight 64 --seconds 10

Device n is `default/load-<nnnn>` with the properties p0, p1, …; the hub must know the devices (an external mapper's).
Every update changes every property of its device to a number that only grows, so a lost, repeated or overtaken update
can be seen: results out of order are counted, and at the end `twin/get` must show what was acknowledged last.

With `--echo` the client subscribes to what it publishes, and so measures itself and the broker alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import time
from array import array
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import uvloop

from bench.mqtt_client import Client
from bench.processes import Cost, Meter, parse_pids

PREFIX = "$hw/events/device/"
TIMEOUT = 10.0
"""Seconds after which an update or a get counts as unanswered."""

_EVENT = re.compile(rb'"event_id"\s*:\s*"(\d+)"')
_CODE = re.compile(rb'"code"\s*:\s*(\d+)')
_clock = time.perf_counter


@dataclass(frozen=True)
class Load:
    """What is asked for."""

    devices: int = 100
    properties: int = 1
    inflight: int = 64
    seconds: float = 10.0
    warmup: float = 2.0
    qos: int = 1
    echo: bool = False


@dataclass
class Report:
    """What was seen. Rates and latencies are those after the warm-up, the rest counts everything."""

    updates_per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    sent: int = 0
    refused: int = 0
    unanswered: int = 0
    out_of_order: int = 0
    wrong_final: int = 0
    reasons: list[str] = field(default_factory=list)
    costs: dict[str, Cost] = field(default_factory=dict)


class Pending(NamedTuple):
    device: int
    sent_at: float


class Loop:
    """The loop itself: `run` it once."""

    def __init__(self, load: Load, meter: Meter) -> None:
        self._load, self._meter = load, meter
        self._ids = [f"default/load-{n:04}" for n in range(load.devices)]
        end = "twin/update/result" if load.echo else "twin/update"
        self._topics = [f"{PREFIX}{i}/{end}".encode() for i in self._ids]
        names = [f"p{n}" for n in range(load.properties)]
        twin = ",".join(f'"{name}":{{"actual":{{"value":"%d"}},"metadata":{{"type":"int"}}}}' for name in names)
        self._payload = f'{{"event_id":"%d","timestamp":%d,"twin":{{{twin}}}}}'
        self._pending: dict[int, Pending] = {}
        self._answered = [0] * load.devices
        """The number of the last update with a result, per device."""
        self._number = 0
        self._latencies = array("d")
        self._measuring = self._sending = False
        self._idle = asyncio.Event()
        self._gets: dict[int, int] = {}
        self._report = Report()

    async def run(self, host: str, port: int) -> Report:
        async with await Client.connect(host, port, "bench-twin-load", self._on_message) as client:
            self._client = client
            ends = ("twin/update/result", "twin/get/result")
            await client.subscribe([f"{PREFIX}default/+/{end}" for end in ends], self._load.qos)
            await self._load_phase()
            if not self._load.echo:
                await self._verify()
        return self._report

    async def _load_phase(self) -> None:
        self._sending = True
        for _ in range(self._load.inflight):
            self._send()
        await self._client.stay(self._load.warmup)
        self._meter.start()
        self._measuring, start = True, _clock()
        await self._client.stay(self._load.seconds)
        self._measuring, self._sending = False, False
        self._note_rate(_clock() - start)
        self._report.costs = self._meter.stop()
        await self._until_idle()
        self._report.sent = self._number
        self._report.unanswered = len(self._pending)
        self._pending.clear()

    async def _until_idle(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                while self._pending or self._gets:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return

    def _note_rate(self, seconds: float) -> None:
        times = sorted(self._latencies)
        if times:
            self._report.updates_per_second = round(len(times) / seconds, 1)
            self._report.p50_ms = round(times[len(times) // 2] * 1000, 2)
            self._report.p99_ms = round(times[len(times) * 99 // 100] * 1000, 2)
            self._report.max_ms = round(times[-1] * 1000, 2)

    def _send(self) -> None:
        self._number = number = self._number + 1
        device = number % self._load.devices
        values = (number,) * self._load.properties
        payload = self._payload % (number, int(time.time() * 1000), *values)
        self._pending[number] = Pending(device, _clock())
        self._client.publish(self._topics[device], payload.encode(), self._load.qos)

    # ---- results

    def _on_message(self, topic: bytes, payload: bytes) -> None:
        match = _EVENT.search(payload)
        if not match:
            return
        number = int(match[1])
        if topic.endswith(b"/get/result"):
            self._on_twin(number, payload)
        elif pending := self._pending.pop(number, None):
            self._on_result(number, pending, payload)
        if not self._pending and not self._gets:
            self._idle.set()

    def _on_result(self, number: int, pending: Pending, payload: bytes) -> None:
        if self._measuring:
            self._latencies.append(_clock() - pending.sent_at)
        if _CODE.search(payload):
            self._refused(payload)
        elif number < self._answered[pending.device]:
            self._report.out_of_order += 1
        else:
            self._answered[pending.device] = number
        if self._sending:
            self._send()

    def _refused(self, payload: bytes) -> None:
        self._report.refused += 1
        if len(self._report.reasons) < 3:
            self._report.reasons.append(payload.decode(errors="replace")[:300])

    # ---- the values that the hub must have now

    async def _verify(self) -> None:
        for device, device_id in enumerate(self._ids):
            self._gets[device] = self._answered[device]
            body = json.dumps({"event_id": str(device), "timestamp": int(time.time() * 1000)})
            self._client.publish(f"{PREFIX}{device_id}/twin/get".encode(), body.encode(), 1)
        await self._until_idle()
        self._report.wrong_final += len(self._gets)

    def _on_twin(self, device: int, payload: bytes) -> None:
        expected = self._gets.pop(device, None)
        twin = json.loads(payload).get("twin") or {}
        seen = {name: (entry.get("actual") or {}).get("value") for name, entry in twin.items()}
        wanted = {f"p{n}": str(expected) for n in range(self._load.properties)} if expected else {}
        if {name: seen.get(name) for name in wanted} != wanted:
            self._report.wrong_final += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--properties", type=int, default=1)
    parser.add_argument("--inflight", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warmup", type=float, default=2)
    parser.add_argument("--qos", type=int, choices=(0, 1), default=1)
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--pid", action="append", default=[], metavar="NAME=PID", help="measure this process, too")
    options = vars(parser.parse_args())
    host, port = options.pop("broker").rsplit(":", 1)
    meter = Meter({"client": os.getpid()} | parse_pids(options.pop("pid")))

    async def measure() -> Report:
        return await Loop(Load(**options), meter).run(host, int(port))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(measure()))))


if __name__ == "__main__":
    main()
