"""The operators' interface over real HTTPS, over a real registry, log and hub server."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from api_cloud import Cloud, client, served
from enrolment_server import node_identity

from cloud_sync.api import PREFIX
from cloud_sync.api_request import BODY_BYTES
from cloud_sync.authority import Authority
from cloud_sync.twin_log import Change
from link.contents import LogLine
from link.enrolment import JoinToken
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion, TypeMetadata, ValueMetadata

JOURNAL = "0" * 32
MODEL = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "pump"},
    "spec": {
        "properties": [
            {"name": "speed", "type": "INT", "accessMode": "ReadOnly", "unit": "rpm"},
            {"name": "set-point", "type": "INT", "accessMode": "ReadWrite", "minimum": "0", "maximum": "2900"},
        ]
    },
}


def device(name: str = "pump", node: str = "press-shop", desired: str | None = None) -> dict[str, Any]:
    prop: dict[str, Any] = {"name": "set-point"}
    if desired is not None:
        prop["desired"] = {"value": desired}
    return {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": "Device",
        "metadata": {"name": name},
        "spec": {
            "deviceModelRef": {"name": "pump"},
            "nodeName": node,
            "protocol": {"protocolName": "external"},
            "properties": [{"name": "speed"}, prop],
        },
    }


def speed(value: str, number: int, at: int) -> dict[str, MsgTwin]:
    actual = TwinValue(value, ValueMetadata(at))
    return {"speed": MsgTwin(None, actual, True, TypeMetadata("int", "rpm"), None, TwinVersion(0, number))}


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with served(tmp_path) as running:
        yield running


async def report(cloud: Cloud, *changes: tuple[str, str, int]) -> None:
    """Reports of the speed of default/pump: value, number, time."""
    taken = [Change(number, "default/pump", speed(value, number, at)) for value, number, at in [*changes]]
    await cloud.log.take("press-shop", JOURNAL, taken)


async def test_only_operators_are_answered(cloud: Cloud) -> None:
    edge = node_identity(cloud.authority, "press-shop", cloud.folder / "edge.pem")
    for identity, status in ((None, 401), (edge, 403)):
        async with client(cloud.authority, identity) as stranger:
            for path in ("nodes", "twins/default/pump", "objects", "nowhere"):
                async with stranger.get(f"https://localhost:{cloud.port}{PREFIX}{path}") as answer:
                    assert answer.status == status, path
                    assert "operator.pem" in (await answer.json())["advice"]


async def test_a_foreign_authority_is_not_even_connected_to(cloud: Cloud, tmp_path: Path) -> None:
    foreign = Authority.open(tmp_path / "foreign")
    async with client(cloud.authority, foreign.operator_identity()) as stranger:
        with pytest.raises(aiohttp.ClientError):
            await stranger.get(f"https://localhost:{cloud.port}{PREFIX}nodes")


async def test_nodes_are_shown(cloud: Cloud) -> None:
    (node,) = (await cloud.get("nodes"))["nodes"]
    assert (node["name"], node["state"], node["devices"]) == ("press-shop", "never", 0)
    assert node["certificate_end"] > time.time() * 1000
    await cloud.registry.presence("press-shop", connected=True, plain=False, address="10.0.0.7")
    (node,) = (await cloud.get("nodes"))["nodes"]
    assert (node["state"], node["address"]) == ("connected", "10.0.0.7")


async def test_a_revoked_node_is_shown_as_such(cloud: Cloud) -> None:
    answer = await cloud.ask("POST", "nodes/press-shop/revoke")
    assert (answer.status, answer.body["state"]) == (200, "revoked")
    assert cloud.registry.revoked("press-shop", "any", time.time() - 1)
    answer = await cloud.ask("POST", "nodes/pres-shop/revoke")
    assert (answer.status, answer.body["advice"]) == (404, "did you mean press-shop?")


async def test_a_token_is_for_the_node_that_is_named(cloud: Cloud) -> None:
    answer = await cloud.ask("POST", "tokens", {"node": "press-shop", "minutes": 5})
    assert answer.status == 200
    assert JoinToken.read(answer.body["token"]).ca == cloud.authority.ca_hash
    assert answer.body["expires"] == pytest.approx((time.time() + 300) * 1000, abs=5000)
    for wrong in ({"node": "Press Shop"}, {"node": "a", "minutes": 0}, {"node": "a", "minutes": 1e9}, {"node": ""}):
        assert (await cloud.ask("POST", "tokens", wrong)).status == 400


async def test_log_lines_are_shown(cloud: Cloud) -> None:
    cloud.logs.add("press-shop", [LogLine(5, "INFO", "twinhub", "it runs")])
    found = await cloud.get("nodes/press-shop/logs")
    assert found == {"lines": [{"time": 5, "level": "INFO", "logger": "twinhub", "text": "it runs"}]}


async def test_what_is_applied_is_created_then_unchanged_then_configured(cloud: Cloud) -> None:
    for form, outcome in ((device(), "created"), (device(), "unchanged"), (device(desired="5"), "configured")):
        applied = await cloud.apply(MODEL, form)
        assert [one["key"] for one in applied] == ["DeviceModel/default/pump", "Device/default/pump"]
        assert applied[1]["outcome"] == outcome, applied
        assert applied[1]["conditions"] == []


async def test_one_bad_object_is_refused_and_the_others_are_taken(cloud: Cloud) -> None:
    applied = await cloud.apply(MODEL, {"kind": "Device"}, {}, device())
    assert [one["outcome"] for one in applied] == ["created", "refused", "refused", "created"]
    assert applied[1]["message"]


async def test_what_keeps_a_device_from_being_served_is_a_condition_with_advice(cloud: Cloud) -> None:
    (applied,) = await cloud.apply(device(node="nowhere"))
    assert {one["type"] for one in applied["conditions"]} == {"ModelMissing", "NodeUnknown"}
    assert all(one["advice"] for one in applied["conditions"])
    (shown,) = (await cloud.get("devices"))["devices"]
    assert shown["conditions"] == applied["conditions"]
    answer = await cloud.ask("POST", "twins/default/pump/wishes", {"values": {"set-point": "5"}})
    assert answer.status == 409
    assert answer.body["advice"]


async def test_a_desired_value_of_a_manifest_is_a_wish_when_it_is_new_or_edited(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device(desired="1250"))
    assert list((await cloud.log.open_wishes(["default/pump"]))["default/pump"]) == ["set-point"]
    assert await desired(cloud) == "1250"
    await cloud.ask("POST", "twins/default/pump/wishes", {"values": {"set-point": "900"}})
    await cloud.apply(MODEL, device(desired="1250"))
    assert await desired(cloud) == "900"
    await cloud.apply(MODEL, device(desired="1300"))
    assert await desired(cloud) == "1300"


async def test_what_was_cut_off_is_completed_by_applying_again(cloud: Cloud) -> None:
    await cloud.registry.apply([MODEL, device(desired="1250")])  # and no wish, as if the cloud had died in between
    assert [one["outcome"] for one in await cloud.apply(MODEL, device(desired="1250"))] == ["unchanged"] * 2
    assert await desired(cloud) == "1250"
    await cloud.registry.apply([device(node="paint-shop", desired="1250")])
    await cloud.apply(device(node="paint-shop", desired="1250"))
    await cloud.log.take("paint-shop", JOURNAL, [Change(1, "default/pump", speed("1200", 1, 1000))])
    assert (await cloud.get("twins/default/pump"))["node"] == "paint-shop"


async def test_a_device_that_an_edge_gave_up_can_be_declared_for_another(cloud: Cloud) -> None:
    await cloud.registry.edges.declare("press-shop", MODEL)
    await cloud.registry.edges.declare("press-shop", device())
    await report(cloud, ("1200", 1, 1000))
    await cloud.registry.edges.declared("press-shop", [])
    await cloud.apply(MODEL, device(node="paint-shop", desired="900"))
    await cloud.log.take("paint-shop", JOURNAL, [Change(1, "default/pump", speed("1300", 1, 2000))])
    shown = await cloud.get("twins/default/pump")
    assert (shown["node"], shown["twin"]["speed"]["actual"]["value"], shown["unmet"]) == (
        "paint-shop",
        "1300",
        ["set-point"],
    )


async def desired(cloud: Cloud) -> str:
    twin = (await cloud.get("twins/default/pump"))["twin"]
    value: str = twin["set-point"]["expected"]["value"]
    return value


async def test_a_wish_is_checked_against_what_is_declared(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device())
    answer = await cloud.ask("POST", "twins/default/pump/wishes", {"values": {"set-point": "1450"}})
    assert answer.status == 200
    assert answer.body["unmet"] == ["set-point"]
    assert answer.body["twin"]["set-point"]["expected"]["value"] == "1450"
    for values, status, words in (
        ({"set-point": "9000"}, 400, "maximum of 2900"),
        ({"set-point": "fast"}, 400, "set-point"),
        ({"speed": "900"}, 400, "read-only"),
        ({"set-piont": "900"}, 404, "did you mean set-point?"),
        ({"set-point": "900", "speed": "1"}, 400, "read-only"),
        ({}, 400, "nothing is wished"),
    ):
        refused = await cloud.ask("POST", "twins/default/pump/wishes", {"values": values})
        assert refused.status == status
        assert words in refused.body["message"] + refused.body["advice"]
    assert await desired(cloud) == "1450"


async def test_a_moved_device_keeps_its_wishes_open(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device(desired="1250"))
    await cloud.log.confirm("default/pump", (await cloud.log.open_wishes(["default/pump"]))["default/pump"])
    assert (await cloud.get("twins/default/pump")).get("unmet", []) == []
    (applied,) = await cloud.apply(device(node="paint-shop", desired="1250"))
    assert applied["outcome"] == "configured"
    shown = await cloud.get("twins/default/pump")
    assert (shown["node"], shown["unmet"]) == ("paint-shop", ["set-point"])


async def test_twins_and_devices_show_what_was_reported(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device())
    await report(cloud, ("1200", 1, 1000))
    await cloud.log.take("press-shop", JOURNAL, [Change(2, "default/pump", DeviceState("pump", "online"))])
    shown = await cloud.get("twins/default/pump")
    assert shown["twin"]["speed"]["actual"]["value"] == "1200"
    assert (await cloud.get("twins"))["twins"][0]["twin"] == shown["twin"]
    (listed,) = (await cloud.get("devices"))["devices"]
    assert (listed["id"], listed["node"], listed["model"], listed["state"]) == (
        "default/pump",
        "press-shop",
        "pump",
        "online",
    )
    assert listed["received"] == pytest.approx(time.time() * 1000, abs=10_000)


async def test_readings_since_and_at(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device())
    await report(cloud, ("1", 1, 1000), ("2", 2, 2000), ("3", 3, 3000))
    readings = (await cloud.get("twins/default/pump/speed/readings?since=1500"))["readings"]
    assert [(one["time"], one["value"]) for one in readings] == [(2000, "2"), (3000, "3")]
    (then,) = (await cloud.get("twins/default/pump/speed/readings?at=2999"))["readings"]
    assert then["value"] == "2"
    assert (await cloud.get("twins/default/pump/speed/readings?at=999"))["readings"] == []
    assert (await cloud.get("twins/default/pump/speed/readings?since=0&until=2000"))["readings"][-1]["value"] == "1"


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_pages_of_readings_lose_none(cloud: Cloud, limit: int) -> None:
    await cloud.apply(MODEL, device())
    times = [1000, 3000, 2000, 2000, 4000]  # the edge's clock was set back
    await report(cloud, *((str(number), number, at) for number, at in enumerate(times, start=1)))
    found, since, skip = [], 0, 0
    while True:
        page = await cloud.get(f"twins/default/pump/speed/readings?since={since}&skip={skip}&limit={limit}")
        found += [one["value"] for one in page["readings"]]
        since, skip = page["next"], page["skip"]
        if not since:
            break
    assert found == ["1", "3", "4", "2", "5"]


async def test_lists_come_in_pages(cloud: Cloud) -> None:
    await cloud.apply(MODEL, *(device(f"pump-{number}") for number in range(5)))
    found, after = [], ""
    while True:
        page = await cloud.get(f"devices?limit=2&after={after}")
        found += [one["id"] for one in page["devices"]]
        after = page["next"]
        if not after:
            break
    assert found == [f"default/pump-{number}" for number in range(5)]


async def test_a_deleted_device_is_gone(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device())
    await report(cloud, ("1200", 1, 1000))
    assert (await cloud.ask("DELETE", "objects/Device/default/pump")).status == 200
    assert (await cloud.ask("GET", "twins/default/pump")).status == 404
    assert (await cloud.ask("DELETE", "objects/Device/default/pump")).status == 404
    assert (await cloud.ask("DELETE", "objects/Node/default/pump")).status == 404
    assert await cloud.log.latest(["default/pump"]) == {}


async def test_what_an_edge_declares_is_deleted_there(cloud: Cloud) -> None:
    keys = ["DeviceModel/default/pump", "Device/default/pump"]
    await cloud.registry.edges.declared("press-shop", keys)
    for form in (MODEL, device()):
        assert await cloud.registry.edges.declare("press-shop", form) is None
    (shown,) = (await cloud.get("devices"))["devices"]
    assert shown["origin"] == "press-shop"
    for key in keys:
        answer = await cloud.ask("DELETE", f"objects/{key}")
        assert answer.status == 409
        assert "press-shop" in answer.body["message"]


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff", b'{"objects":null}', b'{"objects":{}}',
     b'{"objects":[null]}', b'{"objects":[[]]}', b'{"objects":[{"kind":1e999}]}', b'{"objects":[{"a":"\\ud800"}]}',
     b'{"x":1}', b"[" * 100_000, b'{"objects":[' + b'{"a":' * 50_000,
     b'{"node":"a","minutes":null,"x":1}', b'{"values":{"a":1}}',
     b'{"values":{"a":null}}', b'{"node":5}', b'{"node":"a","minutes":"x"}'],
    ids=lambda content: content[:24].decode("latin1"),
)  # fmt: skip
async def test_hostile_json_is_an_answered_error(cloud: Cloud, content: bytes) -> None:
    await cloud.apply(MODEL, device())
    for path in ("objects", "tokens", "twins/default/pump/wishes"):
        answer = await cloud.ask("POST", path, data=content)
        assert answer.status == 400, (path, answer)
        assert answer.body["message"]


@pytest.mark.parametrize("form", [
    {"kind": "Device", "apiVersion": "devices.kubeedge.io/v1beta1", "metadata": None, "spec": None},
    {"kind": "Device", "apiVersion": "devices.kubeedge.io/v1beta1", "metadata": {"name": "../x"}, "spec": {}},
    {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}},
    {"kind": ["Device"], "apiVersion": {}, "metadata": {"name": {}}},
    {"a": 10**30},
])  # fmt: skip
async def test_what_is_no_object_is_refused_with_a_reason(cloud: Cloud, form: dict[str, Any]) -> None:
    (applied,) = await cloud.apply(form)
    assert applied["outcome"] == "refused"
    assert applied["message"]


async def test_bodies_are_limited(cloud: Cloud) -> None:
    answer = await cloud.ask("POST", "objects", data=b" " * (BODY_BYTES + 1))
    assert answer.status == 413
    answer = await cloud.ask("POST", "objects", {"objects": [{}] * 1_001})
    assert answer.status == 413


@pytest.mark.parametrize("query", ["since=-1", "since=x", "since=1e5", "at=", "limit=x", "since=99999999999999999"])
async def test_a_query_that_is_none_is_refused(cloud: Cloud, query: str) -> None:
    await cloud.apply(MODEL, device())
    answer = await cloud.ask("GET", f"twins/default/pump/speed/readings?{query}")
    assert answer.status == 400
    assert "whole number" in answer.body["advice"]


async def test_any_path_and_method_is_answered_as_json(cloud: Cloud) -> None:
    for method, path, status in (
        ("GET", "nowhere", 404),
        ("PUT", "nodes", 405),
        ("GET", "twins/a", 404),
        ("GET", "twins/a/b", 404),
        ("GET", "twins/%2e%2e/%00", 404),
        ("DELETE", "objects/Device/%ff/x", 404),
    ):
        answer = await cloud.ask(method, path)
        assert answer.status == status, path
        assert answer.body["message"]


async def test_many_operators_at_once(cloud: Cloud) -> None:
    await cloud.apply(MODEL, device())
    wishes = [
        cloud.ask("POST", "twins/default/pump/wishes", {"values": {"set-point": str(value)}}) for value in range(50)
    ]
    answers = await asyncio.gather(*wishes)
    assert {answer.status for answer in answers} == {200}
    twin = (await cloud.get("twins/default/pump"))["twin"]["set-point"]
    assert twin["expected_version"]["cloud"] == 50
