"""What operators are told of pods, ConfigMaps and Secrets, over real HTTPS."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_cloud import Cloud, served
from pod_objects import ENCODED, VALUE, config_map, pod, secret, twin, twin_model
from prometheus_client import CollectorRegistry, generate_latest

from cloud_sync.metrics import CloudMetrics
from cloud_sync.step import Held
from cloud_sync.stored import POD
from cloud_sync.twin_log import Change
from twin.documents import MsgTwin, TwinValue, TwinVersion, TypeMetadata

NODE, JOURNAL = "press-shop", "0" * 32
WEB = f"{POD}/default/web"


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    async with served(tmp_path) as running:
        yield running


async def report(cloud: Cloud, phase: str, *, by_cloud: bool = True, node: str = NODE) -> None:
    """As the edge does for a pod of its own."""
    for form in (twin_model(), twin(by_cloud=by_cloud)):
        assert await cloud.registry.edges.declare(node, form) is None
    said = MsgTwin(None, TwinValue(phase), True, TypeMetadata("string"), None, TwinVersion(0, 1))
    await cloud.log.take(node, JOURNAL, [Change(1, "default/pod.web", {"phase": said})])


async def test_a_pod_waits_for_its_node_then_shows_what_it_reported(cloud: Cloud) -> None:
    await cloud.apply(pod(node=NODE))
    shown = await cloud.get("pods/default/web")
    assert (shown["node"], shown["declared"], shown["confirmed"], shown["values"]) == (NODE, "cloud", False, {})
    stored = cloud.registry.find(WEB)
    assert stored is not None
    await cloud.registry.held.confirm(NODE, WEB, Held(stored.uid, stored.version, stored.object))
    await report(cloud, "Running")
    [listed] = (await cloud.get("pods"))["pods"]
    assert listed == await cloud.get("pods/default/web")
    assert (listed["confirmed"], listed["values"], listed["conditions"]) == (True, {"phase": "Running"}, [])
    await cloud.apply(pod(node=NODE, image="b"))
    assert not (await cloud.get("pods/default/web"))["confirmed"], "the edit waits"
    await cloud.apply(pod(node="No Such Node"))
    assert not (await cloud.get("pods"))["pods"][0]["confirmed"]
    await cloud.apply(pod(node="elsewhere"))
    moved = await cloud.get("pods/default/web")
    assert (moved["node"], moved["values"]) == ("elsewhere", {}), "what the old node said is not of the new one"


async def test_a_pod_of_a_folder_is_shown_and_deleted_there(cloud: Cloud) -> None:
    await report(cloud, "Running", by_cloud=False)
    [shown] = (await cloud.get("pods"))["pods"]
    assert (shown["id"], shown["node"], shown["declared"], shown["confirmed"]) == ("default/web", NODE, "edge", True)
    refused = await cloud.ask("DELETE", f"objects/{WEB}")
    assert refused.status == 409
    assert NODE in refused.body["message"]


async def test_a_deleted_pod_is_shown_until_its_node_is_rid_of_it(cloud: Cloud) -> None:
    await cloud.apply(pod(node=NODE))
    await report(cloud, "Running")
    assert (await cloud.ask("DELETE", f"objects/{WEB}")).status == 200
    shown = await cloud.get("pods/default/web")
    assert (shown["declared"], shown["confirmed"]) == ("withdrawn", False)
    await cloud.registry.edges.declared(NODE, [])
    assert (await cloud.get("pods"))["pods"] == []
    for path in ("pods/default/web", "pods/a", "pods/%2e%2e/%00"):
        assert (await cloud.ask("GET", path)).status == 404
    assert (await cloud.ask("DELETE", f"objects/{WEB}")).status == 404


async def test_sources_are_shown_with_their_users_and_deleted(cloud: Cloud) -> None:
    await cloud.apply(secret(), config_map(a="1", b="2"), pod(node=NODE, keys="secret"))
    assert (await cloud.get("secrets"))["sources"] == [
        {"id": "default/keys", "keys": 1, "pods": ["default/web"], "nodes": [NODE]}
    ]
    assert (await cloud.get("configmaps"))["sources"] == [
        {"id": "default/settings", "keys": 2, "pods": [], "nodes": []}
    ]
    assert (await cloud.ask("DELETE", "objects/Secret/default/keys")).status == 200
    assert (await cloud.get("secrets"))["sources"] == []
    [condition] = (await cloud.get("pods/default/web"))["conditions"]
    assert condition["type"] == "SourceMissing"
    unknown = await cloud.ask("DELETE", "objects/ConfigMap/default/setings")
    assert (unknown.status, unknown.body["advice"]) == (404, "did you mean default/settings?")


async def test_lists_come_in_pages(cloud: Cloud) -> None:
    await cloud.apply(*(pod(f"web-{number}") for number in range(3)), *(secret(f"s-{n}") for n in range(3)))
    for path, listed in (("pods", "pods"), ("secrets", "sources")):
        page = await cloud.get(f"{path}?limit=2")
        following = await cloud.get(f"{path}?limit=2&after={page['next']}")
        assert len({one["id"] for one in (*page[listed], *following[listed])}) == 3
        assert following["next"] == ""


async def test_nothing_that_a_cloud_says_holds_a_value_of_a_secret(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    said = [
        await cloud.apply(
            secret(), pod(node=NODE, keys="secret"), secret() | {"type": 5}, secret() | {"data": VALUE}
        ),
        await cloud.apply(secret() | {"data": {"password": VALUE}}, {**secret("x"), "kind": "Secrt", "spec": VALUE}),
        await cloud.ask("POST", "objects", data=json.dumps({"objects": secret()}).encode()),
        await cloud.ask("POST", "objects", data=json.dumps({"objects": [secret()]}).encode()[:-1]),
    ]
    paths = "pods", "pods/default/web", "secrets", "configmaps", "devices", "twins", "nodes", "nodes/press-shop/logs"
    said += [await cloud.ask("GET", path) for path in paths]
    said += [await cloud.ask(method, "objects/Secret/default/keys") for method in ("GET", "PUT", "DELETE", "DELETE")]
    metrics = CollectorRegistry()
    metrics.register(CloudMetrics(cloud.registry, cloud.log, cloud.server, cloud.authority))  # type: ignore[arg-type]
    everything = f"{said} {caplog.text} {generate_latest(metrics).decode()} {cloud.registry.objects()}"
    assert "default/keys" in everything
    for form in (VALUE, ENCODED):
        assert form not in everything
