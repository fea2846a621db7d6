"""An edge and a real cloud of ours: both ends agree, whatever happens between them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cable import Cable
from edge_clients import QUICK as QUICK_CLOUD
from edge_clients import Cloud, device, model
from edge_site import NODE, QUICK, Edge, Open
from stub_cloud import HOST, joined, until

from cloud_sync.twin_log import Change
from device_models import load_objects
from twin.documents import MsgTwin, TwinValue, TwinVersion

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PUMP_ID = "default/pump"
DOCUMENTS = {"DeviceModel/default/pump-model": model(), f"Device/{PUMP_ID}": device("pump", NODE)}
for document in DOCUMENTS.values():
    document["spec"].pop("protocol", None)
DOCUMENTS[f"Device/{PUMP_ID}"]["spec"]["protocol"] = {"protocolName": "external"}
LOCAL = list(load_objects(DOCUMENTS.values(), {}).devices.values())


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with Cloud(tmp_path / "cloud", QUICK_CLOUD).running() as cloud:
        await cloud.enrol(NODE)
        joined(tmp_path / "identity", cloud.authority, cloud.server.port, NODE)
        yield cloud


async def shown(cloud: Cloud, name: str = "speed", identity: str = PUMP_ID) -> tuple[str | None, str | None]:
    """What the cloud knows: (wished, reported)."""
    latest = (await cloud.log.latest([identity])).get(identity)
    twin = latest.twin.get(name) if latest else None
    if twin is None:
        return None, None
    return twin.expected and twin.expected.value, twin.actual and twin.actual.value


async def agree(cloud: Cloud, running: Edge, value: str) -> None:
    async def equal() -> bool:
        return (await shown(cloud))[1] == value and not running.journal.outbox_depth

    for _ in range(2000):
        if await equal():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the cloud has {await shown(cloud)}, {running.journal.outbox_depth} wait")


async def moving(running: Edge) -> None:
    """Until something leaves, or nothing is left."""
    counts = running.link.statistics().counts
    before = counts.sent
    await until(lambda: counts.sent > before or not running.journal.outbox_depth)


async def test_what_is_declared_and_reported_here_is_known_there(edge: Open, real: Cloud) -> None:
    async with edge(real.server.port, local=LOCAL, documents=DOCUMENTS) as running:
        for n in range(300):
            running.report(n)
        await agree(real, running, "299")
        readings = await real.log.readings(PUMP_ID, "speed", since=0, until=2**62, limit=1000)
        assert [reading.value for reading in readings] == [str(n) for n in range(300)]
        stored = real.registry.device(PUMP_ID)
        assert stored is not None
        assert stored.origin == NODE
        await until(lambda: len(real.links(NODE)) == 2)


async def test_what_is_declared_and_wished_there_is_served_here(edge: Open, real: Cloud) -> None:
    async with edge(real.server.port, local=()) as running:
        documents = [dict(document) for document in DOCUMENTS.values()]
        await real.apply(*documents)
        await until(lambda: running.keeper.device(PUMP_ID))
        await real.wish(PUMP_ID, speed="42")
        await until(lambda: running.keeper.get(PUMP_ID) and "speed" in (running.keeper.get(PUMP_ID) or {}))
        assert running.shown().expected.value == "42"  # type: ignore[union-attr]
        running.report(42)
        await agree(real, running, "42")
        assert not (await real.log.latest([PUMP_ID]))[PUMP_ID].unmet
        await real.registry.delete(f"Device/{PUMP_ID}")
        await until(lambda: not running.keeper.device(PUMP_ID))


async def away(real: Cloud, cable: Cable) -> None:
    cable.cut()
    await until(lambda: not real.links(NODE))


async def test_what_moved_away_and_back_meanwhile_is_told_again(edge: Open, real: Cloud, tmp_path: Path) -> None:
    there, here = (device("pump", node) for node in ("elsewhere", NODE))
    for manifest in (there, here):
        manifest["spec"]["protocol"] = {"protocolName": "external"}
    await real.enrol("elsewhere")
    async with Cable((HOST, real.server.port)) as cable:
        joined(tmp_path / "identity", real.authority, cable.port, NODE)
        async with edge(cable.port, local=(), settings=QUICK) as running:
            await real.apply(DOCUMENTS["DeviceModel/default/pump-model"], here)
            await until(lambda: running.keeper.device(PUMP_ID))
            running.report(42)
            await agree(real, running, "42")
            await away(real, cable)
            await real.apply(there)
            await real.log.rehome(PUMP_ID, "elsewhere")
            twin = MsgTwin(actual=TwinValue("7"), actual_version=TwinVersion(0, 1))
            await real.log.take("elsewhere", "e" * 32, [Change(1, PUMP_ID, {"speed": twin})])
            await real.apply(here)
            await real.log.rehome(PUMP_ID, NODE)
            cable.restore()
            await agree(real, running, "42")


async def test_what_was_declared_anew_meanwhile_begins_anew(edge: Open, real: Cloud, tmp_path: Path) -> None:
    async with Cable((HOST, real.server.port)) as cable:
        joined(tmp_path / "identity", real.authority, cable.port, NODE)
        async with edge(cable.port, local=(), settings=QUICK) as running:
            await real.apply(*DOCUMENTS.values())
            await until(lambda: running.keeper.device(PUMP_ID))
            running.report(42)
            await real.wish(PUMP_ID, speed="5")
            await agree(real, running, "42")
            await until(lambda: running.shown().expected)
            await away(real, cable)
            await real.registry.delete(f"Device/{PUMP_ID}")
            await real.log.forget(PUMP_ID)
            await real.apply(*DOCUMENTS.values())
            await real.wish(PUMP_ID, speed="6")
            cable.restore()
            await until(lambda: wished(running) == "6")
            assert running.shown().actual is None
            running.report(43)
            await agree(real, running, "43")
            assert await shown(real) == ("6", "43")


def wished(running: Edge) -> str | None:
    twin = (running.keeper.get(PUMP_ID) or {}).get("speed")
    return twin.expected.value if twin and twin.expected else None


async def test_both_ends_agree_after_many_cuts(edge: Open, real: Cloud, tmp_path: Path) -> None:
    chance = random.Random(7)
    async with Cable((HOST, real.server.port)) as cable:
        joined(tmp_path / "identity", real.authority, cable.port, NODE)
        async with edge(cable.port, local=LOCAL, documents=DOCUMENTS, settings=QUICK) as running:
            sent = 0
            for _ in range(15):
                for _ in range(chance.randrange(200)):
                    running.report(sent)
                    sent += 1
                await running.journal.flush()
                await moving(running)
                cable.kill_connections()
            running.report("2999")
            await agree(real, running, "2999")
            readings = await real.log.readings(PUMP_ID, "speed", since=0, until=2**62, limit=10_000)
            assert [r.value for r in readings] == [*(str(n) for n in range(sent)), "2999"]


async def test_a_wish_passes_a_flood_on_a_slow_line(edge: Open, real: Cloud, tmp_path: Path) -> None:
    async with Cable((HOST, real.server.port)) as cable:
        joined(tmp_path / "identity", real.authority, cable.port, NODE)
        settings = QUICK._replace(compression=False, ping_seconds=10.0)
        async with edge(cable.port, local=LOCAL, documents=DOCUMENTS, settings=settings) as running:
            await until(lambda: len(real.links(NODE)) == 2)
            cable.throttle(1_000_000)
            for n in range(20_000):
                running.report(n % 3000)
            await until(lambda: running.link.statistics().counts.acknowledged > 500, within=20)
            loop = asyncio.get_running_loop()
            took = []
            for n in range(5):
                began = loop.time()
                await real.wish(PUMP_ID, speed=str(n))
                await until(lambda n=n: (e := running.shown().expected) and e.value == str(n))
                took.append(loop.time() - began)
            assert max(took) < 1.0, took
            assert running.journal.outbox_depth > 1000, "the flood was still going on"
