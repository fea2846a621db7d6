"""The ledger of the link (P4): an edge, a cloud and the cable between them, each harmed at random moments.

Nothing that the edge acknowledged is missing in the cloud, nothing is there twice or out of order within a twin; the
newest wish of each property arrives at the edge; in the end both ends say the same.
"""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from cable import Cable
from killable import Killable
from ledger import Writers
from link_ledger import CloudEnd, WishWitness, seen_at_edge

from eventbus.broker import PrivateBroker
from twinhub.cloud_client import Address
from twinhub.errors import CommandError

FAULTS = 60
NODE = "edge-1"
DEVICES = [f"default/counter-{n}" for n in range(8)]
PAUSE = 0.01
"""Seconds that a writer rests: the edge has to have more to say than the cable carries only now and then."""
A_WHILE = 1.5
"""Seconds to wait for the link before the next fault."""
PATIENCE = 45.0
"""Seconds for a condition that must come true."""
TWINHUB = (sys.executable, "-m", "twinhub")

MODEL = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: counter}
spec:
  properties:
    - {name: n, type: INT, accessMode: ReadOnly}
    - {name: wish, type: INT, accessMode: ReadWrite}
"""
DEVICE = """
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: NAME}
spec: {deviceModelRef: {name: counter}, protocol: {protocolName: external}}
"""
SETTINGS = "outboxLimit: 1000000\ncloud: {pingSeconds: 1, retrySeconds: 1}\n"


def manifests(directory: Path) -> None:
    directory.mkdir()
    names = [device.partition("/")[2] for device in DEVICES]
    (directory / "plant.yaml").write_text(MODEL + "".join(DEVICE.replace("NAME", name) for name in names))
    (directory / "twinhub.yaml").write_text(SETTINGS)


def cloud_process(folder: Path, ports: range) -> Killable:
    options = ["--state-dir", folder / "cloud", "--port", ports[0], "--link-port", ports[1], "--metrics-port", 0]
    return Killable([*TWINHUB, "cloud", *map(str, options)], folder / "cloud.log")


def edge_process(folder: Path, broker: str) -> Killable:
    options = ["--broker", broker, "--identity", folder / "identity"]
    return Killable([*TWINHUB, "run", folder / "plant", *options], folder / "edge.log")


async def join(folder: Path, cloud: CloudEnd, port: int, link_port: int) -> None:
    def token() -> str:
        with cloud.client() as client:
            return client.token(NODE).token

    words = ["join", f"--cloud=127.0.0.1:{port}", f"--link-port={link_port}", f"--node={NODE}"]
    command = [*TWINHUB, *words, f"--identity={folder / 'identity'}"]
    given = await asyncio.to_thread(token)
    await asyncio.to_thread(subprocess.run, command, input=given, text=True, check=True)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for what may take the cloud or the hub a while; neither answering counts as no."""

    def holds() -> bool:
        try:
            return condition()
        except CommandError:
            return False

    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"in vain: {what}")


class Harm:
    """What is done to the three, at random."""

    def __init__(self, edge: Killable, cloud: Killable, cable: Cable, dice: random.Random) -> None:
        self._edge, self._cloud, self._cable, self._dice = edge, cloud, cable, dice
        self._faults: list[Callable[[], Awaitable[None]]] = [
            self._kill_edge,
            self._kill_cloud,
            self._cut,
            self._stall,
            self._throttle,
            self._kill_connections,
        ]
        self.done = Counter[str]()
        self.hit = 0
        """How many met a link that stood."""

    async def do(self, count: int) -> None:
        """So many, each kind as often; in the end everything runs and the cable is whole."""
        faults = [self._faults[n % len(self._faults)] for n in range(count)]
        self._dice.shuffle(faults)
        for fault in faults:
            await self._a_link()
            await self._rest(0, 0.6)
            await fault()
            self.done[fault.__name__] += 1

    async def _a_link(self) -> None:
        """What is broken already need not be broken again: wait a while until the cable carries something."""
        with suppress(TimeoutError):
            async with asyncio.timeout(A_WHILE):
                while not len(self._cable):
                    await asyncio.sleep(0.02)
                self.hit += 1

    async def _rest(self, least: float, most: float) -> None:
        await asyncio.sleep(self._dice.uniform(least, most))

    async def _kill_edge(self) -> None:
        await self._edge.kill()
        await self._rest(0, 0.3)
        await self._edge.start()

    async def _kill_cloud(self) -> None:
        await self._cloud.kill()
        await self._rest(0, 0.3)
        await self._cloud.start()

    async def _cut(self) -> None:
        self._cable.cut()
        await self._rest(0.1, 1.0)
        self._cable.restore()

    async def _stall(self) -> None:
        self._cable.stall()
        await self._rest(0.5, 3.0)
        self._cable.restore()

    async def _throttle(self) -> None:
        self._cable.throttle(self._dice.choice([50_000, 200_000, 1_000_000]))
        await self._rest(0.5, 1.5)
        self._cable.throttle(None)

    async def _kill_connections(self) -> None:
        self._cable.kill_connections()


@pytest.mark.fault
async def test_sixty_faults_of_the_link_lose_and_reorder_nothing(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    monkeypatch.setenv("TWINHUB_OPERATOR", str(tmp_path / "operator.pem"))
    manifests(tmp_path / "plant")
    ports = free_ports(3)
    end = CloudEnd(Address("127.0.0.1", ports[0]), tmp_path / "operator.pem", DEVICES)
    async with (
        PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker,
        cloud_process(tmp_path, ports) as cloud,
        Cable(("127.0.0.1", ports[1]), ports[2]) as cable,
    ):
        await until(end.answers, "the cloud answers")
        await join(tmp_path, end, ports[0], cable.port)
        writers, witness = Writers(broker.url, DEVICES, PAUSE), WishWitness(broker.url)
        async with edge_process(tmp_path, broker.url) as edge, witness.transport:
            harm = Harm(edge, cloud, cable, random.Random(seed))
            await harmed(harm, writers, end)
            arrived = sum([len(await asyncio.to_thread(end.history, device)) for device in DEVICES])
            await until(lambda: agreed(broker.url, end), "both ends agree")
            seen = await asyncio.to_thread(end.seen)
            histories = {device: await asyncio.to_thread(end.history, device) for device in DEVICES}
            assert await edge.stop() == 0
            assert await cloud.stop() == 0
    print(f"{sum(harm.done.values())} faults, {harm.hit} of them of a link that stood: {dict(harm.done)}")
    print(f"{sum(writers.acknowledged.values())} changes, {arrived} arrived meanwhile; wishes {end.acknowledged}")
    assert harm.hit > FAULTS / 2, "the link came back between the faults"
    assert min(writers.acknowledged.values()) > FAULTS, "the edge got on between the faults"
    assert min(end.acknowledged.values()) > FAULTS / 6, "so did the cloud"
    for device, last in writers.acknowledged.items():
        assert histories[device] == list(range(1, last + 1)), "every acknowledged change once, in order"
        assert seen[device] == (str(last), str(end.acknowledged[device])), "the newest at both ends"
    assert witness.backwards == []


async def harmed(harm: Harm, writers: Writers, end: CloudEnd) -> None:
    """Report and wish while harm is done."""
    stop, no_more_wishes = asyncio.Event(), threading.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(writers.run(stop))
        try:
            await until(lambda: all(seen.n for seen in end.seen().values()), "the cloud hears of every device")
            group.create_task(asyncio.to_thread(end.wish_until, no_more_wishes))
            await harm.do(FAULTS)
        finally:
            no_more_wishes.set()
            stop.set()


def agreed(broker: str, end: CloudEnd) -> bool:
    return not end.unmet() and end.seen() == seen_at_edge(broker, DEVICES)


def free_ports(count: int) -> range:
    """Below those that the system gives to clients: one of them could take a killed server's."""
    while True:
        ports = range(start := random.randrange(20_000, 32_000), start + count)
        with ExitStack() as stack:
            try:
                for port in ports:
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return ports
