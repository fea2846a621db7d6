"""The hub's side of the bus, with a real broker and a real journal."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from eventbus import topics
from eventbus.broker import PrivateBroker
from eventbus.hub_side import HubSide
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session, Statistics
from twin import journal as journal_module
from twin.journal import Journal
from twin.keeper import Keeper

NODE = "edge-1"
PUMP = Device(
    "default",
    "pump",
    "m",
    "external",
    properties=(Property("speed", DataType.INT, AccessMode.READ_WRITE, minimum=0, maximum=3000, unit="rpm"),),
)
DEV = Device("dev", "node", "m", "external")
"""A namespace and a name that are parts of the topics themselves."""


@pytest.fixture
async def broker(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        yield broker


@dataclass
class Hub:
    keeper: Keeper
    journal: Journal
    side: HubSide


@asynccontextmanager
async def hub(path: Path, broker: PrivateBroker, *devices: Device, expiry: int = 0) -> AsyncIterator[Hub]:
    session = Session(broker.url, "hub", expiry=expiry, subscriptions=HubSide.filters(NODE))
    async with Journal(path / "j.db") as journal:
        keeper = Keeper(journal)
        transport = Mqtt5Transport(session)
        side = HubSide(transport, keeper, journal, NODE)
        keeper.declare(devices or (PUMP, DEV))
        async with transport:
            yield Hub(keeper, journal, side)
        await journal.flush()


class App:
    """An application: asks, and waits for what it is told."""

    def __init__(self, broker: PrivateBroker) -> None:
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        filters = [f"$hw/events/device/{levels}/{end}" for levels in ("+", "+/+") for end in ("twin/#", "state/#")]
        session = Session(broker.url, "app", subscriptions=(*filters, "$hw/events/node/#"))
        self.transport = Mqtt5Transport(session)
        self.transport.on_messages = self._on_messages

    def _on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            if message.topic.endswith(("/result", "/document", "/delta", "/updated")):
                self.heard.put_nowait((message.topic, json.loads(message.payload)))
        self.transport.acknowledge([m.receipt for m in messages if m.receipt])

    def send(self, topic: str, body: Any) -> None:
        self.transport.publish(topic, body if isinstance(body, bytes) else json.dumps(body).encode())

    async def next(self, end: str) -> tuple[str, Any]:
        """The next message whose topic has that end; others are passed over."""
        async with asyncio.timeout(10):
            while True:
                topic, body = await self.heard.get()
                if topic.endswith(end):
                    return topic, body


def update(device_id: str = "default/pump") -> str:
    return topics.of_device(device_id, topics.TWIN_UPDATE)


def reports(event_id: str = "", **values: str) -> dict[str, Any]:
    return {"event_id": event_id, "twin": {name: {"actual": {"value": text}} for name, text in values.items()}}


async def test_the_one_level_form_is_answered_on_the_form_it_used(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        app.send("$hw/events/device/pump/twin/update", reports("e", speed="5"))
        assert (await app.next("update/result"))[0] == "$hw/events/device/pump/twin/update/result"
        app.send("$hw/events/device/default/pump/twin/get", {"event_id": "g"})
        topic, body = await app.next("get/result")
        assert topic == "$hw/events/device/default/pump/twin/get/result"
        assert body["twin"]["speed"]["actual"]["value"] == "5"


async def test_names_that_are_parts_of_a_topic_are_names(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        app.send(update("dev/node"), reports("e", x="1"))
        assert (await app.next("update/result"))[1]["twin"]["x"]["actual"]["value"] == "1"


async def test_an_unknown_name_to_delete_does_not_stop_the_others(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        app.send(update(), {"event_id": "e", "twin": {"a0": None, "speed": {"actual": {"value": "7"}}, "b0": None}})
        assert set((await app.next("update/result"))[1]["twin"]) == {"speed"}
        document = (await app.next("document"))[1]["twin"]
        assert document["a0"] == {"last": None, "current": None}
        assert document["speed"]["current"]["actual"]["value"] == "7"


async def test_refusals_are_answered_on_the_own_topic_with_the_own_event_id(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        for body, reason in (
            ({"event_id": "e", "twin": {"speed": {"expected": {"value": "3001"}}}}, "3000 rpm"),
            ({"event_id": "e", "twin": {"speed": {"actual": {}}}}, "missing"),
            ({"event_id": "e", "twin": {"a b": {"actual": {"value": "1"}}}}, "key of twin"),
            ({"event_id": "e", "twin": {"speed": {"actual": {"value": 5}}}}, "please check"),
            ({"event_id": "e"}, "key:twin does not exist"),
        ):
            app.send(update(), body)
            topic, said = await app.next("result")
            assert (topic, said["code"], said["event_id"]) == (f"{update()}/result", 400, "e")
            assert reason in said["reason"]


async def test_what_is_too_large_for_a_message_is_said_so(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        for n in range(2):
            app.send(update(), reports(f"e-{n}", **{f"p{n}_{m}": "x" * 60_000 for m in range(10)}))
            assert "code" not in (await app.next("update/result"))[1]
        app.send(topics.of_device("default/pump", topics.TWIN_GET), {"event_id": "g"})
        said = (await app.next("get/result"))[1]
        assert (said["event_id"], said["code"]) == ("g", 400)
        assert "1048576" in said["reason"]


async def test_an_update_is_acknowledged_though_its_result_is_too_large(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        app.send(update(), reports("e", **{f"p{m}": "x" * 500 for m in range(1_900)}))
        said = (await app.next("update/result"))[1]
        assert (said["event_id"], said["twin"]) == ("e", {})


async def test_states_are_answered_good_or_bad(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker), app.transport:
        state = topics.of_device("default/pump", topics.STATE_UPDATE)
        app.send(state, {"event_id": "s", "state": "online"})
        assert (await app.next("state/update/result"))[1]["device"]["state"] == "online"
        app.send(state, {"event_id": "s", "state": "disconnected"})
        said = (await app.next("state/update/result"))[1]
        assert (said["code"], said["event_id"]) == (400, "s")


async def test_apps_hear_of_devices_that_come_and_go(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker, PUMP) as edge, app.transport:
        edge.side.announce(edge.keeper.declare([PUMP, DEV]))
        topic, body = await app.next("membership/updated")
        assert topic == f"$hw/events/node/{NODE}/membership/updated"
        assert body["added_devices"] == [{"id": "dev/node", "name": "node"}]
        assert body["removed_devices"] is None
        edge.side.announce(edge.keeper.declare([PUMP]))
        assert (await app.next("membership/updated"))[1]["removed_devices"] == [{"id": "dev/node", "name": "node"}]


async def test_a_wish_from_inside_is_told_like_any_other(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with hub(tmp_path, broker) as edge, app.transport:
        assert edge.side.wish("default/pump", {"speed": "1500"}) is None
        assert (await app.next("update/delta"))[1]["delta"] == {"speed": "1500"}
        assert "3000" in (edge.side.wish("default/pump", {"speed": "4000"}) or "")


async def test_on_the_topic_for_wishes_nobody_reports(tmp_path: Path, broker: PrivateBroker) -> None:
    app, topic = App(broker), topics.of_device("default/pump", topics.TWIN_DESIRED)
    async with hub(tmp_path, broker), app.transport:
        app.send(update(), reports("r", speed="7"))
        await app.next("update/result")
        app.send(topic, {"event_id": "w", "twin": {"speed": {"expected": {"value": "20"}}}})
        assert (await app.next("update/result"))[1]["event_id"] == "w"
        assert (await app.next("/delta"))[1]["delta"] == {"speed": "20"}
        both = {"expected": {"value": "30"}, "actual": {"value": "30"}}
        typed = {"expected": {"value": "30"}, "metadata": {"type": "string"}}
        for wrong in ({"actual": {"value": "30"}}, both, typed, None):
            app.send(topic, {"event_id": "e", "twin": {"speed": wrong}})
            answer = (await app.next("update/result"))[1]
            assert (answer["event_id"], answer["code"]) == ("e", 400)
            assert "report on twin/update" in answer["reason"]
        app.send(topics.of_device("default/pump", topics.TWIN_GET), {})
        speed = (await app.next("get/result"))[1]["twin"]["speed"]
        assert (speed["actual"]["value"], speed["expected"]["value"]) == ("7", "20")


async def test_a_wish_that_is_taken_back_is_told_though_nothing_differs(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    """A mapper whose device is away would write the old one when the device is back."""
    app = App(broker)
    async with hub(tmp_path, broker, PUMP) as edge, app.transport:
        app.send(update(), reports(speed="10"))
        await app.next("update/result")
        edge.side.wish("default/pump", {"speed": "20"})
        assert (await app.next("update/delta"))[1]["delta"] == {"speed": "20"}
        edge.side.wish("default/pump", {"speed": "10"})
        assert (await app.next("update/delta"))[1]["delta"] == {}


async def test_what_is_sent_while_the_hub_is_away_is_processed_in_order(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    app = App(broker)
    async with app.transport:
        async with hub(tmp_path, broker, expiry=600):
            app.send(update(), reports("first", speed="0"))
            await app.next("update/result")
        for n in range(1, 300):
            app.send(update(), reports(f"e-{n}", speed=str(n)))
        async with hub(tmp_path, broker, expiry=600):
            for n in range(1, 300):
                assert (await app.next("update/result"))[1]["event_id"] == f"e-{n}"


async def test_a_retained_copy_does_not_go_over_what_came_after_it(tmp_path: Path, broker: PrivateBroker) -> None:
    app = App(broker)
    async with app.transport:
        async with hub(tmp_path, broker, expiry=600):
            app.transport.publish(update(), json.dumps(reports("first", speed="1")).encode(), retain=True)
            assert (await app.next("update/result"))[1]["event_id"] == "first"
            app.send(update(), reports("second", speed="2"))
            await app.next("update/result")
        async with hub(tmp_path, broker, expiry=600):
            app.send(update(), reports("third", other="3"))
            assert (await app.next("update/result"))[1]["event_id"] == "third"
            app.send(topics.of_device("default/pump", topics.TWIN_GET), {})
            assert (await app.next("get/result"))[1]["twin"]["speed"]["actual"]["value"] == "2"


async def test_dropped_answers_are_told_once_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="eventbus")
    get = [Message(topics.of_device("default/pump", topics.TWIN_GET), b"{}", 0, False)]
    async with Journal(tmp_path / "j.db") as journal:
        keeper, transport = Keeper(journal), Stale()
        HubSide(transport, keeper, journal, NODE)  # type: ignore[arg-type]
        keeper.declare([PUMP])
        await journal.flush()
        transport.full = True
        for full in (True, True, False, False):
            transport.full = full
            transport.on_messages(get)  # type: ignore[attr-defined]
        await journal.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "2 were dropped" in caplog.text


class Stale:
    """A transport that delivers what a broker would that came back from an older state of its files."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []
        self.acknowledged: list[int] = []
        self.full = False
        self.dropped = 0

    def publish(self, topic: str, payload: bytes, **_: Any) -> bool:
        self.dropped += self.full
        if not self.full:
            self.published.append((topic, payload))
        return not self.full

    def statistics(self) -> Statistics:
        return Statistics(0, 0, self.dropped, True)

    def acknowledge(self, receipts: list[int]) -> None:
        self.acknowledged += receipts

    def pause(self) -> None: ...

    def resume(self) -> None: ...


async def test_an_older_value_that_comes_again_does_not_go_over_a_newer_one(tmp_path: Path) -> None:
    messages = [
        Message(update(), json.dumps(reports(f"e-{n}", speed=str(n))).encode(), n, False) for n in range(1, 9)
    ]
    async with Journal(tmp_path / "j.db") as journal:
        keeper, transport = Keeper(journal), Stale()
        HubSide(transport, keeper, journal, NODE)  # type: ignore[arg-type]
        keeper.declare([PUMP])
        transport.on_up(False)  # type: ignore[attr-defined]
        transport.on_messages(messages[:6])  # type: ignore[attr-defined]
        await journal.flush()
        transport.on_up(True)  # type: ignore[attr-defined]
        marker = [Message(topic, body, 9, False) for topic, body in transport.published if "session" in topic]
        assert len(marker) == 1
        transport.published.clear()
        transport.on_messages(messages[2:5])  # type: ignore[attr-defined]
        await journal.flush()
        shown = keeper.get("default/pump")
        assert shown is not None
        assert shown["speed"].actual is not None
        assert shown["speed"].actual.value == "6"
        answered = [json.loads(body)["event_id"] for topic, body in transport.published]
        assert answered == ["e-3", "e-4", "e-5"], "who waits for a result gets it"
        # behind the mark even an equal message is meant
        transport.on_messages([*marker, messages[2]])  # type: ignore[attr-defined]
        await journal.flush()
        assert keeper.get("default/pump")["speed"].actual.value == "3"  # type: ignore[index,union-attr]
        assert transport.acknowledged == [1, 2, 3, 4, 5, 6, 3, 4, 5, 9, 3]


@dataclass
class Resumed:
    """A hub on a stale transport."""

    keeper: Keeper
    journal: Journal
    transport: Stale

    async def deliver(self, *messages: Message) -> list[Any]:
        """What is answered on result topics."""
        self.transport.published.clear()
        self.transport.on_messages(messages)  # type: ignore[attr-defined]
        await self.journal.flush()
        return [json.loads(body) for topic, body in self.transport.published if topic.endswith("result")]

    def speed(self) -> str | None:
        shown = self.keeper.get("default/pump")
        assert shown is not None
        assert shown["speed"].actual is not None
        return shown["speed"].actual.value


@asynccontextmanager
async def resumed(path: Path, *handled: Message) -> AsyncIterator[Resumed]:
    """A hub that handled these messages, and has just reconnected to a broker that kept its session."""
    async with Journal(path / "j.db") as journal:
        keeper, transport = Keeper(journal), Stale()
        HubSide(transport, keeper, journal, NODE)  # type: ignore[arg-type]
        keeper.declare([PUMP])
        hub = Resumed(keeper, journal, transport)
        transport.on_up(False)  # type: ignore[attr-defined]
        await hub.deliver(*handled)
        transport.on_up(True)  # type: ignore[attr-defined]
        yield hub


def message(body: dict[str, Any], topic: str = "", receipt: int = 1) -> Message:
    return Message(topic or update(), json.dumps(body).encode(), receipt, False)


async def test_a_message_of_qos_0_between_repeats_does_not_make_them_new(tmp_path: Path) -> None:
    """It was published just now, and the broker lets it overtake what waits for us."""
    one, two = (message(reports(f"e-{n}", speed=str(n))) for n in (1, 2))
    async with resumed(tmp_path, one, two) as hub:
        await hub.deliver(message(reports("fresh", speed="3"), receipt=0), one)
        assert hub.speed() == "3"


async def test_a_repeat_of_what_was_refused_is_not_answered_as_done(tmp_path: Path) -> None:
    good, bad = message(reports("good", speed="1")), message(reports("bad", speed="fast"))
    async with resumed(tmp_path, bad, good) as hub:
        first, second = await hub.deliver(bad, good)
        assert (first["event_id"], first["code"]) == ("bad", 400)
        assert (second["event_id"], "code" in second) == ("good", False)


async def test_a_state_that_comes_again_does_not_go_over_a_newer_one(tmp_path: Path) -> None:
    topic = topics.of_device("default/pump", topics.STATE_UPDATE)
    online, offline = (message({"event_id": word, "state": word}, topic) for word in ("online", "offline"))
    async with resumed(tmp_path, online, offline) as hub:
        (answer,) = await hub.deliver(online)
        assert answer["device"] == {"name": "pump", "state": "offline"}
        assert hub.keeper.members()[0].state == "offline"


async def test_a_repeat_of_what_the_disk_refused_meanwhile_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is lost while a commit is under way, which fails after the next one stands."""
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    async with resumed(tmp_path, message(reports("good", speed="1"))) as hub:
        hub.journal._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        lost = message(reports("lost", speed="2"))
        hub.transport.on_messages([lost])  # type: ignore[attr-defined]
        hub.transport.on_up(True)  # type: ignore[attr-defined]
        with pytest.raises(sqlite3.OperationalError):
            await hub.journal.flush()
        other.close()
        assert "code" not in (await hub.deliver(lost))[0]
        assert hub.speed() == "2"


async def test_topics_of_strangers_are_not_remembered(tmp_path: Path) -> None:
    """They may be 64 KiB long, each another one."""
    async with resumed(tmp_path) as hub:
        tracemalloc.start()
        for n in range(200):
            stranger = topics.of_device(f"{n}{'x' * 60_000}", topics.TWIN_GET)
            assert (await hub.deliver(message({}, stranger)))[0]["code"] == 404
        hub.transport.published.clear()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert held < 2_000_000


async def test_a_disk_that_fails_is_answered_500_and_nothing_stays(
    tmp_path: Path, broker: PrivateBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ATTEMPTS", 1)
    app = App(broker)
    async with hub(tmp_path, broker) as edge, app.transport:
        app.send(update(), reports("good", speed="1"))
        await app.next("update/result")
        edge.journal._db.execute("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        app.send(update(), reports("bad", speed="2"))
        said = (await app.next("update/result"))[1]
        assert (said["event_id"], said["code"]) == ("bad", 500)
        other.execute("ROLLBACK")
        other.close()
        app.send(topics.of_device("default/pump", topics.TWIN_GET), {"event_id": "g"})
        assert (await app.next("get/result"))[1]["twin"]["speed"]["actual"]["value"] == "1"
        app.send(update(), reports("again", speed="3"))
        assert "code" not in (await app.next("update/result"))[1]
