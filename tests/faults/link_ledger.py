"""The ledger of a link: wishes numbered in the cloud, and what both ends say of a twin in the end."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from eventbus import topics
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session
from twin.documents import MsgTwin
from twinhub.client import TwinClient
from twinhub.cloud_client import Address, CloudClient
from twinhub.errors import CommandError

TIMEOUT = 3.0
"""Seconds after which the cloud is asked anew."""
FOR_EVER = 2**53


class Seen(NamedTuple):
    """What one end says of a device."""

    n: str | None
    """reported"""
    wish: str | None
    """desired"""


class CloudEnd:
    """The cloud as an operator asks it; waits for one that was killed to come back."""

    def __init__(self, address: Address, credentials: Path, devices: Sequence[str]) -> None:
        self._address, self._credentials, self._devices = address, credentials, devices
        self.acknowledged = dict.fromkeys(devices, 0)
        """The highest wish the cloud has said to have safe."""

    def client(self) -> CloudClient:
        return CloudClient(self._address, self._credentials, timeout=TIMEOUT)

    def answers(self) -> bool:
        """Raises `CommandError` where it does not."""
        with self.client() as client:
            return list(client.nodes()) is not None

    def wish_until(self, stop: threading.Event) -> None:
        """Wish 1, 2, 3, … of every device, each until the cloud has it safe. Blocking."""
        for number in itertools.count(1):
            for device in self._devices:
                if stop.wait(0.02):
                    return
                self._wish(device, number)
                self.acknowledged[device] = number

    def _wish(self, device: str, number: int) -> None:
        while True:
            try:
                with self.client() as client:
                    client.wish(device, {"wish": str(number)})
                    return
            except CommandError:
                time.sleep(0.1)

    def seen(self) -> dict[str, Seen]:
        with self.client() as client:
            return {device: _seen(client.twin(device).twin) for device in self._devices}

    def unmet(self) -> list[str]:
        """Devices with wishes that the edge has not confirmed."""
        with self.client() as client:
            return [device for device in self._devices if client.twin(device).unmet]

    def history(self, device: str) -> list[int]:
        """Every number that was reported, as the cloud has them in order."""
        with self.client() as client:
            readings = client.readings(device, "n", since=0, until=FOR_EVER)
            return [int(reading.value or 0) for reading in readings]


def seen_at_edge(url: str, devices: Sequence[str]) -> dict[str, Seen]:
    with TwinClient(url) as client:
        return {device: _seen(client.twin(device)) for device in devices}


def _seen(twin: dict[str, MsgTwin]) -> Seen:
    n, wish = twin.get("n", MsgTwin()), twin.get("wish", MsgTwin())
    return Seen(n.actual and n.actual.value, wish.expected and wish.expected.value)


class WishWitness:
    """Reads every document at the edge and notes where a wish went backwards."""

    def __init__(self, url: str) -> None:
        self.last: dict[str, int] = {}
        self.backwards: list[tuple[str, int, int]] = []
        session = Session(url, "wish-witness", subscriptions=[topics.of_device("+/+", topics.TWIN_DOCUMENT)])
        self.transport = Mqtt5Transport(session)
        self.transport.on_messages = self._on_messages

    def _on_messages(self, messages: Sequence[Message]) -> None:
        for message in messages:
            device = topics.device_of(message.topic, topics.TWIN_DOCUMENT)
            assert device is not None
            if change := json.loads(message.payload)["twin"].get("wish"):
                value, before = int(change["current"]["expected"]["value"]), self.last.get(device, 0)
                if value < before:
                    self.backwards.append((device, before, value))
                self.last[device] = value
        self.transport.acknowledge([m.receipt for m in messages if m.receipt])
