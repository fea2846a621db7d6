"""The plain wire: one connection, one message a frame, each confirmed by itself, resent, or given up."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from edge_site import PUMP, Open
from stub_cloud import StubCloud, content, until

from link import uplink
from link.handshake import Channel
from link.rows import confirm
from twin.documents import MsgTwin

OTHER = replace(PUMP, name="unknown")


async def test_there_is_one_connection_and_a_message_a_frame(edge: Open, plain_cloud: StubCloud) -> None:
    async with edge(plain_cloud.port, documents={"Device/default/pump": {"kind": "Device"}}) as running:
        for n in range(40):
            running.report(n)
        link = await plain_cloud.link()
        await until(lambda: not running.journal.outbox_depth)
        assert [made.hello.channel for made in plain_cloud.links] == [Channel.HUB]
        assert all(frame.startswith(b"{") and frame.endswith(b"}\n") for frame in link.frames)
        assert not [m for m in link.messages if m.route.source == "twinhub"], "KubeEdge knows no such thing"
        values = [content(m)["twin"]["speed"]["actual"]["value"] for m in link.reports]
        assert values == ["0", *map(str, range(40))], "a real cloudcore loses the first of each property"


async def test_at_most_sixteen_are_under_way(edge: Open, plain_cloud: StubCloud) -> None:
    plain_cloud.confirms = False
    async with edge(plain_cloud.port) as running:
        for n in range(40):
            running.report(n)
        link = await plain_cloud.link()
        await until(lambda: len({m.header.msg_id for m in link.reports}) == 16)
        for report in link.reports[3:6]:
            await link.send(confirm(report))
        await until(lambda: len({m.header.msg_id for m in link.reports}) == 19)
        assert running.journal.outbox_depth == 40, "the first is not confirmed yet"
        await link.send(confirm(link.reports[0]))
        await link.send(confirm(link.reports[2]))
        await until(lambda: running.journal.outbox_depth == 35)


async def test_what_is_not_confirmed_comes_again_with_the_same_id_also_on_the_next_connection(
    edge: Open, plain_cloud: StubCloud
) -> None:
    plain_cloud.confirms = False
    async with edge(plain_cloud.port) as running:
        running.report(1)
        first = await plain_cloud.link()
        await until(lambda: first.reports)
        first.cut()
        second = await plain_cloud.link(number=2)
        await until(lambda: second.reports)
        assert second.reports[0].header.msg_id == first.reports[0].header.msg_id
        await second.send(confirm(second.reports[0]))
        await until(lambda: not running.journal.outbox_depth)


async def test_what_is_never_confirmed_is_given_up_and_keeps_nobody_waiting(
    edge: Open, plain_cloud: StubCloud, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uplink, "RESEND_AFTER", 0.1)
    plain_cloud.confirms = False
    async with edge(plain_cloud.port, local=[PUMP, OTHER]) as running:
        link = await plain_cloud.link()
        for n in range(3):
            running.report(n, device="default/unknown")
        running.report(7)
        await until(lambda: [m for m in link.reports if "/pump/" in m.route.resource])
        for report in [m for m in link.reports if "/pump/" in m.route.resource]:
            await link.send(confirm(report))
        await until(lambda: not running.journal.outbox_depth)
        counts = running.link.statistics().counts
        assert counts.unconfirmed == 3
    told = [r.getMessage() for r in caplog.records if "does not confirm" in r.getMessage()]
    assert len(told) == 1
    assert "default/unknown" in told[0]


async def test_a_deleted_twin_goes_up_as_deleted_and_never_as_null(edge: Open, plain_cloud: StubCloud) -> None:
    async with edge(plain_cloud.port) as running:
        running.report(1)
        running.keeper.update("default/pump", {"speed": None})
        running.keeper.update("default/pump", {"gone": MsgTwin(actual=None)})
        await running.journal.flush()
        link = await plain_cloud.link()
        await until(lambda: not running.journal.outbox_depth)
        twins = [content(m)["twin"]["speed"] for m in link.reports if "speed" in content(m)["twin"]]
        assert None not in twins
        assert twins[-1]["metadata"] == {"type": "deleted"}


async def test_a_cloud_that_becomes_ours_gets_three_channels(edge: Open, plain_cloud: StubCloud) -> None:
    async with edge(plain_cloud.port) as running:
        running.report(1)
        link = await plain_cloud.link()
        await until(lambda: not running.journal.outbox_depth)
        plain_cloud.plain = False
        plain_cloud.resume = lambda _: 1
        link.cut()
        bus = await plain_cloud.link(Channel.BUS)
        running.report(2)
        await until(lambda: bus.numbers == [2])
        plain_cloud.plain = True
        for known in plain_cloud.open():
            known.cut()
        await until(lambda: [x for x in plain_cloud.open() if x.hello.plain])
        running.report(3)
        await until(lambda: not running.journal.outbox_depth)
        await asyncio.sleep(0)
        assert len(plain_cloud.open()) == 1
