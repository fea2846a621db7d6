"""The recorded conversation of a real cloud, replayed against this end: it answers as a real edge did.

The frames of the cloud side are sent as they were; what this end sends is compared with what the real edge sent,
ids and times left aside. Where the two differ on purpose stands with each comparison.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_site import Edge, Open
from stub_cloud import Link, StubCloud, content, until

from device_models import ProtocolSchema
from link.acknowledgement import is_acknowledgement
from link.message import Message, decode
from twin.documents import MsgTwin, TwinValue, TypeMetadata

GOLDEN = Path(__file__).parents[1] / "link" / "golden" / "kubeedge_hub.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
UP, DOWN = "edge-to-cloud", "cloud-to-edge"
ANY = ProtocolSchema({}, {})


def frames(direction: str, case: str) -> Iterator[tuple[bytes, Message]]:
    """What was sent in a case, in order; keepalives, which run through all cases, left out."""
    for line in LINES:
        if line["case"] == case and line["kind"] == "message" and line["direction"] == direction:
            frame = json.dumps(line["message"], ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            [message] = decode(frame)
            if message.route.operation != "keepalive":
                yield frame, message


def of_connection(number: int) -> list[bytes]:
    """Everything the cloud sent on one recorded connection but confirmations of reports."""
    found = []
    for line in LINES:
        if line["kind"] == "message" and line["direction"] == DOWN and line["connection"] == number:
            message = line["message"]
            if message["route"]["operation"] != "response":
                found.append(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return found


def form(message: Message) -> tuple[Any, ...]:
    """What is compared of an acknowledgement: all but its own id and time."""
    route = message.route
    return message.header.parent_msg_id, route.source, route.group, route.operation, route.resource, content(message)


@asynccontextmanager
async def linked(edge: Open, cloud: StubCloud) -> AsyncIterator[tuple[Edge, Link]]:
    async with edge(cloud.port, local=(), protocols={"modbus": ANY}) as running:
        link = await cloud.link()
        yield running, link


CASES = sorted({line["case"] for line in LINES if line["kind"] == "message" and line["direction"] == DOWN})
WITHHELD = {"ACK withheld, then given", "ACK as error"}
"""There the recorder kept the edge's acknowledgements back, or changed them."""


@pytest.mark.parametrize("case", [c for c in CASES if not c.startswith("foreign") and c not in WITHHELD])
async def test_every_frame_is_acknowledged_as_the_real_edge_did(
    edge: Open, plain_cloud: StubCloud, case: str
) -> None:
    recorded = [form(message) for _, message in frames(UP, case) if is_acknowledgement(message)]
    async with linked(edge, plain_cloud) as (_, link):
        for frame, _ in frames(DOWN, case):
            await link.send_raw(frame)
        await until(lambda: len(link.of("response")) >= len(recorded))
        await asyncio.sleep(0.05)
        assert sorted(form(message) for message in link.of("response")) == sorted(recorded)


async def test_the_whole_conversation_leaves_what_the_cloud_meant(edge: Open, plain_cloud: StubCloud) -> None:
    async with linked(edge, plain_cloud) as (running, link):
        sent: list[bytes] = of_connection(1)
        for frame in sent:
            await link.send_raw(frame)
        await until(lambda: running.applied and {d.id for d in running.applied[-1]} == {
            "default/pump-01", "default/pump-02"
        })  # fmt: skip
        assert not running.link.statistics().conditions
        pump = running.keeper.device("default/pump-01")
        assert pump is not None
        assert pump.description
        assert {prop.name for prop in pump.properties} == {"speed", "temp", "label", "running"}
        for frame in of_connection(2):
            await link.send_raw(frame)
        await until(lambda: {d.id for d in running.applied[-1]} == {"default/pump-01"})
        for frame in of_connection(4):
            await link.send_raw(frame)
        await until(lambda: running.applied[-1] == [])
        assert running.link.statistics().objects == 0
        assert running.link.statistics().counts.unreadable == 0
        assert running.link.statistics().refused == 0


async def test_it_begins_like_a_real_edge(edge: Open, plain_cloud: StubCloud) -> None:
    recorded = [
        message for line in LINES if line["case"] == "connect" and line.get("direction") == UP and "message" in line
        for message in decode(json.dumps(line["message"]))
    ][:2]  # fmt: skip
    async with linked(edge, plain_cloud) as (_, link):
        await until(lambda: len(link.messages) >= 2)
    assert [m.route for m in link.messages[:2]] == [m.route for m in recorded]
    assert content(link.messages[0]) == content(recorded[0]) == "ping"
    ours, theirs = (json.loads(content(m)) for m in (link.messages[1], recorded[1]))
    varying = {"event_id", "timestamp"}
    assert {k: v for k, v in ours.items() if k not in varying} == {
        k: v for k, v in theirs.items() if k not in varying
    }


async def test_reports_are_the_real_edge_s(edge: Open, plain_cloud: StubCloud) -> None:
    """Ours carry the unit beside the type, a wish with what is reported, and no second report of an equal value; the
    first of each property goes twice, for a real cloud loses it."""
    async with linked(edge, plain_cloud) as (running, link):
        for case in ("device created", "second device of the same model"):
            for frame, _ in frames(DOWN, case):
                await link.send_raw(frame)
        await until(lambda: running.keeper.device("default/pump-01"))
        for case, value in (("first twin report", "1200"), ("second twin report", "1210")):
            running.keeper.update(
                "default/pump-01", {"speed": MsgTwin(actual=TwinValue(value), metadata=TypeMetadata("int"))}
            )
            await running.journal.flush()
            [theirs] = [m for _, m in frames(UP, case)]
            await until(lambda: not running.journal.outbox_depth)
            ours = link.reports[-1]
            assert ours.route == theirs.route
            assert told(content(ours)["twin"]) == told(content(theirs)["twin"])
        assert len(link.reports) == 3


async def test_a_state_is_the_real_edge_s(edge: Open, plain_cloud: StubCloud) -> None:
    async with linked(edge, plain_cloud) as (running, link):
        for frame, _ in frames(DOWN, "device created"):
            await link.send_raw(frame)
        await until(lambda: running.keeper.device("default/pump-01"))
        for state in ("online", "offline"):
            running.keeper.set_state("default/pump-01", state)
        await running.journal.flush()
        await until(lambda: len(link.reports) == 2)
        theirs = [m for _, m in frames(UP, "state report") if m.route.resource.endswith("state/update")][:2]
        for ours, recorded in zip(link.reports, theirs, strict=True):
            assert ours.route == recorded.route
            mine, real = (json.loads(content(m)) for m in (ours, recorded))
            assert mine.keys() == real.keys()
            assert {k: v for k, v in mine["device"].items() if k != "lastOnlineTime"} == {
                k: v for k, v in real["device"].items() if k != "lastOnlineTime"
            }


def told(twin: dict[str, Any]) -> dict[str, Any]:
    """Without the times, and without the unit, which only we say."""
    plain = json.loads(json.dumps(twin))
    for entry in plain.values():
        entry["metadata"].pop("unit", None)
        for side in ("expected", "actual"):
            entry.get(side, {}).pop("metadata", None)
    return dict(plain)
