"""The cloud is called only while a property of a twin allows it, and nothing is lost in between."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cable import Cable
from edge_clients import QUICK as QUICK_CLOUD
from edge_clients import Cloud
from edge_clients import device as pump_device
from edge_clients import model as pump_model
from edge_site import NODE, PUMP, QUICK, SPEED, Edge, Open
from prometheus_client import CollectorRegistry
from stub_cloud import HOST, StubCloud, joined, until

from device_models import AccessMode, DataType, Device, Property, load_objects
from edgehub.metrics import LinkCollector
from link.handshake import Channel
from twin.documents import MsgTwin, TwinValue, ValueMetadata

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

IN_CONTACT = Property("inContact", DataType.BOOLEAN, AccessMode.READ_ONLY)
RADIO = Device("default", "radio", "radio-model", "external", properties=(IN_CONTACT,))
WATCHED = QUICK._replace(contact=(("default/radio", "inContact"),))
PATIENT = WATCHED._replace(first_pause=600.0, longest_pause=600.0)
"""Who has failed once waits for minutes."""


def say(running: Edge, contact: bool, quality: str = "good") -> None:
    """The radio's mapper reports."""
    value = TwinValue("true" if contact else "false", ValueMetadata(quality=quality))  # type: ignore[arg-type]
    running.keeper.update("default/radio", {"inContact": MsgTwin(actual=value)})


def up(running: Edge) -> bool:
    return running.link.statistics().channels["hub"].up


@asynccontextmanager
async def counting_server() -> AsyncIterator[tuple[int, list[object]]]:
    """A port, and every connection that anybody attempts."""
    attempts: list[object] = []

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)
        writer.close()

    async with await asyncio.start_server(note, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1], attempts


async def test_out_of_contact_nobody_is_called(edge: Open) -> None:
    async with counting_server() as (port, attempts), edge(port, settings=WATCHED, local=(PUMP, RADIO)) as running:
        for quality in ("bad", "good"):
            say(running, contact=quality == "bad", quality=quality)
            running.report(len(quality))
            await running.journal.flush()
            await asyncio.sleep(0.5)  # several pauses of who tries again
        assert attempts == []
        say(running, contact=True)
        await until(lambda: len(attempts) >= 3)
        say(running, contact=False)
        await until(lambda: not running.link.statistics().in_contact)
        await asyncio.sleep(0.1)
        before = len(attempts)
        await asyncio.sleep(0.5)
        assert len(attempts) == before


async def test_contact_is_used_at_once_whatever_failed_before(edge: Open, cloud: StubCloud) -> None:
    await cloud.stop()
    async with edge(cloud.port, settings=PATIENT, local=(PUMP, RADIO)) as running:
        say(running, contact=True)
        await until(lambda: "cannot be reached" in running.link.statistics().channels["hub"].trouble)
        await cloud.start()
        say(running, contact=False)
        await until(lambda: running.link.statistics().channels["hub"].trouble == "out of contact")
        say(running, contact=True)
        await until(lambda: up(running))
        running.report(1)
        await until(lambda: not running.journal.outbox_depth)


async def test_the_end_of_a_window_closes_the_link_in_peace(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, settings=WATCHED, local=(PUMP, RADIO)) as running:
        say(running, contact=True)
        bus = await cloud.link(Channel.BUS)
        running.report(1)
        await running.journal.flush()
        await until(lambda: not running.journal.outbox_depth)
        say(running, contact=False)
        await until(lambda: not cloud.open())
        assert bus.socket.close_code == 1000
        statistics = running.link.statistics()
        assert {state.trouble for state in statistics.channels.values()} == {"out of contact"}
        running.report(2)
        await running.journal.flush()
        assert running.journal.outbox_depth == 2, "the last of the contact, and what was reported since"


async def test_a_window_is_told_once(edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgehub")
    async with edge(cloud.port, settings=WATCHED, local=(PUMP, RADIO)) as running:
        for number in (1, 2):
            for _ in range(3):
                say(running, contact=True)
                await asyncio.sleep(0)
            await cloud.link(number=number)
            for _ in range(3):
                say(running, contact=False)
                await asyncio.sleep(0)
            await until(lambda: not cloud.open())
        await until(lambda: caplog.text.count("(default/radio/inContact): the link") == 4)
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["in contact", "out of contact"] * 2
    assert "no link to the cloud" not in caplog.text


async def test_a_place_that_is_not_there_is_told(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = WATCHED._replace(contact=(("default/radio", "incontact"),))
    for settings, local, lacking in (
        (WATCHED, (PUMP,), "has no device default/radio"),
        (elsewhere, (PUMP, RADIO), "has no property incontact of device default/radio"),
    ):
        async with edge(cloud.port, settings=settings, local=local):
            await until(lambda lacking=lacking: lacking in caplog.text)
    assert not cloud.links


async def test_a_device_that_leaves_takes_the_contact_with_it(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, settings=WATCHED, local=(PUMP, RADIO)) as running:
        say(running, contact=True)
        await until(lambda: up(running))
        running.keeper.declare([PUMP])
        await until(lambda: not cloud.open())
        assert not running.link.statistics().in_contact


async def test_any_of_several_properties_will_do(edge: Open, cloud: StubCloud) -> None:
    modem = Device("default", "modem", "modem-model", "external", properties=(Property("cheap", DataType.BOOLEAN),))
    both = QUICK._replace(contact=(("default/radio", "inContact"), ("default/modem", "cheap")))
    async with edge(cloud.port, settings=both, local=(PUMP, RADIO, modem)) as running:
        running.report("true", "cheap", "default/modem")
        link = await cloud.link()
        say(running, contact=True)
        running.report("false", "cheap", "default/modem")
        running.report(1)
        await until(lambda: not running.journal.outbox_depth)
        assert not link.closed
        say(running, contact=False)
        await until(lambda: not cloud.open())


async def test_metrics_say_whether_there_is_contact(edge: Open, cloud: StubCloud) -> None:
    async def shown(running: Edge) -> float | None:
        registry = CollectorRegistry()
        registry.register(LinkCollector(running.link.statistics))
        return await asyncio.to_thread(registry.get_sample_value, "twinhub_link_in_contact")

    async with edge(cloud.port, settings=WATCHED, local=(PUMP, RADIO)) as running:
        assert await shown(running) == 0
        say(running, contact=True)
        await until(lambda: up(running))
        assert await shown(running) == 1
    async with edge(cloud.port) as running:
        assert await shown(running) == 1, "without the setting there is always contact"


CHANGES = 3000


def documents() -> dict[str, dict[str, Any]]:
    """The pump and its radio, as a folder would declare them."""
    found = {}
    for name, prop, kind in (("pump", "speed", "INT"), ("radio", "inContact", "BOOLEAN")):
        model, device = pump_model(name=f"{name}-model"), pump_device(name, NODE)
        model["spec"] = {"properties": [{"name": prop, "type": kind, "accessMode": "ReadWrite"}]}
        device["spec"] |= {"deviceModelRef": {"name": f"{name}-model"}, "protocol": {"protocolName": "external"}}
        device["spec"]["properties"] = []
        found |= {f"DeviceModel/default/{name}-model": model, f"Device/default/{name}": device}
    return found


async def test_a_backlog_crosses_several_windows_once_and_in_order(edge: Open, tmp_path: Path) -> None:
    """A real cloud, behind a radio that carries a part of the backlog in each window; one window ends in peace, the
    next with the radio gone first."""
    thrifty = WATCHED._replace(compression=False)
    async with Cloud(tmp_path / "cloud", QUICK_CLOUD).running() as cloud:
        await cloud.enrol(NODE)
        async with Cable((HOST, cloud.server.port)) as radio:
            joined(tmp_path / "identity", cloud.authority, radio.port, NODE)
            declared = documents()
            local = list(load_objects(declared.values(), {}).devices.values())
            async with edge(radio.port, settings=thrifty, local=local, documents=declared) as running:
                radio.throttle(2_000_000)
                for number in range(CHANGES):
                    running.report(number)
                await running.journal.flush()
                left = [running.journal.outbox_depth]
                for window in itertools.count():
                    say(running, contact=True)
                    await until(lambda: running.journal.outbox_depth <= max(left[-1] - CHANGES // 8, 0))
                    if not running.journal.outbox_depth:
                        break
                    if window % 2:
                        radio.cut()
                    say(running, contact=False)
                    await until(lambda: not len(radio))
                    radio.restore()
                    left.append(running.journal.outbox_depth)
                assert len(left) > 3, "it took several windows"
                readings = await cloud.log.readings(
                    "default/pump", SPEED.name, since=0, until=2**62, limit=2 * CHANGES
                )
                assert [reading.value for reading in readings] == [str(number) for number in range(CHANGES)]
