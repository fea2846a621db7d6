"""What comes down on the hub channel is acknowledged when it is durable, and not before."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from edge_site import NODE, PUMP, QUICK, Open
from stub_cloud import Link, StubCloud, content, until

from link.handshake import Channel
from link.message import Message, new_message
from link.resources import Kind
from link.rows import declared_object, membership, wishes
from twin.documents import MemberDevice, MembershipUpdate, MsgTwin, TwinValue
from twin.store import StoreError

MODEL: dict[str, Any] = {
    "kind": "DeviceModel",
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "metadata": {"name": "fan-model", "namespace": "default", "uid": "m-1", "resourceVersion": "1"},
    "spec": {"properties": [{"name": "speed", "type": "INT", "accessMode": "ReadWrite", "maximum": "100"}]},
}
FAN: dict[str, Any] = {
    "kind": "Device",
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "metadata": {"name": "fan", "namespace": "default", "uid": "d-1", "resourceVersion": "2"},
    "spec": {
        "nodeName": NODE,
        "deviceModelRef": {"name": "fan-model"},
        "protocol": {"protocolName": "external"},
        "properties": [{"name": "speed", "collectCycle": 500}],
    },
}


def model(operation: str = "insert", **spec: Any) -> Message:
    return declared_object(Kind.MODEL, operation, "default", "fan-model", MODEL | ({"spec": spec} if spec else {}))


def fan(name: str = "fan", operation: str = "insert", *, uid: str = "d-1", cycle: int = 500) -> Message:
    device = copy.deepcopy(FAN)
    device["metadata"] |= {"name": name, "uid": uid}
    device["spec"]["properties"][0]["collectCycle"] = cycle
    return declared_object(Kind.DEVICE, operation, "default", name, device)


def wish(value: str, cloud: int, *, device: str = "default/pump", name: str = "speed", edge: int = 0) -> Message:
    body = (
        f'{{"{name}":{{"expected":{{"value":"{value}"}},"metadata":{{"type":"int"}},'
        f'"expected_version":{{"cloud":{cloud},"edge":{edge}}}}}}}'
    )
    return wishes(device, body, 1)


async def acknowledged(link: Link, *messages: Message) -> None:
    """On our link one acknowledgement may stand for several."""
    await until(lambda: messages[-1].header.msg_id in link.answered)


async def test_it_begins_with_a_keepalive_the_question_for_its_devices_and_what_is_declared(
    edge: Open, cloud: StubCloud
) -> None:
    async with edge(cloud.port, documents={"Device/default/pump": {"kind": "Device"}}):
        link = await cloud.link()
        await until(lambda: len(link.messages) >= 4)
    rows = [(m.route.source, m.route.operation, m.route.resource) for m in link.messages[:4]]
    assert rows == [
        ("websocket", "keepalive", "node"),
        ("twin", "get", "membership/detail"),
        ("twinhub", "update", "twinhub/declared"),
        ("twinhub", "insert", "default/device/pump"),
    ]
    assert content(link.messages[2]) == ["Device/default/pump"]
    assert link.hello.node == NODE


async def test_keepalives_go_on(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, settings=QUICK._replace(keepalive=0.05)):
        link = await cloud.link()
        await until(lambda: len(link.of("keepalive")) >= 4)


async def test_a_device_is_served_and_still_known_after_a_restart_without_the_cloud(
    edge: Open, cloud: StubCloud
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(model())
        await link.send(fan())
        await until(lambda: [d.id for d in running.applied[-1]] == ["default/fan"])
        assert await running.catalogue.get("Cloud/Device/default/fan")
    await cloud.stop()
    async with edge(cloud.port) as running:
        assert [device.id for device in running.applied[0]] == ["default/fan"]
        assert running.keeper.get("default/fan") == {}


async def test_the_order_of_model_and_device_does_not_matter(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        device = fan()
        await link.send(device)
        await acknowledged(link, device)
        key = "Device/default/fan"
        await until(lambda: key in running.link.statistics().conditions)
        assert "DeviceModel/default/fan-model" in running.link.statistics().conditions[key]
        await link.send(model())
        await until(lambda: running.applied[-1])
        assert not running.link.statistics().conditions


async def test_what_lacks_its_kind_and_comes_from_another_source_is_the_same(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        for kind, name, whole in ((Kind.MODEL, "fan-model", MODEL), (Kind.DEVICE, "fan", FAN)):
            bare = {key: value for key, value in whole.items() if key not in ("kind", "apiVersion")}
            await link.send(new_message("edgecontroller", "resource", "update", f"default/{kind}/{name}", bare))
        await until(lambda: running.applied[-1])


async def test_a_broken_edit_leaves_the_device_as_it_was(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(model(), fan())
        await until(lambda: running.applied[-1])
        good = running.applied[-1]
        broken = copy.deepcopy(FAN)
        broken["spec"]["properties"][0]["name"] = "sped"
        edit = declared_object(Kind.DEVICE, "update", "default", "fan", broken)
        await link.send(edit)
        await acknowledged(link, edit)
        await until(lambda: running.link.statistics().conditions)
        assert "did you mean speed?" in running.link.statistics().conditions["Device/default/fan"]
        assert running.applied[-1] == good
    assert [r for r in caplog.records if "did you mean speed?" in r.getMessage()]


async def test_a_burst_is_applied_in_a_few_steps(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        burst = [model(), *(fan(f"fan-{n}", uid=f"d-{n}") for n in range(300))]
        before = len(running.applied)
        for start in range(0, len(burst), 50):
            await link.send(*burst[start : start + 50])
        await acknowledged(link, burst[-1])
        await until(lambda: len(running.applied[-1]) == 300)
        assert len(running.applied) - before <= 6
        assert len(link.answered) <= len(burst) // 2, "cumulative"


async def test_duplicates_change_nothing(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(model(), fan())
        await until(lambda: running.applied[-1])
        entry = await running.catalogue.get("Cloud/Device/default/fan")
        again = fan()
        await link.send(model(), again)
        await acknowledged(link, again)
        assert await running.catalogue.get("Cloud/Device/default/fan") == entry


async def test_a_deletion_with_nothing_but_its_metadata(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.send(model(), fan())
        await until(lambda: running.applied[-1])
        gone = {"metadata": {"name": "fan", "namespace": "default", "uid": "another"}}
        await link.send(new_message("edgecontroller", "resource", "delete", "default/device/fan", gone))
        gone["metadata"]["uid"] = "d-1"
        deletion = new_message("edgecontroller", "resource", "delete", "default/device/fan", gone)
        await link.send(fan("other", uid="d-2"))
        await until(lambda: len(running.applied[-1]) == 2)
        await link.send(deletion)
        await acknowledged(link, deletion)
        await until(lambda: [d.id for d in running.applied[-1]] == ["default/other"])


async def test_a_device_declared_here_goes_before_the_cloud_s(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    async with edge(cloud.port, documents={"Device/default/fan": FAN}) as running:
        link = await cloud.link()
        device = fan()
        await link.send(model(), device)
        await acknowledged(link, device)
        await until(lambda: [r for r in caplog.records if "declared by the cloud as well" in r.getMessage()])
        assert running.applied[-1] == []
        running.link.local({})
        await until(lambda: running.applied[-1])
        await until(lambda: len([m for m in link.messages if m.route.resource == "twinhub/declared"]) == 2)


async def test_a_device_of_the_cloud_may_be_of_a_model_declared_here(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port, documents={"DeviceModel/default/fan-model": MODEL}) as running:
        link = await cloud.link()
        await link.send(fan())
        await until(lambda: running.applied[-1])


async def test_what_an_edge_has_no_use_for_is_acknowledged(
    edge: Open, cloud: StubCloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "edgehub")
    async with edge(cloud.port):
        link = await cloud.link()
        for resource in ("null/node/edge-7", "default/podlist/web", "kube-system/serviceaccounttoken/x"):
            useless = new_message("edgecontroller", "resource", "update", resource, {"metadata": {}})
            await link.send(useless)
            await acknowledged(link, useless)
        for name in ("a", "b"):
            unknown = new_message("x", "resource", "update", f"default/gadget/{name}", {})
            await link.send(unknown)
            await acknowledged(link, unknown)
        await link.send(membership(MembershipUpdate("e", 1, [MemberDevice("default/x")], None)))
    assert len([r for r in caplog.records if "gadget" in r.getMessage()]) == 1


async def test_a_wish_is_shown_on_the_bus_and_acknowledged(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        running.report(5)
        wanted = wish("7", 1)
        await link.send(wanted)
        await acknowledged(link, wanted)
        assert running.shown().expected == TwinValue("7", running.shown().expected.metadata)  # type: ignore[union-attr]
        ends = [topic.rsplit("/", 1)[1] for topic, _ in running.bus.published]
        assert ends[-2:] == ["document", "delta"]
        up = await cloud.link(Channel.BUS)
        await until(lambda: len(up.reports) == 2)
        assert content(up.reports[-1])["twin"]["speed"]["expected_version"] == {"cloud": 1, "edge": 0}


async def test_what_the_edge_keeps_against_the_cloud_goes_up(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        for value in ("1", "2"):
            running.keeper.update("default/pump", {"speed": MsgTwin(expected=TwinValue(value))})
        await running.journal.flush()
        link, up = await cloud.link(), await cloud.link(Channel.BUS)
        await until(lambda: len(up.reports) == 2)
        late = wish("9", 1)
        await link.send(late)
        await acknowledged(link, late)
        await until(lambda: len(up.reports) == 3)
        kept = content(up.reports[-1])["twin"]["speed"]
        assert (kept["expected"]["value"], kept["expected_version"]) == ("2", {"cloud": 0, "edge": 2})


async def test_a_wish_beyond_the_limits_gives_way_to_what_is_here(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        running.keeper.update("default/pump", {"speed": MsgTwin(expected=TwinValue("3"))})
        await running.journal.flush()
        link, up = await cloud.link(), await cloud.link(Channel.BUS)
        await link.send(too_fast := wish("9999", 1, edge=1))
        await acknowledged(link, too_fast)
        await until(lambda: len(up.reports) == 2)
        kept = content(up.reports[-1])["twin"]["speed"]
        assert (kept["expected"]["value"], kept["expected_version"]) == ("3", {"cloud": 0, "edge": 2})


async def test_a_wish_for_a_device_that_is_still_to_come_is_kept(edge: Open, cloud: StubCloud) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        early = wish("40", 1, device="default/fan")
        await link.send(early)
        await acknowledged(link, early)
        assert running.link.statistics().pending_wishes == 1
    async with edge(cloud.port) as running:
        link = await cloud.link(number=2)
        await link.send(model(), fan())
        await until(lambda: running.keeper.get("default/fan"))
        assert running.shown("default/fan").expected.value == "40"  # type: ignore[union-attr]
        await until(lambda: not running.link.statistics().pending_wishes)
        assert await running.catalogue.list("Cloud/Wish/") == []


async def test_what_cannot_be_stored_is_not_acknowledged_and_comes_again(
    edge: Open, cloud: StubCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        put = running.catalogue.put

        async def full(*args: Any, **options: Any) -> int:
            raise StoreError("the disk is full")

        monkeypatch.setattr(running.catalogue, "put", full)
        device = fan()
        await link.send(device)
        second = await cloud.link(number=2)
        assert device.header.msg_id not in link.answered
        monkeypatch.setattr(running.catalogue, "put", put)
        await second.send(device)
        await acknowledged(second, device)


@pytest.mark.parametrize(
    "body", [None, [], 7, "text", {}, {"metadata": None}, {"metadata": []}, {"metadata": {}, "spec": {"a": [[]] * 9}}]
)
@pytest.mark.parametrize("resource", ["default/device/fan", "device/default/pump/twin/cloud_updated"])
async def test_hostile_content_is_acknowledged_and_harms_nothing(
    edge: Open, cloud: StubCloud, resource: str, body: Any
) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        hostile = new_message("devicecontroller", "resource", "update", resource, body)
        await link.send(hostile)
        await acknowledged(link, hostile)
        good = [model(), fan("well", uid="d-9")]
        await link.send(*good)
        await until(lambda: [d.id for d in running.applied[-1]] == ["default/well"])


@pytest.mark.parametrize("name", ["..", "a b", "", "x" * 600, "ü"])
async def test_names_that_are_none_are_acknowledged_and_left_out(edge: Open, cloud: StubCloud, name: str) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        hostile = new_message("devicecontroller", "resource", "insert", f"default/device/{name}", FAN)
        await link.send(hostile)
        await acknowledged(link, hostile)
        assert running.link.statistics().objects == 0


@pytest.mark.parametrize(
    "frame", [b"", b"null", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 9999, b'{"route":{"resource":1}}']
)
async def test_a_frame_that_is_no_message_is_passed_over(edge: Open, cloud: StubCloud, frame: bytes) -> None:
    async with edge(cloud.port) as running:
        link = await cloud.link()
        await link.socket.send(frame)
        device = fan()
        await link.send(device)
        await acknowledged(link, device)
        assert running.link.statistics().counts.unreadable == 1


async def test_members_that_are_renamed_in_a_message_are_taken_by_the_name_of_the_resource(
    edge: Open, cloud: StubCloud
) -> None:
    async with edge(cloud.port, local=[replace(PUMP, name="other")]) as running:
        link = await cloud.link()
        await link.send(model(), declared_object(Kind.DEVICE, "insert", "plant", "fan", FAN))
        await until(lambda: running.link.statistics().conditions)
        assert "waits for its DeviceModel/plant/fan-model" in running.link.statistics().conditions["Device/plant/fan"]
