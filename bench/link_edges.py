"""Many edges in one process, as a cloud sees them: mutual TLS, the hub and bus channels, a report now and then.

    python -m bench.link_edges --cloud 127.0.0.1:10000 --identities FOLDER --every 60 --ramp 60

FOLDER holds `ca.pem` and for each edge `<node>.pem`, its certificate and key. Each node reports the property `n` of
its device `default/<node>`: 1, 2, 3, …, as numbers of its outbox. An outbox here is a list in memory, and nothing
else of an edge is there; on the wire it is one: it keeps alive, confirms what comes down, keeps what is not
confirmed, resumes after what the cloud has, and comes back with full jitter. The edges use the addresses 127.0.0.2,
127.0.0.3, …, since one address has only some thirty thousand ports.

On standard output, one JSON object a line: a `Consistent` each time when all edges are connected and what they had to
report before is confirmed; when the input ends it stops reporting, waits for the last confirmations, and says
`Farewell`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import ssl
import sys
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from eventbus.backoff import full_jitter
from link import rows
from link.acknowledgement import acknowledge, is_acknowledgement, wants_acknowledgement
from link.handshake import Channel, Hello, Welcome, path
from link.message import Message, decode, encode, encode_batch

KEEPALIVE_SECONDS = 15.0
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 15.0
OPEN_TIMEOUT = 30.0
EDGES_PER_ADDRESS = 5_000
BATCH = 100
LAST_CONFIRMATIONS = 60.0
"""Seconds to wait for them at the end."""

Use = Callable[[ClientConnection, Welcome], Awaitable[None]]


class Consistent(msgspec.Struct):
    """All edges are connected, and what was made before they were is confirmed."""

    at: float
    """Unix time."""
    attempts: int
    """Connections attempted so far."""
    confirmed: int
    """Reports confirmed so far."""


class Farewell(msgspec.Struct):
    """What the cloud must have."""

    last: dict[str, int]
    """The last confirmed number of each node."""
    unconfirmed: int


def objects(nodes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the cloud has to declare for them."""
    api, namespace = "devices.kubeedge.io/v1beta1", "default"
    properties = [{"name": "n", "type": "INT", "accessMode": "ReadOnly"}]
    yield {
        "apiVersion": api,
        "kind": "DeviceModel",
        "metadata": {"name": "light", "namespace": namespace},
        "spec": {"protocol": "external", "properties": properties},
    }
    for node in nodes:
        yield {
            "apiVersion": api,
            "kind": "Device",
            "metadata": {"name": node, "namespace": namespace},
            "spec": {
                "nodeName": node,
                "deviceModelRef": {"name": "light"},
                "protocol": {"protocolName": "external"},
                "properties": [{"name": "n"}],
            },
        }


class LightEdge:
    """One node: `run` it until cancelled."""

    def __init__(self, node: str, identities: Path, cloud: str, source: str, told: Callable[[], None]) -> None:
        """`cloud`: HOST:PORT. `source`: our address. `told`: called when `consistent` may have become true."""
        self.node = node
        self._pem, self._ca = identities / f"{node}.pem", identities / "ca.pem"
        self._cloud, self._source, self._told = cloud, source, told
        self._journal = uuid.uuid4().hex
        self._waiting = deque[tuple[int, Message]]()
        self._wake = asyncio.Event()
        self._up = {Channel.HUB: False, Channel.BUS: False}
        self._owed = 0
        """What was made before the bus stood, and has to be confirmed."""
        self.made = self.confirmed = self.attempts = 0
        self.silent = False

    @property
    def consistent(self) -> bool:
        return all(self._up.values()) and self.confirmed >= self._owed

    def report(self) -> None:
        """Make one change."""
        if self.silent:
            return
        self.made += 1
        now = time.time_ns() // 1_000_000
        twin = (
            f'{{"n":{{"actual":{{"value":"{self.made}","metadata":{{"timestamp":{now}}}}},"optional":true,'
            f'"metadata":{{"type":"int"}},"actual_version":{{"cloud":0,"edge":{self.made}}}}}}}'
        )
        self._waiting.append((self.made, rows.edge_updated(f"default/{self.node}", twin, now, str(self.made))))
        self._wake.set()

    async def run(self, every: float) -> None:
        """Connected, and one report in `every` seconds."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay(Channel.HUB, self._hub), name=f"hub of {self.node}")
            group.create_task(self._stay(Channel.BUS, self._bus), name=f"bus of {self.node}")
            await asyncio.sleep(random.uniform(0, every))
            while True:
                self.report()
                await asyncio.sleep(every)

    async def _stay(self, channel: Channel, use: Use) -> None:
        """Connect, and connect again."""
        backoff = full_jitter(FIRST_BACKOFF, LONGEST_BACKOFF)
        while True:
            try:
                async with self._connection(channel) as connection:
                    assert connection.response is not None
                    welcome = Welcome.read(connection.response.headers.raw_items())
                    self._owed = self.made
                    self._up[channel] = True
                    self._told()
                    backoff = full_jitter(FIRST_BACKOFF, LONGEST_BACKOFF)
                    await use(connection, welcome)
            except* (OSError, WebSocketException):
                self._up[channel] = False
            await asyncio.sleep(next(backoff))

    def _connection(self, channel: Channel) -> connect:
        self.attempts += 1
        hello = Hello(self.node, channel=channel, journal=self._journal)
        return connect(
            f"wss://{self._cloud}{path(hello)}",
            ssl=client_context(self._ca, self._pem),
            additional_headers=hello.headers(),
            local_addr=(self._source, 0),
            open_timeout=OPEN_TIMEOUT,
            compression=None,
            ping_interval=None,
            proxy=None,
        )

    async def _hub(self, connection: ClientConnection, _: Welcome) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep_alive(connection), name=f"keepalive of {self.node}")
            async for frame in connection:
                messages = [m for m in decode(frame) if wants_acknowledgement(m, plain=False)]
                if messages:
                    await connection.send(encode(acknowledge(messages[-1])), text=True)
            raise ConnectionResetError("the cloud has closed the connection")

    async def _bus(self, connection: ClientConnection, welcome: Welcome) -> None:
        self._confirm(welcome.resume)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(connection, welcome.resume), name=f"reports of {self.node}")
            async for frame in connection:
                for message in filter(is_acknowledgement, decode(frame)):
                    self._confirm(int(message.header.parent_msg_id))
            raise ConnectionResetError("the cloud has closed the connection")

    async def _send(self, connection: ClientConnection, after: int) -> None:
        """Every report once, in order, as long as the connection lives."""
        while True:
            batch = [message for seq, message in self._waiting if seq > after][:BATCH]
            if batch:
                await connection.send(encode_batch(batch), text=True)
                after = int(batch[-1].header.msg_id)
            else:
                self._wake.clear()
                await self._wake.wait()

    def _confirm(self, seq: int) -> None:
        while self._waiting and self._waiting[0][0] <= seq:
            self._waiting.popleft()
        self.confirmed = max(self.confirmed, seq)
        self._told()


async def _keep_alive(connection: ClientConnection) -> None:
    while True:
        await connection.send(encode(rows.keepalive()), text=True)
        await asyncio.sleep(KEEPALIVE_SECONDS)


def client_context(ca: Path, pem: Path) -> ssl.SSLContext:
    """As an edge has it: the cloud's certificate is verified, ours is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(ca)
    context.load_cert_chain(pem)
    return context


class Crowd:
    """All of them."""

    def __init__(self, cloud: str, identities: Path) -> None:
        nodes = sorted(pem.stem for pem in identities.glob("*.pem") if pem.stem != "ca")
        self._changed = asyncio.Event()
        self._edges = [
            LightEdge(node, identities, cloud, f"127.0.0.{2 + n // EDGES_PER_ADDRESS}", self._changed.set)
            for n, node in enumerate(nodes)
        ]

    async def run(self, every: float, ramp: float) -> None:
        """`ramp`: at the start, so many edges a second."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._tell(), name="tell")]
            tasks += [group.create_task(self._later(edge, n / ramp, every)) for n, edge in enumerate(self._edges)]
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            for edge in self._edges:
                edge.silent = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._confirmed(), LAST_CONFIRMATIONS)
            self._say_farewell()
            for task in tasks:
                task.cancel()

    async def _later(self, edge: LightEdge, seconds: float, every: float) -> None:
        await asyncio.sleep(seconds)
        await edge.run(every)

    async def _tell(self) -> None:
        consistent = False
        while True:
            await self._changed.wait()
            self._changed.clear()
            before, consistent = consistent, all(edge.consistent for edge in self._edges)
            if consistent and not before:
                attempts = sum(edge.attempts for edge in self._edges)
                say(Consistent(time.time(), attempts, sum(edge.confirmed for edge in self._edges)))
            await asyncio.sleep(0.02)

    async def _confirmed(self) -> None:
        while any(edge.confirmed < edge.made for edge in self._edges):
            await asyncio.sleep(0.05)

    def _say_farewell(self) -> None:
        last = {edge.node: edge.confirmed for edge in self._edges}
        say(Farewell(last, sum(edge.made - edge.confirmed for edge in self._edges)))


def say(what: msgspec.Struct) -> None:
    print(msgspec.json.encode(what).decode(), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", default="127.0.0.1:10000", metavar="HOST:PORT")
    parser.add_argument("--identities", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help="between reports of an edge")
    parser.add_argument("--ramp", type=float, default=60.0, metavar="RATE", help="edges a second at the start")
    options = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Crowd(options.cloud, options.identities).run(options.every, options.ramp))


if __name__ == "__main__":
    main()
