"""What the cloud wishes, as the hub takes it from the link: shown on the bus, and done when it is durable."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from eventbus.broker import PrivateBroker
from eventbus.hub_side import HubSide
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session
from twin import journal as journal_module
from twin.documents import MsgTwin, TwinValue, TwinVersion, TypeMetadata
from twin.journal import Journal
from twin.keeper import Keeper
from twin.refused import Refused

SPEED = Property("speed", DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=3000)
PUMP = Device("default", "pump", "m", "external", properties=(SPEED,))


Bus = asyncio.Queue[tuple[str, Any]]


def wish(value: str, edge: int = 0) -> MsgTwin:
    return MsgTwin(expected=TwinValue(value), metadata=TypeMetadata("int"), expected_version=TwinVersion(1, edge))


@asynccontextmanager
async def hub(path: Path, port: int) -> AsyncIterator[tuple[HubSide, Keeper, Journal, Bus]]:
    heard: Bus = asyncio.Queue()

    def hear(messages: Sequence[Message]) -> None:
        for message in messages:
            heard.put_nowait((message.topic.rsplit("/", 1)[1], json.loads(message.payload)))
        app.acknowledge([m.receipt for m in messages if m.receipt])

    async with PrivateBroker(path / "broker", port=port) as broker, Journal(path / "j.db") as journal:
        keeper = Keeper(journal)
        transport = Mqtt5Transport(Session(broker.url, "hub", subscriptions=HubSide.filters("edge-1")))
        app = Mqtt5Transport(Session(broker.url, "app", subscriptions=("$hw/events/device/+/+/twin/update/#",)))
        app.on_messages = hear
        side = HubSide(transport, keeper, journal, "edge-1")
        keeper.declare([PUMP])
        async with app, transport:
            yield side, keeper, journal, heard


async def test_it_is_shown_and_durable(tmp_path: Path, unused_tcp_port: int) -> None:
    async with hub(tmp_path, unused_tcp_port) as (side, _, journal, heard):
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        side.cloud_update("default/pump", {"speed": wish("7")}, done.set_result)
        async with asyncio.timeout(10):
            assert await done is None
            assert len(journal.outbox()) == 1
            kind, document = await heard.get()
            assert (kind, document["twin"]["speed"]["current"]["expected"]["value"]) == ("document", "7")
            kind, delta = await heard.get()
            assert (kind, delta["delta"]) == ("delta", {"speed": "7"})


async def test_one_that_cannot_be_does_not_keep_the_others(tmp_path: Path, unused_tcp_port: int) -> None:
    async with hub(tmp_path, unused_tcp_port) as (side, keeper, journal, _):
        keeper.update("default/pump", {"speed": MsgTwin(expected=TwinValue("5"))})
        wishes = {"speed": wish("9999", edge=1), "other": wish("1"), "null": None}
        side.cloud_update("default/pump", wishes, lambda error: None)
        await journal.flush()
        shown = keeper.get("default/pump")
        assert shown is not None
        assert [shown[name].expected.value for name in ("speed", "other")] == ["5", "1"]  # type: ignore[union-attr]
        bodies = [json.loads(entry.body) for entry in journal.outbox()]
        assert bodies[1]["speed"]["expected_version"] == {"cloud": 0, "edge": 2}


async def test_a_device_that_is_none_of_ours_is_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    async with hub(tmp_path, unused_tcp_port) as (side, _, _, _):
        assert side.serves("default/pump")
        assert not side.serves("default/x")
        with pytest.raises(Refused, match="default/x"):
            side.cloud_update("default/x", {}, lambda error: None)


async def test_when_the_disk_fails_nothing_of_it_is_true(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with hub(tmp_path, unused_tcp_port) as (side, keeper, journal, _):
        await journal.flush()
        journal._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        side.cloud_update("default/pump", {"speed": wish("7")}, done.set_result)
        async with asyncio.timeout(10):
            assert isinstance(await done, sqlite3.Error)
        other.close()
        assert keeper.get("default/pump") == {}
        assert journal.outbox() == []
