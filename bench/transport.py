"""What a message costs in each MQTT transport: `python -m bench.transport [--messages 100000] [--payload 120]`.

One process publishes at QoS 1, another receives and acknowledges, both through a private mosquitto on loopback. For
each transport and event loop one line tells the rate from end to end, and the processor time per message that each
side spent. The rate is what the slowest of the three processes allows on this machine, at this moment; the processor
time is what compares.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import uvloop

from bench.processes import cpu_seconds
from eventbus.broker import PrivateBroker
from eventbus.connect import transport
from eventbus.transport import Message, Session, Transport

PORT = 21977
TOPIC = "bench/transport"
QUEUED = 5000
"""Messages that the publisher keeps under way, so that it neither starves nor drops."""
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Side(NamedTuple):
    """What one process measured."""

    seconds: float
    cpu_us: float
    """Processor microseconds per message."""


class Clock:
    """Time and processor time of this process, between two moments."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def side(self, messages: int) -> Side:
        seconds = time.perf_counter() - self._wall
        return Side(round(seconds, 3), round((time.process_time() - self._cpu) / messages * 1e6, 2))


async def publish(client: Transport, messages: int, payload: bytes) -> Side:
    async with client:
        clock = Clock()
        for _ in range(0, messages, 100):
            while client.statistics().queued > QUEUED:
                await asyncio.sleep(0.001)
            for _ in range(100):
                client.publish(TOPIC, payload)
            await asyncio.sleep(0)
        while client.statistics().queued:
            await asyncio.sleep(0.001)
        return clock.side(messages)


async def receive(client: Transport, messages: int) -> Side:
    left, done, clock = messages, asyncio.Event(), Clock()

    def on_messages(batch: Sequence[Message]) -> None:
        nonlocal left, clock
        if left == messages:
            clock = Clock()
        client.acknowledge([message.receipt for message in batch])
        left -= len(batch)
        if left <= 0:
            done.set()

    client.on_messages = on_messages
    async with client:
        print("ready", flush=True)
        await done.wait()
        return clock.side(messages)


def run_side(words: argparse.Namespace) -> None:
    """Be one of the two processes."""
    receiver = words.side == "receive"
    session = Session(words.url, f"bench-{words.side}", subscriptions=[TOPIC] if receiver else [])
    with asyncio.Runner(loop_factory=LOOPS[words.loop]) as runner:
        client = transport(session, words.kind)
        work = receive(client, words.messages) if receiver else publish(client, words.messages, b"x" * words.payload)
        print(msgspec.json.encode(runner.run(work)).decode(), flush=True)


async def measure(broker: PrivateBroker, kind: str, loop: str, words: argparse.Namespace) -> None:
    common = ["--kind", kind, "--loop", loop, "--url", broker.url]
    common += ["--messages", str(words.messages), "--payload", str(words.payload)]
    receiver = await _start("receive", common)
    assert receiver.stdout is not None
    await receiver.stdout.readline()
    before = cpu_seconds(broker.pid)
    publisher = await _start("publish", common)
    outputs = await asyncio.gather(publisher.communicate(), receiver.communicate())
    sent, received = (msgspec.json.decode(out, type=Side) for out, _ in outputs)
    broker_us = (cpu_seconds(broker.pid) - before) / words.messages * 1e6
    rate = words.messages / received.seconds
    print(f"{kind:6} {loop:8} {rate:9,.0f} {sent.cpu_us:9.1f} {received.cpu_us:9.1f} {broker_us:9.1f}", flush=True)


async def _start(side: str, common: list[str]) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "bench.transport", "--side", side, *common]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def compare(words: argparse.Namespace) -> None:
    print("                  messages/s  µs of processor per message: publisher, receiver, broker")
    with TemporaryDirectory() as directory:
        async with PrivateBroker(Path(directory), port=PORT, kind="mosquitto") as broker:
            for kind in ("mqtt5", "paho"):
                for loop in LOOPS:
                    await measure(broker, kind, loop, words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--payload", type=int, default=120, help="bytes")
    for hidden in ("--side", "--kind", "--loop", "--url"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.side:
        run_side(words)
    else:
        asyncio.run(compare(words))


if __name__ == "__main__":
    main()
