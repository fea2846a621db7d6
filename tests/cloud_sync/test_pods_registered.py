"""Pods and their sources in the registry: what is kept, what is wrong with it, who shall have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pod_objects import ENCODED, VALUE, config_map, pod, secret, twin, twin_model

from cloud_sync.known_pods import known_pod, known_pods
from cloud_sync.registry import Registry
from cloud_sync.stored import CONFIG_MAP, POD, SECRET
from twin.store import Store, open_store
from twinhub.cloud_pods import POD_RULES

NODE, OTHER = "edge-7", "edge-8"
WEB, KEYS, SETTINGS = f"{POD}/default/web", f"{SECRET}/default/keys", f"{CONFIG_MAP}/default/settings"
TWIN = "default/pod.web"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "catalogue.db") as opened:
        yield opened


@pytest.fixture
async def registry(store: Store) -> AsyncIterator[Registry]:
    async with Registry(store, {}, pods=POD_RULES) as opened:
        for node in (NODE, OTHER):
            await opened.add_node(node)
        yield opened


def wanted(registry: Registry, node: str = NODE) -> list[str]:
    return [one.key for one in registry.wanted(node)]


def conditions(registry: Registry, key: str = WEB) -> list[str]:
    return [one.type for one in registry.conditions(key)]


async def declare_twin(registry: Registry, node: str, *, by_cloud: bool = True) -> str | None:
    await registry.edges.declare(node, twin_model())
    return await registry.edges.declare(node, twin(by_cloud=by_cloud))


async def test_a_pod_brings_what_it_needs_and_no_more(registry: Registry) -> None:
    await registry.apply([pod(keys="secret", settings="configMap?"), pod("other", OTHER), secret(), config_map()])
    assert wanted(registry) == [SETTINGS, KEYS, WEB]
    assert wanted(registry, OTHER) == [f"{POD}/default/other"]
    await registry.apply([pod(settings="configMap")])
    assert wanted(registry) == [SETTINGS, WEB]
    assert await registry.delete(WEB)
    assert wanted(registry) == []
    assert not await registry.delete(WEB)


async def test_the_same_again_is_unchanged_however_a_secret_is_written(registry: Registry) -> None:
    objects = [pod(keys="secret"), secret(), config_map()]
    for outcome in ("created", "unchanged"):
        assert [one.outcome for one in await registry.apply(objects)] == [outcome] * 3
    coded = {key: value for key, value in secret().items() if key != "stringData"} | {"data": {"password": ENCODED}}
    assert [one.outcome for one in await registry.apply([coded])] == ["unchanged"]
    stored = registry.find(KEYS)
    assert stored is not None
    assert stored.object["data"] == {"password": ENCODED}
    assert "stringData" not in stored.object
    [edited] = await registry.apply([secret(password="another")])
    assert edited.outcome == "configured"


async def test_a_deployment_of_one_replica_is_its_pod(registry: Registry) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod()["spec"]}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": template},
    }
    [applied] = await registry.apply([deployment])
    assert (applied.key, applied.outcome) == (WEB, "created")
    assert wanted(registry) == [WEB]
    [none] = await registry.apply([deployment | {"spec": {"replicas": 0, "template": template}}])
    assert none.outcome == "refused"
    assert "twinhub delete pod web" in none.message
    assert wanted(registry) == [WEB]


@pytest.mark.parametrize("wrong", [
    pod() | {"spec": {"containers": []}},
    pod() | {"spec": {**pod()["spec"], "nodeSelector": {"a": "b"}}},
    pod() | {"apiVersion": "v2"},
    pod("Not A Name"),
    secret() | {"stringData": None, "data": {"password": VALUE}},
    secret() | {"data": {"password": [VALUE]}},
    secret(large=VALUE * 100_000),
    secret() | {"stringData": VALUE},
], ids=range(8))  # fmt: skip
async def test_what_nobody_could_run_is_refused_and_a_value_is_not_repeated(
    registry: Registry, wrong: dict[str, Any]
) -> None:
    [refused] = await registry.apply([wrong])
    assert refused.outcome == "refused"
    assert refused.message
    assert VALUE not in refused.message
    assert wanted(registry) == []


async def test_what_keeps_a_pod_from_running_is_a_condition(registry: Registry) -> None:
    await registry.apply([pod(node=None)])
    assert conditions(registry) == ["NodeUnknown"]
    await registry.apply([pod(node="Never Seen")])
    assert conditions(registry) == ["NodeUnknown"]
    await registry.apply([pod(keys="secret", settings="configMap?")])
    assert conditions(registry) == ["SourceMissing"]
    assert wanted(registry) == [WEB], "it is sent all the same"
    await registry.apply([secret()])
    assert conditions(registry) == []
    await registry.revoke(NODE)
    assert conditions(registry) == ["NodeRevoked"]


async def test_a_pod_that_the_nodes_folder_declares_too_is_declared_twice(registry: Registry) -> None:
    await registry.apply([pod()])
    assert await declare_twin(registry, NODE) is None
    assert conditions(registry) == []
    await declare_twin(registry, NODE, by_cloud=False)
    assert conditions(registry) == ["DeclaredTwice"]
    await declare_twin(registry, NODE)
    assert conditions(registry) == []


async def test_the_twin_of_a_pod_that_moves_is_the_new_nodes_although_the_old_one_is_away(registry: Registry) -> None:
    await registry.apply([pod()])
    await declare_twin(registry, NODE)
    assert await declare_twin(registry, OTHER), "it is not its pod"
    await registry.apply([pod(node=OTHER)])
    assert await declare_twin(registry, OTHER) is None
    device = registry.device(TWIN)
    assert device is not None
    assert device.origin == OTHER
    assert await declare_twin(registry, NODE), "the old one knows it not yet"
    assert conditions(registry) == ["DeclaredTwice"]
    await registry.edges.declared(NODE, [])
    assert conditions(registry) == []
    assert registry.device(TWIN) == device


async def test_a_twin_of_a_folders_pod_is_not_taken_over(registry: Registry) -> None:
    await declare_twin(registry, NODE, by_cloud=False)
    await registry.apply([pod(node=OTHER)])
    assert await declare_twin(registry, OTHER)
    assert conditions(registry) == ["DeclaredTwice", "DeclaredTwice"]


async def test_pods_are_known_from_both_sides(registry: Registry) -> None:
    await registry.apply([pod("cloudy", OTHER)])
    await declare_twin(registry, NODE, by_cloud=False)
    assert [(one.id, one.node, one.declared) for one in known_pods(registry)] == [
        ("default/cloudy", OTHER, "cloud"),
        ("default/web", NODE, "edge"),
    ]
    await declare_twin(registry, NODE)
    gone = known_pod(registry, "default/web")
    assert gone is not None
    assert gone.declared == "withdrawn"
    assert known_pod(registry, "default/nothing") is None


async def test_everything_is_there_again_after_a_restart(registry: Registry, store: Store) -> None:
    await registry.apply([pod(keys="secret"), secret(), config_map()])
    async with Registry(store, {}, pods=POD_RULES) as again:
        assert again.objects() == registry.objects()
        assert wanted(again) == [KEYS, WEB]


async def test_those_who_need_a_source_are_told_of_it(registry: Registry) -> None:
    await registry.apply([pod(keys="secret"), pod("other", OTHER, settings="configMap")])
    async with registry.watch() as changed:
        await registry.apply([secret()])
        assert await anext(changed) == NODE
        await registry.apply([config_map()])
        assert await anext(changed) == OTHER
        await registry.delete(KEYS)
        assert await anext(changed) == NODE
