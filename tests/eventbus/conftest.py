"""Real brokers on free ports, and what every test of a transport needs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eventbus.broker import PrivateBroker
from eventbus.connect import transport
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.paho_transport import PahoTransport
from eventbus.transport import Message, Session, Transport

TRANSPORTS = {"mqtt5": Mqtt5Transport, "paho": PahoTransport}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    """Wait until `condition()` is true; TimeoutError when that takes too long."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


class Ear:
    """Hears everything that a transport tells."""

    def __init__(self, transport: Transport, *, acknowledge: bool = True) -> None:
        self.messages: list[Message] = []
        self.calls = 0
        self.ups: list[bool] = []
        self.downs = 0
        self._transport = transport
        self._acknowledge = acknowledge
        transport.on_messages = self._on_messages
        transport.on_up = self.ups.append
        transport.on_down = self._on_down

    @property
    def payloads(self) -> list[bytes]:
        return [m.payload for m in self.messages]

    async def heard(self, count: int, within: float = 15.0) -> None:
        await until(lambda: len(self.messages) >= count, within)

    def _on_messages(self, messages: Any) -> None:
        self.calls += 1
        self.messages += messages
        if self._acknowledge:
            self._transport.acknowledge([m.receipt for m in messages])

    def _on_down(self) -> None:
        self.downs += 1


@dataclass
class Bus:
    """A broker, and a kind of transport to reach it with."""

    broker: PrivateBroker
    kind: str

    def transport(self, client_id: str, *, limits: dict[str, int] | None = None, **session: Any) -> Transport:
        """A transport of a session with `session`'s options; `limits` are those of its queue."""
        options = {"url": self.broker.url, "client_id": client_id} | session
        return TRANSPORTS[self.kind](Session(**options), **(limits or {}))

    async def send(self, topic: str, payloads: list[bytes], **options: Any) -> None:
        """Publish at QoS 1 from a client of its own; when it returns the broker has them."""
        async with transport(Session(self.broker.url, "sender")) as sender:
            for payload in payloads:
                assert sender.publish(topic, payload, **options)
            await until(lambda: not sender.statistics().queued)


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=free_port(), unix_socket=True, kind="mosquitto") as broker:
        yield broker


@pytest.fixture
async def nats(tmp_path: Path) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=free_port(), kind="nats") as broker:
        yield broker


@pytest.fixture(params=["mqtt5-mosquitto", "paho-mosquitto", "paho-nats"])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bus]:
    """Each transport with each broker that it is for."""
    kind, broker_kind = request.param.split("-")
    async with PrivateBroker(tmp_path / "broker", port=free_port(), kind=broker_kind) as broker:
        yield Bus(broker, kind)
