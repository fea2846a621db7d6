import json
from collections.abc import Callable
from typing import Any

import pytest
from edge_clients import Cloud, Edge, device, until

from link.acknowledgement import acknowledge, is_acknowledgement, refuse
from link.message import Message, decode_content, new_message
from link.rows import confirm, edge_updated, keepalive, membership_detail, state_update
from twin.documents import DeviceState

NOW = 1_786_000_000_000
PUMP = "default/pump-01"


def report(value: object, device_id: str = PUMP, edge: int = 0) -> Message:
    versions = f',"actual_version":{{"cloud":0,"edge":{edge}}}' if edge else ""
    return edge_updated(device_id, f'{{"speed":{{"actual":{{"value":"{value}"}}{versions}}}}}', NOW)


async def answer(edge: Edge, to: Message) -> Message:
    return await edge.receive_where(lambda message: message.header.parent_msg_id == to.header.msg_id)


def is_device(message: Message) -> bool:
    return message.route.resource == "default/device/pump-01"


def desired(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = decode_content(message)
    return {entry["name"]: entry["desired"]["value"] for entry in content["spec"]["properties"] if "desired" in entry}


async def test_devices_come_as_membership_model_and_device(cloud: Cloud) -> None:
    await cloud.declare("pump-01", "pump-02")
    async with cloud.edge(plain=True) as edge:
        rows = []
        for _ in range(5):
            message = await edge.receive()
            rows.append((message.route.resource, message.route.operation))
            if message.route.resource != "membership":
                await edge.send(acknowledge(message))
        assert rows == [
            ("membership", "update"),
            ("default/devicemodel/pump-model", "insert"),
            ("default/device/pump-01", "insert"),
            ("membership", "update"),
            ("default/device/pump-02", "insert"),
        ]
        await until(lambda: cloud.links()[0].acked == 3)
    async with cloud.edge(plain=True) as edge:  # all of it is confirmed
        await edge.send(report(5))
        assert is_acknowledgement(await edge.receive())


async def test_a_report_is_confirmed_once_it_is_durable(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        for value, said in ((1, report(1)), (2, report(2, edge=2)), (3, report(3, edge=3))):
            await edge.send(said)
            confirmed = await answer(edge, said)
            assert confirmed.route == confirm(said).route
            assert bytes(confirmed.content) == b'"OK"'  # type: ignore[arg-type]
            [*_, last] = await cloud.log.readings(PUMP, "speed", since=0, until=2**62)
            assert last.value == str(value)


async def test_a_report_as_text_and_a_state_are_taken(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        text = json.dumps({"event_id": "e", "timestamp": NOW, "twin": {"speed": {"actual": {"value": "7"}}}})
        said = new_message("twin", "resource", "update", f"device/{PUMP}/twin/edge_updated", text)
        await edge.send(said)
        await answer(edge, said)
        state = state_update(PUMP, DeviceState("pump-01", "online"), NOW)
        await edge.send(state)
        await answer(edge, state)
    latest = (await cloud.log.latest([PUMP]))[PUMP]
    assert latest.twin["speed"].actual is not None
    assert latest.twin["speed"].actual.value == "7"
    assert latest.state == DeviceState("pump-01", "online")


@pytest.mark.parametrize("where", ["default/nosuch", "default/pump-08"])
async def test_a_report_that_can_never_be_taken_is_confirmed_counted_and_said_once(
    cloud: Cloud, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    await cloud.declare("pump-08", node="edge-8")
    async with cloud.edge(plain=True) as edge:
        for _ in range(3):
            said = report(1, where)
            await edge.send(said)
            assert is_acknowledgement(await answer(edge, said))
        assert cloud.links()[0].refused == 3
    assert await cloud.log.readings(where, "speed", since=0, until=2**62) == []
    assert sum(where in record.message for record in caplog.records) == 1


async def test_a_null_twin_is_answered_with_an_error_and_ends_nothing(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        said = new_message(
            "twin", "resource", "update", f"device/{PUMP}/twin/edge_updated", {"twin": {"speed": None}}
        )
        await edge.send(said)
        told = await answer(edge, said)
        assert told.route.operation == "error"
        assert "null" in decode_content(told, str)
        following = report(2)
        await edge.send(following)
        assert is_acknowledgement(await answer(edge, following))


async def test_what_nobody_asked_for_is_passed_over(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        await edge.send(membership_detail("edge-7", NOW))
        await edge.send(new_message("bus", "user", "upload", "$hw/events/upload/line-1", '{"a":1}'))
        await edge.send(new_message("meta", "twin", "response", "x", "OK", parent="unknown"))
        await edge.send(new_message("x", "y", "z", "a/b/c/d/e/f", None))
        await edge.socket.send('{"route":{"source":"twin","operation":"update","resource":"x"}}')
        await edge.socket.send("{}")
        said = report(1)
        await edge.send(said)
        assert is_acknowledgement(await answer(edge, said))


async def test_what_is_not_acknowledged_comes_again_with_the_same_id_and_then_with_a_new_one(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        model = await edge.receive_where(lambda message: message.route.resource.startswith("default/devicemodel"))
        ids = [model.header.msg_id]
        while len(ids) < 6:
            message = await edge.receive()
            if message.route == model.route:
                ids.append(message.header.msg_id)
            elif (
                message.route.resource != "membership"
            ):  # one that nobody answers for holds up the others only so long
                await edge.send(acknowledge(message))
        assert len(set(ids[:5])) == 1
        assert ids[5] != ids[0]
        assert cloud.links()[0].requeued == 1
        await edge.send(acknowledge(message))
        await until(lambda: cloud.links()[0].queue == 0)


async def test_an_error_is_no_acknowledgement(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        first = await edge.receive_where(lambda message: message.route.resource != "membership")
        await edge.send(refuse(first, "no"))
        again = await edge.receive_where(lambda message: message.route.resource != "membership")
        assert again.header.msg_id == first.header.msg_id
        assert cloud.links()[0].refused == 1


async def test_wishes_travel_within_the_device_until_they_are_acknowledged(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        message = await edge.receive_where(is_device)
        assert desired(message) == {}
        await edge.send(acknowledge(message))
        await cloud.wish(PUMP, speed="1500")
        message = await edge.receive()
        assert (message.route.operation, desired(message)) == ("update", {"speed": "1500"})
        assert (await cloud.log.latest([PUMP]))[PUMP].unmet == {"speed"}
        await edge.send(acknowledge(message))
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.log.open_wishes([PUMP]) == {}


async def test_of_wishes_set_while_it_was_away_the_newest_arrives(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        await edge.send(acknowledge(await edge.receive_where(is_device)))
        await until(lambda: cloud.links()[0].queue == 0)
    for speed in ("1", "2", "3"):
        await cloud.wish(PUMP, speed=speed)
    await cloud.wish(PUMP, label="north")
    async with cloud.edge(plain=True) as edge:
        message = await edge.receive()
        assert desired(message) == {"speed": "3", "label": "north"}
        await cloud.wish(PUMP, speed="4")
        await edge.send(acknowledge(message))
        message = await edge.receive_where(is_device)
        assert desired(message)["speed"] == "4"
        await edge.send(acknowledge(message))
        await until(lambda: cloud.links()[0].queue == 0)
    assert await cloud.log.open_wishes([PUMP]) == {}


async def test_a_moved_device_leaves_one_node_and_comes_to_the_other(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge("edge-7", plain=True) as old, cloud.edge("edge-8", plain=True) as new:
        await old.send(acknowledge(await old.receive_where(is_device)))
        await until(lambda: cloud.links()[0].queue == 0)
        await cloud.apply(device("pump-01", "edge-8"))
        gone = await old.receive_where(is_device)
        assert gone.route.operation == "delete"
        await old.send(acknowledge(gone))
        come = await new.receive_where(is_device)
        assert come.route.operation == "insert"
        await new.send(acknowledge(come))
        late = report(1)
        await old.send(late)
        assert is_acknowledgement(await answer(old, late))
        now = report(2)
        await new.send(now)
        assert is_acknowledgement(await answer(new, now))
    assert [reading.value for reading in await cloud.log.readings(PUMP, "speed", since=0, until=2**62)] == ["2"]


async def test_a_wish_of_another_process_is_found(cloud: Cloud) -> None:
    await cloud.declare("pump-01")
    async with cloud.edge(plain=True) as edge:
        await edge.send(acknowledge(await edge.receive_where(is_device)))
        await cloud.log.wish("edge-7", PUMP, {"speed": "9"})  # and nobody tells the server
        assert desired(await edge.receive_where(is_device)) == {"speed": "9"}


async def test_keepalives_are_neither_answered_nor_refused(cloud_of: Callable[..., Cloud]) -> None:
    async with cloud_of().running() as cloud, cloud.edge(plain=True) as edge:
        await edge.send(keepalive())
        said = report(1, "default/nosuch")
        await edge.send(said)
        assert (await edge.receive()).header.parent_msg_id == said.header.msg_id
        assert cloud.links()[0].received == 2
