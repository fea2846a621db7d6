"""The certificate of a running edge is renewed in time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice, repeat
from pathlib import Path

import pytest
from enrolment_server import EnrolmentServer, enrolment_server

from cloud_sync.certificates import DAY
from edgehub import rotation
from edgehub.identity import Identity
from edgehub.rotation import keep_renewed


class Renewals:
    """Counts them, and lets a test wait for one."""

    def __init__(self) -> None:
        self.count = 0
        self._happened = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._happened.set()

    async def next(self) -> None:
        async with asyncio.timeout(10):
            await self._happened.wait()
        self._happened.clear()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EnrolmentServer]:
    async with enrolment_server(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
async def identity(server: EnrolmentServer, tmp_path: Path) -> Identity:
    joined = Identity(tmp_path / "edge")
    token = await server.tokens.issue("edge-7")
    await asyncio.to_thread(joined.enrol, "127.0.0.1", server.port, "edge-7", token)
    return joined


@asynccontextmanager
async def rotating(
    identity: Identity, renewals: Renewals, clock: Callable[[], float], delay: float = 0.01
) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_renewed(identity, renewals, clock=clock, delays=lambda: repeat(delay)))
    try:
        yield
        assert not task.done(), "it goes on for as long as the edge runs"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_certificate_that_is_due_is_renewed(server: EnrolmentServer, identity: Identity) -> None:
    before, renewals = identity.not_after, Renewals()
    server.clock.ahead = 330 * DAY
    async with rotating(identity, renewals, server.clock):
        await renewals.next()
        assert identity.not_after > before + 300 * DAY
        assert server.nodes.known["edge-7"]["issued_at"] < before, "there must be no gap"
    assert renewals.count == 1


async def test_one_that_is_not_due_is_left_alone(server: EnrolmentServer, identity: Identity) -> None:
    before, renewals = identity.not_after, Renewals()
    server.clock.ahead = 250 * DAY
    async with rotating(identity, renewals, server.clock):
        await asyncio.sleep(0.1)
    assert (renewals.count, identity.not_after) == (0, before)


async def test_it_is_noticed_when_the_clock_is_set(
    server: EnrolmentServer, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_LOOK", 0.01)
    renewals = Renewals()
    async with rotating(identity, renewals, server.clock):
        await asyncio.sleep(0.05)
        assert renewals.count == 0
        server.clock.ahead = 330 * DAY
        await renewals.next()
        assert server.nodes.known["edge-7"]["issued_at"] > time.time() + 300 * DAY


async def test_short_lived_certificates_follow_one_another(tmp_path: Path) -> None:
    async with enrolment_server(tmp_path / "cloud", lifetime=2.0) as server:
        identity, renewals = Identity(tmp_path / "edge"), Renewals()
        token = await server.tokens.issue("edge-7")
        await asyncio.to_thread(identity.enrol, "127.0.0.1", server.port, "edge-7", token)
        async with rotating(identity, renewals, server.clock):
            for _ in range(2):
                before = identity.not_after
                await renewals.next()
                assert identity.not_after > before


async def test_it_tries_until_it_succeeds_and_says_so_once(
    server: EnrolmentServer, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edgehub")
    renewals = Renewals()
    server.clock.ahead = 330 * DAY
    server.nodes.revoked_at["edge-7"] = server.clock() + DAY
    async with rotating(identity, renewals, server.clock):
        await until(lambda: caplog.text.count("got no certificate") >= 3)
        [said] = [record.message for record in caplog.records if record.name == "edgehub"]
        assert said.startswith("the certificate of this edge is not renewed as it should be, trying again: the cloud")
        assert "the node is revoked; it needs a new token to join again" in said
        server.nodes.revoked_at.clear()
        await renewals.next()
    assert caplog.records[-1].message == "the certificate of this edge is renewed"


async def test_an_identity_that_is_gone_is_waited_for(
    server: EnrolmentServer, identity: Identity, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    renewals, file = Renewals(), tmp_path / "edge" / "identity.pem"
    kept = file.read_bytes()
    file.unlink()
    server.clock.ahead = 330 * DAY
    async with rotating(identity, renewals, server.clock):
        await until(lambda: "has joined no cloud" in caplog.text)
        file.write_bytes(kept)
        await renewals.next()


async def test_by_a_clock_far_ahead_the_cloud_is_not_flooded(
    server: EnrolmentServer, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    renewals = Renewals()
    async with rotating(identity, renewals, lambda: server.clock() + 3_650 * DAY, delay=3_600.0):
        await renewals.next()
        await until(lambda: "is this machine's clock right?" in caplog.text)
        await asyncio.sleep(0.1)
    assert renewals.count == 1


def test_attempts_are_2_4_8_16_and_then_32_seconds_apart_with_jitter() -> None:
    tries = [list(islice(rotation._delays(), 8)) for _ in range(200)]
    for at, base in enumerate([2, 4, 8, 16, 32, 32, 32, 32]):
        column = [one[at] for one in tries]
        assert 0.75 * base <= min(column) < max(column) <= 1.25 * base
        assert len(set(column)) > 100
