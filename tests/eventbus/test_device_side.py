"""The mapper's side of the bus against a real broker and, where its answers matter, the real hub."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from eventbus import device_side, topics
from eventbus.broker import PrivateBroker
from eventbus.device_side import DeviceSide, Reading
from eventbus.hub_side import HubSide
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session
from twin.documents import MsgTwin, TwinValue
from twin.journal import Journal
from twin.keeper import Keeper

ID = "default/pump"
PUMP = Device("default", "pump", "m", "modbus", properties=(Property("speed", DataType.INT, AccessMode.READ_WRITE),))


@pytest.fixture
async def broker(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        yield broker


async def until(condition: Callable[[], object], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def hub(path: Path, broker: PrivateBroker, *devices: Device) -> AsyncIterator[Keeper]:
    session = Session(broker.url, "hub", expiry=3600, subscriptions=HubSide.filters("n"))
    async with Journal(path / "j.db") as journal:
        keeper = Keeper(journal)
        transport = Mqtt5Transport(session)
        HubSide(transport, keeper, journal, "n")
        keeper.declare(devices)
        async with transport:
            yield keeper


def side(broker: PrivateBroker, **options: Any) -> DeviceSide:
    return DeviceSide(Mqtt5Transport(Session(broker.url, "mapper")), "test", **options)


def ignore(_wishes: Mapping[str, str]) -> None:
    pass


def reading(value: str | None, time: int = 1, **more: Any) -> Reading:
    return Reading("speed", value, time, **more)


class Listener:
    """A hub that only listens: what mappers send, in order, and nothing answered unless told."""

    def __init__(self, broker: PrivateBroker, answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        self.updates: list[dict[str, Any]] = []
        self.others: list[str] = []
        self._answer = answer
        filters = [topics.of_device("+/+", end) for end in (topics.TWIN_UPDATE, topics.TWIN_GET, topics.STATE_UPDATE)]
        self.transport = Mqtt5Transport(Session(broker.url, "listener", subscriptions=filters))
        self.transport.on_messages = self._hear

    def _hear(self, messages: Sequence[Message]) -> None:
        self.transport.acknowledge([message.receipt for message in messages])
        for message in messages:
            if not message.topic.endswith(topics.TWIN_UPDATE):
                self.others.append(message.topic)
                continue
            update = json.loads(message.payload)
            self.updates.append(update)
            answer = self._answer(update)
            if answer is not None:
                self.transport.publish(f"{message.topic}/result", json.dumps(answer).encode())

    @property
    def values(self) -> list[str]:
        return [update["twin"]["speed"]["actual"]["value"] for update in self.updates]


def accept(update: dict[str, Any]) -> dict[str, Any]:
    return {"event_id": update["event_id"], "timestamp": 1, "twin": {}}


async def test_a_reading_becomes_a_twin(tmp_path: Path, broker: PrivateBroker) -> None:
    async with hub(tmp_path, broker, PUMP) as keeper, side(broker) as mapper:
        mapper.add(ID, ignore)
        mapper.report(ID, [reading("1200", 1_786_000_000_000)])
        mapper.state(ID, "online")
        await until(lambda: actual(keeper)("value") == "1200" and keeper.members()[0].state == "online")
        assert actual(keeper)("sourceTimestamp") == 1_786_000_000_000
        await until(lambda: mapper.statistics().waiting_reports == 0)


async def test_a_change_of_quality_leaves_value_and_time_alone(tmp_path: Path, broker: PrivateBroker) -> None:
    async with hub(tmp_path, broker, PUMP) as keeper, side(broker) as mapper:
        mapper.add(ID, ignore)
        mapper.report(ID, [reading("1200", 77)])
        mapper.report(ID, [reading(None, 0, quality="bad", reason="no answer")])
        await until(lambda: actual(keeper)("quality") == "bad")
        assert (actual(keeper)("value"), actual(keeper)("sourceTimestamp")) == ("1200", 77)
        assert actual(keeper)("reason") == "no answer"


async def test_a_property_that_was_never_read_can_be_bad(tmp_path: Path, broker: PrivateBroker) -> None:
    async with hub(tmp_path, broker, PUMP), side(broker) as mapper:
        mapper.add(ID, ignore)
        mapper.report(ID, [reading(None, 0, quality="bad", reason="no answer")])
        await until(lambda: mapper.statistics().waiting_reports == 0)
        assert mapper.statistics().refused_messages == 0


async def test_one_report_is_under_way_per_device_and_order_is_kept(broker: PrivateBroker) -> None:
    async def answer_late() -> None:
        await until(lambda: len(listener.updates) == 1)
        await asyncio.sleep(0.1)
        assert len(listener.updates) == 1
        held.clear()
        listener.transport.publish(
            topics.of_device(ID, topics.TWIN_RESULT), json.dumps(accept(listener.updates[0])).encode()
        )

    held = {"first"}
    listener = Listener(broker, lambda update: None if held else accept(update))
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, ignore)
        for number in range(20):
            mapper.report(ID, [reading(str(number))])
        await answer_late()
        await until(lambda: len(listener.updates) == 20)
        assert listener.values == [str(number) for number in range(20)]


async def test_what_a_dead_hub_missed_it_gets_when_it_is_back(tmp_path: Path, broker: PrivateBroker) -> None:
    async with hub(tmp_path, broker, PUMP):
        pass  # its session remains, nobody reads it
    async with side(broker) as mapper:
        mapper.add(ID, ignore)
        for number in range(10):
            mapper.report(ID, [reading(str(number))])
        async with hub(tmp_path, broker, PUMP) as keeper:
            await until(lambda: actual(keeper)("value") == "9")


async def test_a_broker_that_dies_costs_nothing(broker: PrivateBroker) -> None:
    listener = Listener(broker, accept)
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, ignore)
        for number in range(100):
            mapper.report(ID, [reading(str(number))])
            if number == 50:
                await until(lambda: len(listener.updates) > 5)
                os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: mapper.statistics().waiting_reports == 0, 30)
        assert list(dict.fromkeys(listener.values)) == [str(number) for number in range(100)]


async def test_a_device_the_hub_learns_later_loses_nothing(
    tmp_path: Path, broker: PrivateBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.report_queue.FIRST_WAIT", 0.2)
    async with hub(tmp_path, broker) as keeper, side(broker) as mapper:
        mapper.add(ID, ignore)
        with caplog.at_level(logging.INFO, "eventbus"):
            mapper.report(ID, [reading("1")])
            await until(lambda: "does not take its reports" in caplog.text)
            mapper.report(ID, [reading("2")])
            keeper.declare([PUMP])
            await until(lambda: actual(keeper)("value") == "2")
        assert caplog.text.count("does not take its reports") == 1
        assert caplog.text.count("takes its reports again") == 1


async def test_a_refused_report_is_given_up_and_said_once(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse_x(update: dict[str, Any]) -> dict[str, Any]:
        bad = update["twin"]["speed"]["actual"]["value"] == "x"
        return accept(update) | ({"code": 400, "reason": "the value is not int"} if bad else {})

    listener = Listener(broker, refuse_x)
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, ignore)
        for value in ("x", "x", "5"):
            mapper.report(ID, [reading(value)])
        await until(lambda: mapper.statistics().waiting_reports == 0)
        assert listener.values == ["x", "x", "5"]
        assert mapper.statistics().refused_messages == 2
        assert caplog.text.count("the value is not int") == 1


async def test_a_full_queue_folds_the_oldest_and_counts(broker: PrivateBroker) -> None:
    async with side(broker, most_cycles=5) as mapper:
        mapper.add(ID, ignore)
        for number in range(100):
            mapper.report(ID, [reading(str(number))])
        statistics = mapper.statistics()
        assert (statistics.waiting_readings, statistics.folded_readings) == (5, 94)
        assert statistics.waiting_reports == 6
        assert 0 < statistics.oldest < 5


async def test_all_queues_together_are_bounded(broker: PrivateBroker) -> None:
    async with side(broker, most_readings=10) as mapper:
        for device in range(4):
            mapper.add(f"default/d{device}", ignore)
            for number in range(10):
                mapper.report(f"default/d{device}", [reading(str(number))])
        statistics = mapper.statistics()
        assert statistics.waiting_readings <= 10 + 3
        assert statistics.waiting_readings + statistics.folded_readings + 4 == 40


async def test_open_wishes_are_heard_at_the_start_and_when_they_change(tmp_path: Path, broker: PrivateBroker) -> None:
    heard: list[dict[str, str]] = []
    async with hub(tmp_path, broker, PUMP) as keeper:
        keeper.update(ID, {"speed": wish("1500")})
        async with side(broker) as mapper:
            mapper.add(ID, lambda wishes: heard.append(dict(wishes)))
            await until(lambda: heard == [{"speed": "1500"}])
            async with Mqtt5Transport(Session(broker.url, "app")) as app:
                body = {"event_id": "e", "twin": {"speed": {"expected": {"value": "900"}}}}
                app.publish(topics.of_device(ID, topics.TWIN_UPDATE), json.dumps(body).encode())
                await until(lambda: heard[-1] == {"speed": "900"})
            mapper.report(ID, [reading("900")])
            await until(lambda: mapper.statistics().waiting_reports == 0)
        async with side(broker) as mapper:
            mapper.add(ID, lambda wishes: heard.append(dict(wishes)))
            await until(lambda: heard[-1] == {})


async def test_an_unconfirmed_state_is_said_again(broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_side, "STATE_WAIT", 0.1)
    listener = Listener(broker, accept)
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, ignore)
        mapper.state(ID, "online")
        said = topics.of_device(ID, topics.STATE_UPDATE)
        await until(lambda: listener.others.count(said) >= 2)
        result = {"event_id": "x", "timestamp": 1, "device": {"name": "pump", "state": "online"}}
        listener.transport.publish(f"{said}/result", json.dumps(result).encode())
        await asyncio.sleep(0.2)
        count = listener.others.count(said)
        await asyncio.sleep(1.2)
        assert listener.others.count(said) == count


async def test_a_silent_hub_is_said_once_in_the_log(
    broker: PrivateBroker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_side, "SILENCE", 0.1)
    silent = {"yes"}
    listener = Listener(broker, lambda update: None if silent else accept(update))
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, ignore)
        with caplog.at_level(logging.INFO, "eventbus"):
            mapper.report(ID, [reading("1")])
            await until(lambda: "does not answer" in caplog.text)
            silent.clear()
            answer = json.dumps(accept(listener.updates[0])).encode()
            listener.transport.publish(topics.of_device(ID, topics.TWIN_RESULT), answer)
            await until(lambda: "answers again" in caplog.text)
        assert caplog.text.count("does not answer") == 1


@pytest.mark.parametrize("end", [topics.TWIN_RESULT, topics.TWIN_DELTA, topics.TWIN_GET_RESULT, topics.STATE_RESULT])
async def test_nonsense_from_the_bus_is_passed_over(broker: PrivateBroker, end: str) -> None:
    listener = Listener(broker, accept)
    heard: list[Mapping[str, str]] = []
    async with listener.transport, side(broker) as mapper:
        mapper.add(ID, heard.append)
        await until(lambda: topics.of_device(ID, topics.TWIN_GET) in listener.others)
        nonsense = (
            b"",
            b"null",
            b"[]",
            b"\xff",
            b'{"delta": 5}',
            b'{"twin": {"a": 1}}',
            b"[" * 5000,
            b'{"device":3}',
        )
        for payload in nonsense:
            listener.transport.publish(topics.of_device(ID, end), payload)
            listener.transport.publish(topics.of_device("no/body", end), payload)
        mapper.report(ID, [reading("1")])
        await until(lambda: mapper.statistics().waiting_reports == 0)


async def test_a_removed_device_is_spoken_for_no_more(broker: PrivateBroker) -> None:
    async with side(broker) as mapper:
        mapper.add(ID, ignore)
        mapper.report(ID, [reading("1")])
        mapper.report(ID, [reading("2")])
        mapper.remove(ID)
        assert mapper.statistics().waiting_reports == mapper.statistics().waiting_readings == 0


def actual(keeper: Keeper) -> Callable[[str], Any]:
    """Fields of the pump's reported value, empty while there is none."""

    def field(name: str) -> Any:
        twin = (keeper.get(ID) or {}).get("speed", MsgTwin()).actual
        if twin is None:
            return None
        return twin.value if name == "value" else getattr(twin.metadata, name)

    return field


def wish(text: str) -> MsgTwin:
    return MsgTwin(expected=TwinValue(text))
