"""The conversations that the real edgecore held, replayed against the hub through a real broker.

Every reply has to match in topic, order and content, but for times, random ids and the improvements listed here.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from device_models import Device
from eventbus import topics
from eventbus.broker import PrivateBroker
from eventbus.hub_side import HubSide
from eventbus.mqtt5_transport import Mqtt5Transport
from eventbus.transport import Message, Session
from twin.journal import Journal
from twin.keeper import Keeper
from twin.rules import Rules

GOLDEN = Path(__file__).parent / "golden" / "kubeedge_mqtt.jsonl"
NODE = "edge-7"
DEVICES = [
    Device("default", "pump-01", "m", "external", description="cooling loop"),
    Device("default", "valve-02", "m", "external"),
    Device("plant-a", "pump-01", "m", "external", description="same name, other namespace"),
]

IMPROVED = {
    "unknown device 3": "a state of an unknown device is refused, not ignored",
    "malformed update 22": "bytes that are not UTF-8 are unreadable rather than a bad value",
    **{f"state update {n}": "an unknown state is refused, not ignored" for n in range(9, 14)},
    **{f"state update malformed {n}": "an unreadable state is refused, not ignored" for n in range(1, 6)},
    **dict.fromkeys(
        ("cloud_updated 9", "multi-property update 2"),
        "a wish that is taken back is told, or a mapper would go on trying to fulfil it",
    ),
    "cloud_updated 11": "a cloud value of the wrong type is refused, not ignored",
    "cloud_updated 18": "the reason says which rule the value breaks",
}
"""Steps whose replies differ on purpose, and why."""

NOT_SENT = {
    **{f"topics without an answer {n}": "the one-level form of a device id is answered" for n in (1, 2)},
    **{f"delete: unknown name {n}": "an unknown name does not stop the others of a message" for n in (2, 3)},
    **{f"delete: unknown name among others {n}": "as above; what edgecore does is random" for n in (1, 2, 3)},
    **{f"get after a restart {n}": "shows what the steps above did by chance" for n in (1,)},
}
"""Steps that would leave other values than edgecore's: `test_hub_side.py` tries what they are about."""

LENIENT = {
    "type not allowed 1": "double is a type",
    "type not allowed 2": "bytes is a type",
    **{f"value characters and size {n}": "any text is a value" for n in (1, 2, 3, 5, 6, 7, 8, 9, *range(11, 17))},
    "value characters and size 17": "+5 is an int",
}
"""Not sent when the strict rules are off, which is the default: the values are taken then."""

CRASHED = "possible crash"
"""Cases in which edgecore's twin module died: the hub has to go on instead."""


@dataclass
class Step:
    name: str
    run: int
    topic: str
    payload: bytes
    qos: int
    retain: bool
    replies: list[tuple[str, Any]] = field(default_factory=list)


def steps() -> Iterator[Step]:
    step: Step | None = None
    for line in GOLDEN.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        payload = (
            base64.b64decode(row["payload_base64"]) if "payload_base64" in row else row.get("payload", "").encode()
        )
        if row["direction"] == "request":
            if step:
                yield step
            name = f"{row['case']} {row['step']}"
            step = Step(name, row["run"], row["topic"], payload, row["qos"], row["retain"])
        elif row["direction"] == "reply" and step:
            step.replies.append((row["topic"], comparable(payload)))
    if step:
        yield step


def comparable(payload: bytes) -> Any:
    """The JSON of a reply without its times, its random ids, the order of a Go map, and our detail of a reason."""
    text = re.sub(r'("timestamp": ?)\d+', r"\g<1>0", payload.decode())
    text = re.sub(r'("lastOnlineTime": ?|"last_online": ?)"[^"]+"', r'\g<1>"T"', text)
    text = re.sub(r'"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"', '"uuid"', text)
    text = re.sub(r',"sourceTimestamp": ?\d+', "", text)  # our addition: the reporter's own time
    document = json.loads(text)
    if isinstance(document.get("devices"), list):
        document["devices"].sort(key=lambda device: device["id"])
    return document


class Recorder:
    """A client that hears everything the hub says."""

    def __init__(self, transport: Mqtt5Transport) -> None:
        self.transport = transport
        self.heard: list[tuple[str, Any]] = []
        self.fence = asyncio.Event()
        self.numbers = itertools.count()
        transport.on_messages = self._on_messages

    def _on_messages(self, messages: list[Message]) -> None:
        for message in messages:
            if b"fence-" in message.payload:
                if message.topic == topics.of_node(NODE, topics.MEMBERSHIP_GET_RESULT):
                    self.fence.set()
            elif message.topic.endswith(("/result", "/document", "/delta")):
                self.heard.append((message.topic, comparable(message.payload)))
        self.transport.acknowledge([m.receipt for m in messages if m.receipt])

    async def ask(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> list[tuple[str, Any]]:
        """Publish a request and return every reply: a second request behind it tells when there are no more."""
        self.heard = []
        self.fence.clear()
        self.transport.publish(topic, payload, qos=min(qos, 1), retain=retain)
        fence = b'{"event_id":"fence-%d"}' % next(self.numbers)
        self.transport.publish(topics.of_node(NODE, topics.MEMBERSHIP_GET), fence)
        await asyncio.wait_for(self.fence.wait(), 10)
        return self.heard


@asynccontextmanager
async def hub(directory: Path, url: str, rules: Rules, run: int) -> AsyncIterator[None]:
    session = Session(url, f"hub-{run}", subscriptions=HubSide.filters(NODE))
    async with Journal(directory / f"run-{run}.db") as journal:
        keeper = Keeper(journal, rules)
        transport = Mqtt5Transport(session)
        HubSide(transport, keeper, journal, NODE, answer_on_empty_id=rules.strict)
        keeper.declare(DEVICES)
        async with transport:
            yield


async def replay(directory: Path, url: str, rules: Rules) -> dict[str, tuple[list[Any], list[Any]]]:
    """Replay the conversations; returns what differed: step → (expected, heard)."""
    differing = {}
    session = Session(url, "recorder", subscriptions=("#", "$hw/#"))
    recorder = Recorder(Mqtt5Transport(session))
    left_out = NOT_SENT if rules.strict else NOT_SENT | LENIENT
    async with recorder.transport:
        for run, group in itertools.groupby(steps(), key=lambda step: step.run):
            async with hub(directory, url, rules, run):
                if run > 1:
                    await prepare(recorder)
                for step in (step for step in group if step.name not in left_out):
                    heard = await recorder.ask(step.topic, step.payload, step.qos, step.retain)
                    if not same(step.replies, answered_on_own_topic(heard, step.replies)):
                        differing[step.name] = (step.replies, heard)
                    if step.retain:
                        await recorder.ask(step.topic, b"", retain=True)
    return differing


async def prepare(recorder: Recorder) -> None:
    for name, value, kind in (("speed", "1200", "int"), ("label", "north", "string")):
        entry = {"actual": {"value": value}, "metadata": {"type": kind}}
        update = json.dumps({"event_id": "p", "twin": {name: entry}}).encode()
        await recorder.ask(topics.of_device("default/pump-01", topics.TWIN_UPDATE), update)


def same(expected: list[tuple[str, Any]], heard: list[tuple[str, Any]]) -> bool:
    return len(expected) == len(heard) and all(map(same_reply, expected, heard))


def same_reply(expected: tuple[str, Any], heard: tuple[str, Any]) -> bool:
    """Equal, or an error of the same code whose reason begins as KubeEdge's does."""
    (topic, wanted), (heard_topic, got) = expected, heard
    if expected == heard or topic != heard_topic or "code" not in wanted or "code" not in got:
        return expected == heard
    begins = got["reason"].split()[:3] == wanted["reason"].split()[:3]
    return bool(begins and got["code"] == wanted["code"] and got["event_id"] == wanted["event_id"])


def answered_on_own_topic(heard: list[tuple[str, Any]], expected: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Where KubeEdge answers on the empty device id, the hub answers on the device's own topic.

    With KubeEdge's way switched on it does both: the one on the own topic is left out of the comparison then.
    """
    empty = topics.of_device("", topics.TWIN_RESULT)
    if not any(topic == empty for topic, _ in expected):
        return heard
    if any(topic == empty for topic, _ in heard):
        return [(topic, body) for topic, body in heard if topic == empty]
    return [(empty, body | {"event_id": ""}) for topic, body in heard if topic.endswith(topics.TWIN_RESULT)]


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "default"])
async def test_the_hub_says_what_edgecore_said(tmp_path: Path, unused_tcp_port: int, strict: bool) -> None:
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        differing = await replay(tmp_path, broker.url, Rules(strict=strict))
    surprising = {name: both for name, both in differing.items() if not name.startswith(CRASHED)}
    assert {name: both for name, both in surprising.items() if name not in IMPROVED} == {}
    assert IMPROVED.keys() <= surprising.keys(), "listed as improved, but the same"


async def test_what_ended_the_twin_module_of_edgecore_is_refused(tmp_path: Path, unused_tcp_port: int) -> None:
    async with PrivateBroker(tmp_path / "broker", port=unused_tcp_port) as broker:
        recorder = Recorder(Mqtt5Transport(Session(broker.url, "recorder", subscriptions=("$hw/#",))))
        async with recorder.transport, hub(tmp_path, broker.url, Rules(), 1):
            await prepare(recorder)
            crashing = [s for s in steps() if s.name.startswith(CRASHED) and s.name.endswith(" 1")]
            for step in crashing:
                replies = await recorder.ask(step.topic, step.payload)
                assert [body["code"] for _, body in replies] == [400], step.name
                after = await recorder.ask(topics.of_device("default/valve-02", topics.TWIN_GET), b"{}")
                assert [body["twin"] for _, body in after] == [{}], step.name
            assert len(crashing) >= 8
