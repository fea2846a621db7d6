import asyncio
from collections.abc import Callable

import pytest
from edge_clients import JOURNAL, Cloud, device, model, until

from link.acknowledgement import is_acknowledgement
from link.handshake import Channel
from link.message import Message, new_message
from link.resources import Kind
from link.rows import declaration, declared, edge_updated, keepalive, state_update
from twin.documents import DeviceState

NOW = 1_786_000_000_000
PUMP = "default/pump-01"


def report(seq: int, value: object, device_id: str = PUMP) -> Message:
    twin = (
        f'{{"speed":{{"actual":{{"value":"{value}","metadata":{{"timestamp":{NOW + seq}}}}},"optional":true,'
        f'"metadata":{{"type":"int"}},"actual_version":{{"cloud":0,"edge":{seq}}}}}}}'
    )
    return edge_updated(device_id, twin, NOW + seq, msg_id=str(seq))


async def values(cloud: Cloud, device_id: str = PUMP) -> list[str | None]:
    readings = await cloud.log.readings(device_id, "speed", since=0, until=2**62)
    return [reading.value for reading in readings]


async def test_what_is_confirmed_is_durable_and_in_order_and_one_word_confirms_all(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(channel=Channel.BUS) as edge:
        assert edge.welcome.resume == 0
        await edge.send(*(report(seq, seq) for seq in range(1, 101)))
        await edge.send(report(101, 101))
        while (answer := await edge.receive()).header.parent_msg_id != "101":
            assert answer.header.parent_msg_id == "100"
        assert is_acknowledgement(answer)
        assert await values(cloud) == [str(seq) for seq in range(1, 102)]
        assert await cloud.log.cursor("edge-7", JOURNAL) == 101


async def test_a_connection_goes_on_where_the_log_ends_and_repeats_do_not_show(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(channel=Channel.BUS) as edge:
        await edge.send(*(report(seq, seq) for seq in range(1, 6)))
        await edge.receive()
        edge.kill()
    async with cloud.edge(channel=Channel.BUS) as edge:
        assert edge.welcome.resume == 5
        await edge.send(*(report(seq, seq) for seq in range(3, 9)))
        assert (await edge.receive()).header.parent_msg_id == "8"
    assert await values(cloud) == [str(seq) for seq in range(1, 9)]
    async with cloud.edge(channel=Channel.BUS, journal="f" * 32) as edge:
        assert edge.welcome.resume == 0


async def test_several_frames_may_be_under_way(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(channel=Channel.BUS) as edge:
        for seq in range(1, 400):
            await edge.send(report(seq, seq))
        last = 0
        while last < 399:
            parent = int((await edge.receive()).header.parent_msg_id)
            assert parent > last
            last = parent
    assert await values(cloud) == [str(seq) for seq in range(1, 400)]


async def test_a_state_report_is_kept(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(channel=Channel.BUS) as edge:
        await edge.send(state_update(PUMP, DeviceState("pump-01", "online"), NOW, msg_id="1"))
        await edge.receive()
    assert (await cloud.log.latest([PUMP]))[PUMP].state == DeviceState("pump-01", "online")


async def test_what_cannot_be_taken_is_passed_over_and_counted(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    await cloud.declare("pump-01")
    await cloud.declare("pump-08", node="edge-8")
    async with cloud.edge() as hub, cloud.edge(channel=Channel.BUS) as edge:
        await hub.send(declared([]))
        null = new_message(
            "twin", "resource", "update", f"device/{PUMP}/twin/edge_updated", {"twin": {"speed": None}}
        )
        null = new_message("twin", "resource", "update", null.route.resource, null.content, msg_id="4")
        await edge.send(report(1, 1), report(2, 2, "default/pump-08"), report(3, 3, "default/nosuch"), null)
        await edge.send(report(5, 5), report(6, 6, "default/nosuch"))
        await edge.receive_where(lambda answer: answer.header.parent_msg_id == "6")
        [link] = [link for link in cloud.links() if link.channel is Channel.BUS]
        assert (link.refused, link.received) == (4, 6)
    assert await values(cloud) == ["1", "5"]
    assert await values(cloud, "default/pump-08") == []
    assert await values(cloud, "default/nosuch") == []
    said = [record.message for record in caplog.records if "not taken" in record.message]
    assert len(said) == 3  # one for each device


async def test_a_report_waits_for_the_declaration_of_its_device(cloud: Cloud) -> None:
    async with cloud.edge(channel=Channel.BUS) as bus, cloud.edge() as hub:
        await bus.send(report(1, 1), report(2, 2))
        await hub.send(declared(["Device/default/pump-01", "DeviceModel/default/pump-model"]))
        await hub.send(declaration(Kind.MODEL, "default", "pump-model", model()))
        await hub.send(declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", "edge-7")))
        assert (await bus.receive()).header.parent_msg_id == "2"
    assert await values(cloud) == ["1", "2"]


async def test_nothing_is_lost_when_the_declaration_is_late(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of(patience=0.1).running() as cloud:
        async with cloud.edge(channel=Channel.BUS) as bus:
            await bus.send(report(1, 1))
            assert "declared" in await bus.closed()
        assert await cloud.log.cursor("edge-7", JOURNAL) == 0


@pytest.mark.parametrize("number", ["", "x", "-1", "1" * 19, "0x1"])
async def test_a_message_without_its_number_ends_the_connection(cloud: Cloud, number: str) -> None:
    async with cloud.edge(channel=Channel.BUS) as edge:
        message = keepalive()
        await edge.socket.send(
            f'{{"header":{{"msg_id":"{number}"}},"route":{{"resource":"{message.route.resource}"}}}}'
        )
        assert "number in the outbox" in await edge.closed()


async def test_two_edges_report_at_the_same_time(cloud: Cloud) -> None:
    nodes = [f"edge-{number}" for number in range(5)]
    for number, node in enumerate(nodes):
        await cloud.declare(f"pump-{number}", node=node)

    async def run(number: int, node: str) -> None:
        async with cloud.edge(node, Channel.BUS) as edge:
            for seq in range(1, 50):
                await edge.send(report(seq, seq, f"default/pump-{number}"))
            await edge.receive_where(lambda answer: answer.header.parent_msg_id == "49")

    await asyncio.gather(*(run(number, node) for number, node in enumerate(nodes)))
    for number in range(5):
        assert await values(cloud, f"default/pump-{number}") == [str(seq) for seq in range(1, 50)]
    await until(lambda: not cloud.server.links())


async def test_a_device_that_moved_reports_from_its_new_home_even_if_the_log_was_not_told(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(channel=Channel.BUS) as edge:
        await edge.send(report(1, 1))
        await edge.receive()
    await cloud.registry.apply([device("pump-01", "edge-8")])  # and the process ends before it tells the log
    async with cloud.edge("edge-8", Channel.BUS) as edge:
        await edge.send(report(1, 2), report(2, 3))
        assert (await edge.receive()).header.parent_msg_id == "2"
    assert await values(cloud) == ["1", "2", "3"]
    assert (await cloud.log.latest([PUMP]))[PUMP].node == "edge-8"


async def test_a_device_can_be_given_up_by_one_edge_and_declared_by_another(cloud: Cloud) -> None:
    keys = ["DeviceModel/default/pump-model", "Device/default/pump-01"]
    for node in ("edge-7", "edge-8"):
        async with cloud.edge(node) as hub, cloud.edge(node, Channel.BUS) as bus:
            await hub.send(declared(keys))
            await hub.send(declaration(Kind.MODEL, "default", "pump-model", model()))
            await hub.send(declaration(Kind.DEVICE, "default", "pump-01", device("pump-01", node)))
            await bus.send(report(1, node))
            assert (await bus.receive()).header.parent_msg_id == "1"
            await hub.send(last := declared([]))
            await hub.receive_where(lambda message: message.header.parent_msg_id == last.header.msg_id)
    assert await values(cloud) == ["edge-7", "edge-8"]
    assert await cloud.log.latest([PUMP]) == {}
