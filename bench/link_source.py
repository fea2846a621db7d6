"""An edge without MQTT: twins, journal and the link to a cloud, and changes as fast as those take them.

    python -m bench.link_source --identity DIR --state DIR --devices 100 --properties 1 --backlog 100000 --seconds 20

First it lets the cloud know its devices. Then it is away, while `--backlog` changes are made, each of another
property as long as there are any; it comes back, and how long the backlog takes is measured. Then, for `--seconds`,
it makes changes as fast as the cloud confirms them. Every change is durable here before it is sent, and counts when
the cloud has confirmed it. `values.json` in the state directory says at the end what the cloud must have.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import uvloop

from bench.processes import Cost, Meter, parse_pids
from device_models.load_objects import load_objects
from edgehub.declarations import Apply
from edgehub.edge_hub import EdgeHub
from edgehub.identity import Identity
from edgehub.settings import LinkSettings
from eventbus.hub_side import HubSide
from eventbus.transport import Message, Statistics
from twin.documents import MsgTwin, TwinValue
from twin.journal import Journal
from twin.keeper import Keeper
from twin.store import open_store
from twinhub.manifests import protocol_schemas

CHUNK = 200
"""Changes that share a commit, as they do on a busy bus."""
AHEAD = 8_000
"""Changes that may wait for the cloud while it is measured: what is not sent must not pile up."""
LOOK_EVERY = 0.005
"""Seconds between two looks at the outbox."""


@dataclass
class Report:
    """What was seen; seconds and changes a second."""

    made: int = 0
    folded: int = 0
    declared_seconds: float = 0.0
    """From the first connection until the cloud knew all devices and had the first change."""
    backlog: int = 0
    backlog_seconds: float = 0.0
    live_per_second: float = 0.0
    costs: dict[str, Cost] = field(default_factory=dict)
    """While it was live."""


class NoBus:
    """A transport that leads nowhere."""

    def __init__(self) -> None:
        self.on_messages: Callable[[Sequence[Message]], None] = lambda _: None
        self.on_up: Callable[[bool], None] = lambda _: None
        self.on_down: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        del topic, payload, qos, retain
        return True

    def acknowledge(self, receipts: Sequence[int]) -> None: ...
    async def subscribe(self, filters: Sequence[str]) -> None: ...
    async def unsubscribe(self, filters: Sequence[str]) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def statistics(self) -> Statistics:
        return Statistics(0, 0, 0, connected=True)


def objects(devices: int, properties: int) -> Iterator[dict[str, Any]]:
    """A model with the properties p0, p1, …, and devices `load-<nnnnn>` of it, as plain objects."""
    api, names = "devices.kubeedge.io/v1beta1", [f"p{n}" for n in range(properties)]
    declared = [{"name": name, "type": "INT", "accessMode": "ReadOnly"} for name in names]
    model = {"name": "load", "namespace": "default"}
    yield {
        "apiVersion": api,
        "kind": "DeviceModel",
        "metadata": model,
        "spec": {"protocol": "external", "properties": declared},
    }
    for n in range(devices):
        yield {
            "apiVersion": api,
            "kind": "Device",
            "metadata": {"name": f"load-{n:05}", "namespace": "default"},
            "spec": {
                "deviceModelRef": {"name": "load"},
                "protocol": {"protocolName": "external"},
                "properties": [{"name": name} for name in names],
            },
        }


class Source:
    """`run` it once."""

    def __init__(self, identity: Path, state: Path, devices: int, properties: int, meter: Meter) -> None:
        self._identity, self._state, self._meter = Identity(identity), state, meter
        self._protocols = protocol_schemas()
        declared = load_objects(objects(devices, properties), self._protocols)
        assert declared.ok, declared.problems[:3]
        self._documents, self._devices = declared.documents, list(declared.devices.values())
        names = [f"p{n}" for n in range(properties)]
        self._places = itertools.cycle([(d.id, name) for name in names for d in self._devices])
        self._values: dict[str, dict[str, str]] = {}
        self._report = Report()

    async def run(self, backlog: int, seconds: float) -> Report:
        async with AsyncExitStack() as stack:
            self._journal = await stack.enter_async_context(
                Journal(self._state / "journal.db", outbox_limit=max(100_000, 2 * backlog))
            )
            self._catalogue = await stack.enter_async_context(open_store(self._state / "catalogue.db"))
            self._keeper = Keeper(self._journal)
            self._keeper.declare(self._devices)
            self._hub_side = HubSide(NoBus(), self._keeper, self._journal, self._identity.node)
            began = time.perf_counter()
            async with self._link():
                await self._make(1)
                await self._until_confirmed()
            self._report.declared_seconds = time.perf_counter() - began
            await self._make(backlog)
            began = time.perf_counter()
            async with self._link():
                await self._until_confirmed()
                self._report.backlog, self._report.backlog_seconds = backlog, time.perf_counter() - began
                if seconds:
                    await self._live(seconds)
                await self._until_confirmed()
            self._report.folded = self._journal.folded
        (self._state / "values.json").write_text(json.dumps(self._values))
        return self._report

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[None]:
        async def apply(_: Sequence[object]) -> None:
            """The cloud declares nothing here."""

        link = EdgeHub(
            identity=self._identity,
            journal=self._journal,
            keeper=self._keeper,
            hub_side=self._hub_side,
            catalogue=self._catalogue,
            apply=Apply(apply, apply),
            protocols=self._protocols,
            settings=LinkSettings(),
        )
        await link.recall(self._documents)
        async with link:
            yield

    async def _live(self, seconds: float) -> None:
        self._meter.start()
        began, before = time.perf_counter(), self._confirmed()
        while time.perf_counter() < began + seconds:
            if self._journal.outbox_depth < AHEAD:
                await self._make(CHUNK)
            await asyncio.sleep(0 if self._journal.outbox_depth < AHEAD else LOOK_EVERY)
        self._report.live_per_second = (self._confirmed() - before) / (time.perf_counter() - began)
        self._report.costs = self._meter.stop()

    async def _make(self, count: int) -> None:
        """Durable when it returns."""
        for start in range(0, count, CHUNK):
            for device, name in itertools.islice(self._places, min(CHUNK, count - start)):
                self._report.made += 1
                value = str(self._report.made)
                self._keeper.update(device, {name: MsgTwin(actual=TwinValue(value))})
                self._values.setdefault(device, {})[name] = value
            await self._journal.flush()

    def _confirmed(self) -> int:
        return self._report.made - self._journal.outbox_depth

    async def _until_confirmed(self) -> None:
        while self._journal.outbox_depth:
            await asyncio.sleep(LOOK_EVERY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--identity", type=Path, required=True, metavar="DIR", help="of `twinhub join`")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--properties", type=int, default=1)
    parser.add_argument("--backlog", type=int, default=0, metavar="CHANGES")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pid", action="append", default=[], metavar="NAME=PID", help="measure this process, too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    meter = Meter({"edge": os.getpid()} | parse_pids(options.pid))
    source = Source(options.identity, options.state, options.devices, options.properties, meter)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(source.run(options.backlog, options.seconds)))))


if __name__ == "__main__":
    main()
