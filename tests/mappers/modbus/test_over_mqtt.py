"""Slave, mapper, broker and hub, all real: readings arrive, wishes come back as registers, outages cost nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_models import AccessMode, Conversion, DataType, Device, Property
from eventbus import topics
from eventbus.broker import PrivateBroker
from eventbus.device_side import DeviceSide
from eventbus.hub_side import HubSide
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Session
from mappers.protocols import PROTOCOLS
from mappers.runner import MapperRunner
from twin.journal import Journal
from twin.keeper import Keeper

ID = "default/boiler"


def boiler(port: int) -> Device:
    config = {"host": "127.0.0.1", "port": port, "timeout": 0.3}
    at = {"register": "holding", "type": "int16"}
    tenths = Conversion(scale=0.1)
    properties = (
        Property("temperature", DataType.FLOAT, collect_cycle=0.05, visitor=at | {"address": 0}, conversion=tenths),
        Property("setpoint", DataType.FLOAT, AccessMode.READ_WRITE, collect_cycle=0.05, visitor=at | {"address": 1},
                 conversion=tenths),
    )  # fmt: skip
    return Device("default", "boiler", "m", "modbus", config, properties)


@pytest.fixture
async def broker(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        yield broker


@asynccontextmanager
async def hub(path: Path, broker: PrivateBroker, device: Device) -> AsyncIterator[Keeper]:
    session = Session(broker.url, "hub", expiry=600, subscriptions=HubSide.filters("n"))
    async with Journal(path / "j.db") as journal:
        keeper = Keeper(journal)
        transport = Mqtt5Transport(session)
        HubSide(transport, keeper, journal, "n")
        keeper.declare([device])
        async with transport:
            yield keeper
        await journal.flush()


@asynccontextmanager
async def mapper(broker: PrivateBroker, device: Device) -> AsyncIterator[DeviceSide]:
    side = DeviceSide(Mqtt5Transport(Session(broker.url, "mapper")), "modbus")
    async with side, MapperRunner(PROTOCOLS["modbus"], [device], side):
        yield side


def shown(keeper: Keeper, name: str) -> Any:
    twin = (keeper.get(ID) or {}).get(name)
    return twin.actual if twin and twin.actual else None


def value(keeper: Keeper, name: str) -> str | None:
    return getattr(shown(keeper, name), "value", None)


async def test_readings_arrive_and_a_wish_becomes_a_register(
    tmp_path: Path, broker: PrivateBroker, hand_slave: Any, stage: Any
) -> None:
    async with hand_slave(units={1: {0: 215, 1: 200}}).serving() as slave:
        device = boiler(slave.port)
        async with hub(tmp_path, broker, device) as keeper, mapper(broker, device):
            await stage.until(lambda: value(keeper, "temperature") == "21.5")
            assert shown(keeper, "temperature").metadata.sourceTimestamp > 1_700_000_000_000
            async with Mqtt5Transport(Session(broker.url, "app")) as app:
                body = {"event_id": "w", "twin": {"setpoint": {"expected": {"value": "65.50"}}}}
                app.publish(topics.of_device(ID, topics.TWIN_UPDATE), json.dumps(body).encode())
                await stage.until(lambda: slave.units[1][1] == 655)
            await stage.until(lambda: value(keeper, "setpoint") == "65.50")
            assert keeper.delta(ID) is None
            assert keeper.members()[0].state == "online"


async def test_a_wish_that_was_made_while_the_mapper_was_away_is_fulfilled(
    tmp_path: Path, broker: PrivateBroker, hand_slave: Any, stage: Any
) -> None:
    async with hand_slave(units={1: {0: 215, 1: 200}}).serving() as slave:
        device = boiler(slave.port)
        async with hub(tmp_path, broker, device) as keeper:
            async with Mqtt5Transport(Session(broker.url, "app")) as app:
                body = {"event_id": "w", "twin": {"setpoint": {"expected": {"value": "70"}}}}
                app.publish(topics.of_device(ID, topics.TWIN_UPDATE), json.dumps(body).encode())
                await stage.until(lambda: keeper.delta(ID))
            async with mapper(broker, device):
                await stage.until(lambda: slave.units[1][1] == 700)
                await stage.until(lambda: keeper.delta(ID) is None)


async def test_a_slave_that_goes_is_bad_with_its_old_time(
    tmp_path: Path, broker: PrivateBroker, hand_slave: Any, stage: Any
) -> None:
    slave = hand_slave(units={1: {0: 215, 1: 200}})
    device = boiler(slave.port)
    async with hub(tmp_path, broker, device) as keeper, mapper(broker, device):
        async with slave.serving():
            await stage.until(lambda: value(keeper, "temperature") == "21.5")
        await stage.until(lambda: shown(keeper, "temperature").metadata.quality == "bad")
        gone = shown(keeper, "temperature")
        assert (gone.value, bool(gone.metadata.reason)) == ("21.5", True)
        await stage.until(lambda: keeper.members()[0].state == "offline")
        assert shown(keeper, "temperature").metadata.sourceTimestamp == gone.metadata.sourceTimestamp


async def test_readings_go_on_after_the_broker_died(
    tmp_path: Path, broker: PrivateBroker, hand_slave: Any, stage: Any
) -> None:
    async with hand_slave(units={1: {0: 215, 1: 200}}).serving() as slave:
        device = boiler(slave.port)
        async with hub(tmp_path, broker, device) as keeper, mapper(broker, device) as side:
            await stage.until(lambda: value(keeper, "temperature") == "21.5")
            os.kill(broker.pid, signal.SIGKILL)
            slave.units[1][0] = 333
            await stage.until(lambda: value(keeper, "temperature") == "33.3", 30)
            assert side.statistics().folded_readings == 0
