"""A channel comes back by itself, notices a link that is only half there, and changes certificates without a gap."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from cable import Cable
from edge_site import QUICK, Open
from stub_cloud import HOST, StubCloud, joined, renew, until

from cloud_sync.authority import Authority
from edgehub.identity import Identity
from link.handshake import Channel

# asyncio's server leaves a transport to the garbage collector when it is closed while it accepts a connection
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def told(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if text in r.getMessage() and r.levelno >= logging.INFO]


async def test_a_loss_is_told_once_and_so_is_the_return(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgehub")
    async with edge(cloud.port) as running:
        await cloud.link()
        await cloud.stop()
        await until(lambda: "cannot be reached" in running.link.statistics().channels["hub"].trouble)
        await asyncio.sleep(0.5)
        assert not running.link.statistics().channels["hub"].up
        await cloud.start()
        await until(lambda: running.link.statistics().channels["hub"].up)
    assert len(told(caplog, "cannot be reached")) == 1
    assert len(told(caplog, "is back")) == 1


async def test_a_channel_that_alone_cannot_be_kept_is_told_once(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.turned_away = Channel.BUS
    async with edge(cloud.port) as running:
        await cloud.link(Channel.BUS, 8)
        assert running.link.statistics().channels["hub"].up
        assert len(told(caplog, "(bus): the cloud closed the link: no room for readings")) == 1
        cloud.turned_away = None
        running.report(1)
        await until(lambda: not running.journal.outbox_depth)


async def test_the_other_channels_wait_for_the_hub_s(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port):
        await cloud.link(Channel.BUS)
        cloud.turned_away = Channel.HUB
        for link in cloud.open():
            link.cut()
        await cloud.link(Channel.HUB, 6)
        assert len([link for link in cloud.links if link.hello.channel is Channel.BUS]) <= 4


async def test_an_edge_starts_and_serves_without_its_cloud(edge: Open, cloud: StubCloud) -> None:
    port = cloud.port
    await cloud.stop()
    async with edge(port) as running:
        running.report(1)
        await running.journal.flush()
        assert running.shown().actual
        await cloud.start()
        await until(lambda: not running.journal.outbox_depth)


async def test_a_link_that_is_half_open_is_noticed(edge: Open, cloud: StubCloud) -> None:
    quick = QUICK._replace(ping_seconds=1.0, connect_timeout=0.3)
    async with Cable((HOST, cloud.port)) as cable, edge(cable.port, settings=quick) as running:
        await cloud.link()
        await cloud.link(Channel.BUS)
        cable.stall()
        began = asyncio.get_running_loop().time()
        await until(lambda: not running.link.statistics().channels["hub"].up, within=5)
        assert asyncio.get_running_loop().time() - began < 2.3
        running.report(1)
        cable.restore()
        await until(lambda: not running.journal.outbox_depth)


async def test_a_new_certificate_is_used_before_the_old_connection_ends(
    edge: Open, cloud: StubCloud, authority: Authority, tmp_path: Path
) -> None:
    async with edge(cloud.port) as running:
        old = await cloud.link()
        await cloud.link(Channel.BUS)
        serial = _serial(old)
        renew(Identity(tmp_path / "identity"), authority)
        open_then: list[bool] = []
        cloud.resume = lambda hello: open_then.append(not old.closed) or 0  # type: ignore[func-returns-value]
        running.link._renewed()
        new = await cloud.link(number=2)
        assert _serial(new) != serial
        await until(lambda: old.closed)
        assert open_then[0], "make before break"
        await cloud.link(Channel.BUS, 2)
        running.report(1)
        await until(lambda: not running.journal.outbox_depth)
        assert running.link.statistics().channels["hub"].up


async def test_an_old_connection_goes_on_while_no_new_one_can_be_made(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        assert cloud._server is not None
        cloud._server.close(close_connections=False)
        await until(lambda: cloud._server and not cloud._server.is_serving())
        running.link._renewed()
        await until(lambda: told(caplog, "the old connection goes on"))
        assert not link.closed
        assert running.link.statistics().channels["hub"].up


@pytest.mark.parametrize("case", ["another cloud's certificate", "another edge's certificate"])
async def test_wrong_certificates_are_told_with_advice(
    edge: Open, cloud: StubCloud, tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    stranger = Authority.open(tmp_path / "stranger")
    if case.startswith("another cloud"):
        joined(tmp_path / "identity", stranger, cloud.port)
    else:
        identity = joined(tmp_path / "identity", stranger, cloud.port)
        whole = identity._read()
        ours = joined(tmp_path / "ours", cloud.authority, cloud.port)._read()
        identity._save(whole._replace(ca=ours.ca))
    async with edge(cloud.port) as running:
        await until(lambda: told(caplog, "no link to the cloud"))
        await asyncio.sleep(0.3)
        assert not running.link.statistics().channels["hub"].up
        running.report(1)
        await running.journal.flush()
    assert len(told(caplog, "no link to the cloud")) == 1
    assert not cloud.links


def _serial(link: object) -> int:
    certificate = link.socket.transport.get_extra_info("ssl_object").getpeercert()  # type: ignore[attr-defined]
    return int(certificate["serialNumber"], 16)
