import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from edge_clients import JOURNAL, Cloud, Edge, device, model, until

from cloud_sync.settings import HubSettings
from link import contents
from link.acknowledgement import acknowledge
from link.handshake import Channel
from link.message import Message, decode_content
from link.resources import Kind
from link.rows import declaration, declared, edge_updated
from twin.documents import TwinVersion

NOW = 1_786_000_000_000
PUMP = "default/pump-01"
WISHES = f"device/{PUMP}/twin/cloud_updated"


def is_wish(message: Message) -> bool:
    return message.route.resource == WISHES


def wished(message: Message) -> dict[str, str | None]:
    return {name: twin.expected.value for name, twin in contents.twins(message).items() if twin and twin.expected}


async def settled(cloud: Cloud, edge: Edge) -> None:
    """Acknowledge everything that comes, until nothing waits."""

    async def answer() -> None:
        while True:
            await edge.send(acknowledge(await edge.receive()))

    answering = asyncio.create_task(answer())
    await until(lambda: cloud.links() and cloud.links()[0].sent and not cloud.links()[0].queue)
    answering.cancel()
    await asyncio.wait([answering])


async def test_many_objects_are_under_way_and_one_word_confirms_all(cloud: Cloud) -> None:
    names = [f"pump-{number:02}" for number in range(30)]
    await cloud.declare(*names)
    async with cloud.edge() as edge:
        seen: list[str] = []
        last = None
        while f"default/device/{names[-1]}" not in seen:
            last = await edge.receive()
            seen.append(last.route.resource)
        assert last is not None
        assert seen.index("default/devicemodel/pump-model") < seen.index("default/device/pump-00")
        await edge.send(acknowledge(last))
        await until(lambda: cloud.links()[0].queue == 0)
    async with cloud.edge() as edge:
        await cloud.wish("default/pump-00", speed="1")
        assert (await edge.receive()).route.resource == "device/default/pump-00/twin/cloud_updated"


async def test_desired_values_travel_as_wishes_with_versions_and_not_in_the_device(cloud: Cloud) -> None:
    await cloud.apply(model(), device("pump-01", "edge-7", speed="1500"))
    async with cloud.edge() as edge:
        message = await edge.receive_where(lambda message: message.route.resource == "default/device/pump-01")
        content: dict[str, Any] = decode_content(message)
        assert all("desired" not in entry for entry in content["spec"]["properties"])
        await edge.send(acknowledge(message))
        wish = await edge.receive_where(is_wish)
        assert wished(wish) == {"speed": "1500"}
        twin = contents.twins(wish)["speed"]
        assert twin is not None
        assert twin.expected_version == TwinVersion(1, 0)
        assert PUMP in await cloud.log.open_wishes([PUMP])
        await edge.send(acknowledge(wish))
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.log.open_wishes([PUMP]) == {}


async def test_of_wishes_set_while_it_was_away_only_the_newest_arrives(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge() as edge:
        await settled(cloud, edge)
    for speed in ("1", "2", "3"):
        await cloud.wish(PUMP, speed=speed)
    async with cloud.edge() as edge:
        assert wished(await edge.receive()) == {"speed": "3"}
        edge.kill()  # before it was acknowledged
    async with cloud.edge() as edge:
        again = await edge.receive()
        assert wished(again) == {"speed": "3"}
        await cloud.wish(PUMP, speed="4")
        await edge.send(acknowledge(again))
        newer = await edge.receive_where(lambda message: wished(message) == {"speed": "4"})
        assert PUMP in await cloud.log.open_wishes([PUMP])
        await edge.send(acknowledge(newer))
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.log.open_wishes([PUMP]) == {}


async def test_a_wish_of_another_process_is_found(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge() as edge:
        await cloud.log.wish("edge-7", PUMP, {"speed": "9"})
        assert wished(await edge.receive_where(is_wish)) == {"speed": "9"}


async def test_a_fresh_value_is_the_latest_and_no_history(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge() as edge:
        twin = (
            f'{{"speed":{{"actual":{{"value":"7","metadata":{{"timestamp":{NOW}}}}},'
            '"actual_version":{"cloud":0,"edge":9}}}'
        )
        await edge.send(edge_updated(PUMP, twin, NOW), edge_updated("default/nosuch", twin, NOW))

        async def value() -> str | None:
            known = (await cloud.log.latest([PUMP])).get(PUMP)
            actual = known.twin["speed"].actual if known and "speed" in known.twin else None
            return actual.value if actual else None

        async with asyncio.timeout(10):
            while await value() != "7":
                await asyncio.sleep(0.005)
    assert await cloud.log.readings(PUMP, "speed", since=0, until=2**62) == []
    assert await cloud.log.cursor("edge-7", JOURNAL) == 0
    assert await cloud.log.latest(["default/nosuch"]) == {}


async def test_what_an_edge_declares_is_in_the_registry_and_does_not_come_back(cloud: Cloud) -> None:
    async with cloud.edge() as edge:
        said = [
            declared(["DeviceModel/default/pump-model", "Device/default/pump-01"]),
            declaration(Kind.MODEL, "default", "pump-model", model()),
            declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", "edge-7")),
        ]
        for message in said:
            await edge.send(message)
            assert (await edge.receive()).header.parent_msg_id == message.header.msg_id
        known = cloud.registry.device(PUMP)
        assert known is not None
        assert (known.node, known.origin) == ("edge-7", "edge-7")
        await cloud.wish(PUMP, speed="5")
        assert is_wish(await edge.receive())  # and no object before it
        await edge.send(nothing := declared([]))
        await edge.receive_where(lambda message: message.header.parent_msg_id == nothing.header.msg_id)
        assert cloud.registry.device(PUMP) is None


async def test_an_edge_that_comes_back_with_the_same_words_writes_nothing(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [
        declared(["DeviceModel/default/pump-model", "Device/default/pump-01"]),
        declaration(Kind.MODEL, "default", "pump-model", model()),
        declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", "edge-7")),
    ]
    taken: list[object] = []
    declare = cloud.registry.edges.declare

    async def noted(node: str, manifest: Mapping[str, Any], digest: str = "") -> str | None:
        taken.append(manifest)
        return await declare(node, manifest, digest)

    monkeypatch.setattr(cloud.registry.edges, "declare", noted)
    for _ in range(2):
        async with cloud.edge() as edge:
            for message in said:
                await edge.send(message)
                assert (await edge.receive()).header.parent_msg_id == message.header.msg_id
    assert len(taken) == 2
    async with cloud.edge() as edge:
        await edge.send(said[0])
        await edge.send(declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", "edge-7", speed="7")))
        await edge.receive()
        await edge.receive()
    assert len(taken) == 3


async def test_an_edge_declares_again_what_another_has_given_up(cloud: Cloud) -> None:
    said = [
        declared(["DeviceModel/default/pump-model", "Device/default/pump-01"]),
        declaration(Kind.MODEL, "default", "pump-model", model()),
        declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", "edge-7")),
    ]
    await cloud.declare("pump-01", node="edge-8")
    async with cloud.edge() as edge:
        for message in said:
            await edge.send(message)
        await until(lambda: "DeclaredTwice" in [c.type for c in cloud.registry.conditions("Device/default/pump-01")])
        await cloud.registry.delete("Device/default/pump-01")
        assert await edge.closed() in ("", "what it may declare has changed")
    async with cloud.edge() as edge:
        for message in said:
            await edge.send(message)
        await until(lambda: cloud.registry.device(PUMP))
        known = cloud.registry.device(PUMP)
        assert known is not None
        assert known.origin == "edge-7"
        await cloud.wish(PUMP, speed="5")
        await edge.receive_where(is_wish)  # and is not cut again


async def test_an_edge_that_declares_too_much_is_not_waited_for(cloud: Cloud) -> None:
    async with cloud.edge() as edge:
        limit = HubSettings().declared_limit
        await edge.send(declared([f"Device/default/d{n}" for n in range(limit + 1)]))
        await edge.receive()
        await edge.send(declaration(Kind.DEVICE, "default", "d1", device("d1", "edge-7")))
        await edge.receive()
        assert cloud.links()[0].refused == 1
    assert cloud.registry.objects() == []


async def test_what_an_edge_may_not_declare_is_refused_and_acknowledged(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    await cloud.declare("pump-08", node="edge-8")
    async with cloud.edge() as edge:
        messages = [
            declared(["Device/default/pump-08", "DeviceModel/default/pump-model"]),
            declaration(Kind.DEVICE, "default", "pump-08", device("pump-08", "edge-7")),
            declaration(Kind.DEVICE, "default", "unlisted", device("unlisted", "edge-7")),
        ]
        for message in messages:
            await edge.send(message)
            assert (await edge.receive()).header.parent_msg_id == message.header.msg_id
        assert cloud.links()[0].refused == 2
    known = cloud.registry.device("default/pump-08")
    assert known is not None
    assert known.node == "edge-8"
    assert cloud.registry.device("default/unlisted") is None


async def test_only_what_was_announced_can_be_declared(cloud: Cloud) -> None:
    async with cloud.edge() as edge:
        announced = [declared(["Device/default/pump-01"])]
        others = [declaration(Kind.DEVICE, "default", "pump-01", device(f"pump-{n}", "edge-7")) for n in range(2, 5)]
        for message in announced + others:
            await edge.send(message)
            assert (await edge.receive()).header.parent_msg_id == message.header.msg_id
        assert cloud.links()[0].refused == len(others)
    assert cloud.registry.objects() == []


async def test_a_large_declaration_holds_up_nobody_else(cloud: Cloud) -> None:
    def large(count: int, name: str) -> dict[str, Any]:
        entries = [{"name": f"p{number}", "typ": "INT"} for number in range(count)]
        return {**model(name=name), "spec": {"properties": entries}}

    pauses = []

    async def look() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            pauses.append(loop.time() - before)

    async with cloud.edge() as edge:
        names = ["m-1", "m-2"]
        await edge.send(declared([f"DeviceModel/default/{name}" for name in names]))
        await edge.receive()
        messages = [
            declaration(Kind.MODEL, "default", name, large(count, name))
            for name, count in zip(names, (2_000, 9_000), strict=True)
        ]
        looking = asyncio.create_task(look())
        for message in messages:
            await edge.send(message)
            await edge.receive()
        looking.cancel()
        assert cloud.links()[0].refused == 2
    assert max(pauses) < sum(pauses) / 2, "most of the work is done beside the loop"


async def test_a_wish_does_not_wait_behind_a_flooded_bus(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge() as hub, cloud.edge(channel=Channel.BUS) as bus:
        for seq in range(1, 200):
            twin = f'{{"label":{{"actual":{{"value":"{"x" * 1_000}"}},"actual_version":{{"cloud":0,"edge":{seq}}}}}}}'
            await bus.send(*[edge_updated(PUMP, twin, NOW, msg_id=str(seq * 10 + number)) for number in range(10)])
        await cloud.wish(PUMP, speed="5")
        assert wished(await hub.receive_where(is_wish)) == {"speed": "5"}


async def test_a_device_that_leaves_is_deleted_at_the_edge(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge() as edge:
        await settled(cloud, edge)
        await cloud.registry.delete("Device/default/pump-01")
        gone = await edge.receive_where(lambda message: message.route.resource == "default/device/pump-01")
        assert gone.route.operation == "delete"
