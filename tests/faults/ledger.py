"""A client that numbers what it sends, and a witness that reads what the hub says of it.

Every twin has one writer: it sends number n until the hub answers with a result, and only then n + 1. What is
answered is written into the ledger. It shares nothing with the hub's own mappers but the MQTT client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from eventbus import topics
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session

RESEND_SECONDS = 1.0


class Writers:
    """One writer for each device, over one connection."""

    def __init__(self, url: str, devices: Sequence[str], pause: float = 0.0) -> None:
        """`pause`: seconds of rest after each answer."""
        self._pause = pause
        self.acknowledged = dict.fromkeys(devices, 0)
        """The ledger: the highest number that has a result."""
        self.sent = 0
        self._results: dict[str, asyncio.Future[None]] = {}
        filters = [topics.of_device("+/+", topics.TWIN_RESULT)]
        self._transport = Mqtt5Transport(Session(url, "writers", subscriptions=filters))
        self._transport.on_messages = self._on_messages

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop; every writer ends with an answered number."""
        async with self._transport, asyncio.TaskGroup() as group:
            for device in self.acknowledged:
                group.create_task(self._write(device, stop), name=f"writer of {device}")

    async def _write(self, device: str, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await self._send_until_answered(device, f"{device}#{number}", str(number))
            self.acknowledged[device] = number
            if self._pause:
                await asyncio.sleep(self._pause)

    async def _send_until_answered(self, device: str, event_id: str, value: str) -> None:
        answered = self._results[event_id] = asyncio.get_running_loop().create_future()
        update = {"event_id": event_id, "timestamp": 0, "twin": {"n": {"actual": {"value": value}}}}
        while not answered.done():
            self._transport.publish(topics.of_device(device, topics.TWIN_UPDATE), json.dumps(update).encode())
            self.sent += 1
            await asyncio.wait([answered], timeout=RESEND_SECONDS)
        del self._results[event_id]

    def _on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            said: dict[str, Any] = json.loads(message.payload)
            waiting = self._results.get(said["event_id"])
            if waiting and not waiting.done() and "code" not in said:
                waiting.set_result(None)
        self._transport.acknowledge([m.receipt for m in messages if m.receipt])


class Witness:
    """Reads every document and notes where a twin went backwards."""

    def __init__(self, url: str) -> None:
        self.last: dict[str, int] = {}
        self.backwards: list[tuple[str, int, int]] = []
        session = Session(url, "witness", subscriptions=[topics.of_device("+/+", topics.TWIN_DOCUMENT)])
        self.transport = Mqtt5Transport(session)
        self.transport.on_messages = self._on_messages

    def _on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            device = topics.device_of(message.topic, topics.TWIN_DOCUMENT)
            change = json.loads(message.payload)["twin"].get("n")
            if change is None:
                continue  # of the node itself
            assert device is not None
            before = int(change["last"]["actual"]["value"]) if change["last"] else 0
            value = int(change["current"]["actual"]["value"])
            if value < before:
                self.backwards.append((device, before, value))
            self.last[device] = value
        self.transport.acknowledge([m.receipt for m in messages if m.receipt])


async def values(url: str, devices: Sequence[str]) -> dict[str, int]:
    """What the hub says of each device now; waits for the hub as long as it takes to come back."""
    found: dict[str, int] = {}
    done = asyncio.Event()

    def on_messages(messages: Sequence[Message]) -> None:
        for message in messages:
            device = topics.device_of(message.topic, topics.TWIN_GET_RESULT)
            if device not in devices:  # the node asks for its own twin
                continue
            twin = json.loads(message.payload)["twin"]
            found[device] = int(twin["n"]["actual"]["value"]) if twin else 0
        if len(found) == len(devices):
            done.set()

    transport = Mqtt5Transport(
        Session(url, "reader", subscriptions=[topics.of_device("+/+", topics.TWIN_GET_RESULT)])
    )
    transport.on_messages = on_messages
    async with transport, asyncio.timeout(20):
        while not done.is_set():
            for device in devices:
                transport.publish(topics.of_device(device, topics.TWIN_GET), b"{}")
            try:
                await asyncio.wait_for(done.wait(), 0.5)
            except TimeoutError:
                continue
    return found
