from collections.abc import Callable

import pytest
from edge_clients import JOURNAL, Cloud, device, until

from link.acknowledgement import acknowledge
from link.message import Message

PUMP = "default/device/pump-01"


def about_pump(message: Message) -> bool:
    return message.route.resource == PUMP


@pytest.mark.parametrize("plain", [True, False])
async def test_what_was_sent_and_never_confirmed_is_deleted_when_it_is_gone(cloud: Cloud, plain: bool) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=plain) as edge:
        await edge.receive_where(about_pump)
        edge.kill()  # it has the device, and the cloud does not know
    await until(lambda: not cloud.links())
    await cloud.registry.delete("Device/default/pump-01")
    async with cloud.edge(plain=plain) as edge:
        gone = await edge.receive_where(about_pump)
        assert gone.route.operation == "delete"
        await edge.send(acknowledge(gone))
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.registry.held.confirmed("edge-7") == {}


@pytest.mark.parametrize("plain", [True, False])
async def test_what_was_sent_and_never_confirmed_is_inserted_again(cloud: Cloud, plain: bool) -> None:
    await cloud.declare("pump-01")
    for _ in range(2):
        async with cloud.edge(plain=plain) as edge:
            come = await edge.receive_where(about_pump)
            assert come.route.operation == "insert"
            edge.kill()
        await until(lambda: not cloud.links())


@pytest.mark.parametrize("plain", [True, False])
async def test_what_comes_back_while_it_is_being_deleted_is_inserted_after_that(cloud: Cloud, plain: bool) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=plain) as edge:
        await edge.send(acknowledge(await edge.receive_where(about_pump)))
        await until(lambda: cloud.links()[0].queue == 0)
        await cloud.apply(device("pump-01", "edge-8"))
        gone = await edge.receive_where(about_pump)
        await cloud.apply(device("pump-01", "edge-7"))
        await until(lambda: cloud.links()[0].queue > 1 or cloud.links()[0].sent > 4)
        await edge.send(acknowledge(gone))
        back = await edge.receive_where(lambda message: about_pump(message) and message.header != gone.header)
        assert (gone.route.operation, back.route.operation) == ("delete", "insert")
        await edge.send(acknowledge(back))
        await until(lambda: cloud.links()[0].queue == 0)
    confirmed = await cloud.registry.held.confirmed("edge-7", "" if plain else JOURNAL)
    stored = cloud.registry.device("default/pump-01")
    assert stored is not None
    assert confirmed["Device/default/pump-01"].version == stored.version


async def test_an_edge_that_lost_its_disk_is_brought_everything_again(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    for journal in (JOURNAL, "b" * 32):
        async with cloud.edge(journal=journal) as edge:
            come = await edge.receive_where(about_pump)
            assert come.route.operation == "insert"
            await edge.send(acknowledge(come))
            await until(lambda: cloud.links()[0].queue == 0)
        await until(lambda: not cloud.links())


async def test_only_the_newest_of_an_object_is_sent(cloud: Cloud) -> None:
    await cloud.declare("pump-01", "pump-02")
    async with cloud.edge(plain=True) as edge:
        model = await edge.receive_where(lambda message: message.route.resource != "membership")
        changed = device("pump-02", "edge-7")
        for site in ("north", "south"):
            changed["metadata"]["labels"] = {"site": site}
            await cloud.apply(changed)
        await edge.send(acknowledge(model))
        seen = []
        while len(seen) < 2:
            message = await edge.receive_where(lambda message: message.route.resource.startswith("default/device/"))
            await edge.send(acknowledge(message))
            seen.append(message)
        stored = cloud.registry.device("default/pump-02")
        assert stored is not None
        assert [(message.route.resource, message.route.operation) for message in seen] == [
            (PUMP, "insert"),
            ("default/device/pump-02", "insert"),
        ]
        assert seen[1].header.resourceversion == str(stored.version)


async def test_more_than_the_queue_holds_arrives_all_the_same(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(queue_limit=10).running() as cloud:
        await cloud.declare(*(f"pump-{number:02}" for number in range(40)))
        async with cloud.edge() as edge:
            seen = set()
            while len(seen) < 41:
                message = await edge.receive()
                await edge.send(acknowledge(message))
                seen.add(message.route.resource)
                assert cloud.links()[0].queue <= 20  # and as many again that are being written down
            await until(lambda: cloud.links()[0].queue == 0)
        assert len(await cloud.registry.held.confirmed("edge-7")) == 41
