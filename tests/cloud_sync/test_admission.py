import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from edge_clients import Cloud, until
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from cloud_sync.admission import NotAdmitted, RefusalLog, check
from cloud_sync.authority import Authority
from cloud_sync.tls import Peer
from link.enrolment import NODES
from link.handshake import Channel, Hello

PEER = Peer("edge-7", NODES, "1f", 0.0, 1_000.0)
BROKEN = (OSError, EOFError, InvalidHandshake, ConnectionClosed)
"""How a client learns that TLS refused it, depending on who notices first."""


@pytest.mark.parametrize(
    ("node", "now", "revoked", "room", "status"),
    [
        ("edge-8", 999.0, False, True, HTTPStatus.FORBIDDEN),
        ("edge-7", 1_000.0, False, True, HTTPStatus.FORBIDDEN),
        ("edge-7", 999.0, True, True, HTTPStatus.FORBIDDEN),
        ("edge-7", 999.0, False, False, HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
def test_each_reason_not_to_admit_has_its_status(
    node: str, now: float, revoked: bool, room: bool, status: HTTPStatus
) -> None:
    check(Hello("edge-7"), PEER, 999.0, revoked=False, room=True)
    with pytest.raises(NotAdmitted) as refused:
        check(Hello(node), PEER, now, revoked=revoked, room=room)
    assert refused.value.status == status


def test_a_refusal_is_said_once_for_each_node_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    log = RefusalLog()
    for node, reason in (("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
        log.refused(node, "192.0.2.1:1", reason)
    assert (len(caplog.records), log.count) == (3, 5)
    log.admitted("a")
    log.refused("a", "192.0.2.1:1", "x")
    assert len(caplog.records) == 4


def test_many_refusals_do_not_make_the_log_grow(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    log = RefusalLog()
    for number in range(log.NODES + 50):
        log.refused(f"node-{number}", "", "x")
        log.refused("one", "", f"reason {number}")
    assert len(log._said) <= log.NODES
    assert max(map(len, log._said.values())) <= log.REASONS


async def refusal(cloud: Cloud, hello: Hello, context: ssl.SSLContext, **said: str) -> tuple[int, str]:
    """Status and text with which the handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with cloud.dial(hello, context, **said):
            pass
    response = refused.value.response
    assert response.body is not None
    text = response.body.decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return response.status_code, text


async def test_the_certificate_must_be_of_the_node_that_connects(cloud: Cloud) -> None:
    for channel in Channel:
        hello = Hello("edge-7", channel=channel, journal="a" * 32)
        status, text = await refusal(cloud, hello, cloud.identity("edge-8"))
        assert (status, "the certificate is for node edge-8" in text) == (403, True)
    status, text = await refusal(cloud, Hello("edge-7"), cloud.identity("edge-8"))
    assert status == 403
    assert cloud.server.links() == []
    assert cloud.server.refused_handshakes == 4


async def test_an_operator_is_no_edge(cloud: Cloud) -> None:
    context = cloud.stranger()
    context.load_cert_chain(cloud.authority.operator_identity())
    status, text = await refusal(cloud, Hello("edge-7"), context)
    assert (status, "no node" in text) == (403, True)


async def test_a_revoked_node_and_a_revoked_certificate_are_refused(cloud: Cloud) -> None:
    context = cloud.identity("edge-7")
    async with cloud.edge("edge-7", context=context):
        pass
    await cloud.registry.revoke("edge-7")
    status, text = await refusal(cloud, Hello("edge-7"), context)
    assert (status, "is revoked" in text) == (403, True)


@pytest.mark.parametrize(
    "said",
    [
        {"Connectionuse": ""},
        {"Connectionuse": "other"},
        {"Node_id": ""},
        {"Node_id": "../x"},
        {"Node_id": "x" * 2_000},
        {"Twinhub-Journal": "x"},
        {"Twinhub-Channel": "other"},
    ],
)
async def test_headers_that_make_no_connection_are_an_answered_error(cloud: Cloud, said: dict[str, str]) -> None:
    status, _ = await refusal(cloud, Hello("edge-7", journal="a" * 32), cloud.identity("edge-7"), **said)
    assert status == 400


async def test_a_foreign_an_expired_and_no_certificate_are_refused_by_tls(cloud: Cloud, tmp_path: Path) -> None:
    foreign = Authority.open(tmp_path / "foreign")
    earlier = Authority.open(tmp_path / "authority", clock=lambda: time.time() - 7_200)
    for context in (
        cloud.identity("edge-7", authority=foreign),
        cloud.identity("edge-7", authority=earlier, lifetime=3_600),
        cloud.stranger(),
    ):
        with pytest.raises(BROKEN):
            async with cloud.dial(Hello("edge-7"), context) as socket:
                await socket.recv()
    assert cloud.server.links() == []


async def test_above_the_node_limit_others_are_told_to_come_later(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(node_limit=2).running() as cloud:
        async with cloud.edge("edge-1"), cloud.edge("edge-2"):
            await until(lambda: len(cloud.server.links()) == 2)
            status, text = await refusal(cloud, Hello("edge-3"), cloud.identity("edge-3"))
            assert (status, "try later" in text) == (503, True)
            async with cloud.edge("edge-2", Channel.BUS):  # one more connection of the same node
                await until(lambda: len(cloud.server.links()) == 3)
        await until(lambda: not cloud.server.links())
        async with cloud.edge("edge-3"):
            await until(lambda: cloud.links("edge-3"))


async def test_of_many_that_come_at_once_no_more_than_the_limit_stay(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(node_limit=3).running() as cloud:
        contexts = {f"edge-{number}": cloud.identity(f"edge-{number}") for number in range(8)}
        for node in contexts:
            await cloud.enrol(node)
        stayed = []

        async def come(node: str) -> None:
            try:
                async with cloud.dial(Hello(node, journal="a" * 32), contexts[node]) as socket:
                    stayed.append(node)
                    await socket.wait_closed()
            except InvalidStatus:
                return
            finally:
                if node in stayed:
                    stayed.remove(node)

        tasks = [asyncio.create_task(come(node)) for node in contexts]
        await until(lambda: sum(task.done() for task in tasks) == 5)
        assert len(stayed) == len(cloud.server.links()) == 3
        for node in contexts:
            cloud.server.disconnect(node)
        await asyncio.gather(*tasks)
