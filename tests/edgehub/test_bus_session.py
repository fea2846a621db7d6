"""The outbox goes up in order, and leaves only when the cloud has it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import msgspec
import pytest
from edge_site import QUICK, Open
from stub_cloud import StubCloud, content, until

from link.acknowledgement import acknowledge
from link.handshake import Channel, Hello
from link.rows import confirm

# asyncio's server leaves a transport to the garbage collector when it is closed while it accepts a connection
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def test_every_change_arrives_in_order_and_leaves_the_outbox(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        for n in range(1, 501):
            running.report(n)
        link = await cloud.link(Channel.BUS)
        await until(lambda: len(link.reports) == 500 and not running.journal.outbox_depth)
        assert link.numbers == list(range(1, 501))
        values = [content(m)["twin"]["speed"]["actual"]["value"] for m in link.reports]
        assert values == [str(n) for n in range(1, 501)]
        assert content(link.reports[-1])["twin"]["speed"]["actual_version"] == {"cloud": 0, "edge": 500}
        assert running.link.statistics().counts.acknowledged == 500


async def test_states_go_up_in_their_place(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        running.report(1)
        running.keeper.set_state("default/pump", "online")
        running.report(2)
        link = await cloud.link(Channel.BUS)
        await until(lambda: len(link.reports) == 3)
        said = msgspec.json.decode(content(link.reports[1]))
        assert said["device"]["state"] == "online"


async def test_nothing_leaves_the_outbox_before_the_cloud_confirms(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port) as running:
        for n in range(10):
            running.report(n)
        link = await cloud.link(Channel.BUS)
        await until(lambda: len(link.reports) == 10)
        await running.journal.flush()
        assert running.journal.outbox_depth == 10
        await link.send(confirm(link.reports[3]))
        await until(lambda: running.journal.outbox_depth == 6)


async def test_a_report_waits_until_the_cloud_knows_its_device(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, documents={}) as running:
        running.report(1)
        link = await cloud.link(Channel.BUS)
        await until(lambda: len(link.reports) == 1)
        cloud.knows = False
        running.link.local({"Device/default/pump": {"kind": "Device"}})
        running.report(2)
        hub = await cloud.link(Channel.HUB)
        await until(lambda: [m.route.resource for m in hub.of("insert")] == ["default/device/pump"])
        await running.journal.flush()
        assert len(link.reports) == 1
        await hub.send(acknowledge(hub.of("insert")[0]))
        await until(lambda: len(link.reports) == 2)


async def test_after_a_cut_it_goes_on_behind_what_the_cloud_has(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port) as running:
        for n in range(30):
            running.report(n)
        first = await cloud.link(Channel.BUS)
        await until(lambda: len(first.reports) == 30)
        cloud.resume = lambda hello: 12 if hello.channel is Channel.BUS else 0
        cloud.confirms = True
        first.cut()
        second = await cloud.link(Channel.BUS, 2)
        await until(lambda: not running.journal.outbox_depth)
        assert second.numbers == list(range(13, 31))


async def test_a_server_that_dies_in_the_middle_misses_nothing(edge: Open, cloud: StubCloud) -> None:
    kept: list[int] = []

    def resume(hello: Hello) -> int:
        known = [n for link in cloud.links if link.hello.channel is Channel.BUS for n in link.numbers]
        kept.append(max(known, default=0) // 2)
        return kept[-1] if hello.channel is Channel.BUS else 0

    cloud.confirms = False
    cloud.resume = resume
    async with edge(cloud.port) as running:
        for n in range(1, 2001):
            running.report(n)
        await until(lambda: any(link.reports for link in cloud.links))
        await cloud.stop()
        cloud.confirms = True
        await cloud.start()
        await until(lambda: not running.journal.outbox_depth)
        numbers = [link.numbers for link in cloud.links if link.hello.channel is Channel.BUS and link.numbers]
        assert all(part == list(range(part[0], part[-1] + 1)) for part in numbers), "in order, without a hole"
        assert numbers[-1][0] <= numbers[0][-1] + 1
        assert numbers[-1][-1] == 2000


async def test_a_restarted_edge_sends_what_was_left(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port) as running:
        for n in range(5):
            running.report(n)
        await running.journal.flush()
        identity = running.journal.identity
    cloud.confirms = True
    made = len(cloud.links)
    async with edge(cloud.port) as running:
        await until(lambda: not running.journal.outbox_depth)
    again = [link for link in cloud.links[made:] if link.hello.channel is Channel.BUS]
    assert again[0].numbers == [1, 2, 3, 4, 5]
    assert again[0].hello.journal == identity


async def test_a_cloud_that_forgot_is_told_everything_anew(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        running.report(7)
        running.keeper.set_state("default/pump", "online")
        first = await cloud.link(Channel.BUS)
        await until(lambda: len(first.reports) == 2 and not running.journal.outbox_depth)
        first.cut()
        second = await cloud.link(Channel.BUS, 2)
        await until(lambda: len(second.reports) == 2)
        assert content(second.reports[0])["twin"]["speed"]["actual"]["value"] == "7"
        assert second.numbers == [3, 4]


async def test_a_forgetful_cloud_that_breaks_off_does_not_fill_the_outbox(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        running.report(7)
        first = await cloud.link(Channel.BUS)
        await until(lambda: first.reports and not running.journal.outbox_depth)
        cloud.confirms = False
        for number in range(2, 6):
            (await cloud.link(Channel.BUS, number - 1)).cut()
            link = await cloud.link(Channel.BUS, number)
            await until(lambda link=link: link.reports)
            assert link.numbers == [2]


async def test_a_journal_put_back_from_a_copy_goes_on_as_a_new_one(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.resume = lambda hello: 900 if hello.journal == before else 0
    async with edge(cloud.port) as running:
        before = running.journal.identity
        running.report(1)
        await until(lambda: running.journal.identity != before)
        second = await cloud.link(Channel.BUS, 2)
        await until(lambda: second.numbers == [1])
        assert second.hello.journal == running.journal.identity
    assert [r for r in caplog.records if "older copy" in r.getMessage()]


async def test_what_was_recorded_after_a_copy_was_put_back_is_told(
    edge: Open, cloud: StubCloud, tmp_path: Path
) -> None:
    """Though it has the numbers of changes that the cloud got before the disk was lost."""
    async with edge(cloud.port) as running:
        running.report(0)
        await cloud.link(Channel.BUS)
        await until(lambda: running.journal.trimmed == 1 and not running.journal.outbox_depth)
    shutil.copy(tmp_path / "journal.db", tmp_path / "copy.db")
    cloud.resume = lambda hello: 1
    async with edge(cloud.port) as running:
        lost = running.journal.identity
        for n in range(1, 4):
            running.report(n)
        link = await cloud.link(Channel.BUS, 2)
        await until(lambda: len(link.reports) == 3)
    shutil.copy(tmp_path / "copy.db", tmp_path / "journal.db")
    cloud.resume = lambda hello: 4 if hello.journal == lost else 0
    for start in (10, 20):  # restarted once before it reaches the cloud
        async with edge(1) as running:
            for n in range(start, start + 5):
                running.report(n)
            await running.journal.flush()
    made = len(cloud.links)
    async with edge(cloud.port):
        await until(lambda: any(link.hello.journal != lost for link in cloud.links[made:] if link.reports))
        [again] = [link for link in cloud.links[made:] if link.reports]
        await until(lambda: len(again.reports) >= 10)
        values = [content(m)["twin"]["speed"]["actual"]["value"] for m in again.reports]
        assert values[:10] == [str(n) for n in (*range(10, 15), *range(20, 25))]


async def test_a_slow_cloud_gets_no_more_than_the_window(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port) as running:
        for n in range(3000):
            running.report(n)
        link = await cloud.link(Channel.BUS)
        await until(lambda: len(link.reports) > 0)
        await running.journal.flush()
        sent = running.link.statistics().counts.sent
        assert sent < 200, "16 KiB, not all there is"
        await link.send(confirm(link.reports[-1]))
        await until(lambda: running.link.statistics().counts.sent > sent)


async def test_a_backlog_leaves_at_the_rate_that_is_set(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, settings=QUICK._replace(drain_rate=200.0)) as running:
        for n in range(120):
            running.report(n)
        link = await cloud.link(Channel.BUS)
        await until(lambda: link.reports)
        began = link.reports[0].header.timestamp
        await until(lambda: len(link.reports) == 120)
        assert 0.4 <= (link.reports[-1].header.timestamp - began) / 1000 <= 2.0


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b"{", b'{"header":[]}', b"\xff", b"[" * 5000])
async def test_what_is_no_message_ends_the_connection_and_not_the_edge(
    edge: Open, cloud: StubCloud, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "edgehub")
    cloud.confirms = False
    async with edge(cloud.port) as running:
        running.report(1)
        first = await cloud.link(Channel.BUS)
        await until(lambda: first.reports)
        await first.socket.send(answer)
        cloud.confirms = True
        if answer != b"[]":
            second = await cloud.link(Channel.BUS, 2)
            await until(lambda: second.numbers == [1])
        else:
            await first.send(confirm(first.reports[0]))
        await until(lambda: not running.journal.outbox_depth)


async def test_confirmations_of_what_was_never_sent_mean_nothing(edge: Open, cloud: StubCloud) -> None:
    cloud.confirms = False
    async with edge(cloud.port) as running:
        running.report(1)
        link = await cloud.link(Channel.BUS)
        await until(lambda: link.reports)
        for parent in ("999", "-1", "x", "1e9", "٣"):
            forged = confirm(link.reports[0])
            header = msgspec.structs.replace(forged.header, parent_msg_id=parent)
            await link.send(msgspec.structs.replace(forged, header=header))
        running.report(2)
        await until(lambda: len(link.reports) == 2)
        await running.journal.flush()
        assert running.journal.outbox_depth == 2
