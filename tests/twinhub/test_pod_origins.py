"""Pods of a folder and of a cloud together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edged import placed
from edged.declared import DeclaredPods
from twin.store import Store, StoreError, open_store
from twinhub.pod_origins import PodOrigins

NODE = "edge-7"


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "catalogue.db") as store:
        yield store


def pod(name: str = "web", image: str = "app:1", node: str = NODE, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "app", "image": image}]
    metadata = {"name": name, "namespace": "default", "uid": f"u-{name}"}
    spec = {"nodeName": node, "containers": containers, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def settings(mode: str) -> dict[str, Any]:
    metadata = {"name": "settings", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mode": mode}}


def folder(*objects: dict[str, Any]) -> DeclaredPods:
    return placed.read(objects)._replace(problems=())


def images(origins: PodOrigins) -> dict[str, str]:
    return {id_: pod.spec.containers[0].image for id_, pod in origins.declared.pods.items()}


async def test_the_folder_goes_before_the_cloud(catalogue: Store, caplog: pytest.LogCaptureFixture) -> None:
    origins = PodOrigins(catalogue, NODE)
    origins.from_folder(folder(pod(image="here:1"), settings("slow")))
    for _ in range(2):
        await origins.from_cloud([pod(image="there:1"), pod("other", "there:1"), settings("fast")])
    assert images(origins) == {"default/web": "here:1", "default/other": "there:1"}
    assert origins.declared.config_maps["default/settings"].text == {"mode": "slow"}
    assert list(origins.of_cloud) == ["default/other"]
    told = [record.getMessage().partition(" ")[0] for record in caplog.records]
    assert told == ["ConfigMap/default/settings", "Pod/default/web"], "once"
    origins.from_folder(DeclaredPods())
    assert images(origins) == {"default/web": "there:1", "default/other": "there:1"}
    assert origins.declared.config_maps["default/settings"].text == {"mode": "fast"}


async def test_a_pod_of_the_folder_for_another_node_is_in_nobodys_way(catalogue: Store) -> None:
    origins = PodOrigins(catalogue, NODE)
    origins.from_folder(folder(pod(image="elsewhere:1", node="edge-8")))
    await origins.from_cloud([pod(image="there:1"), pod("moved", node="edge-8")])
    assert images(origins) == {"default/web": "there:1"}
    assert list(origins.of_cloud) == ["default/web"]


async def test_of_what_has_mistakes_the_last_good_form_goes_on_also_after_a_restart(
    catalogue: Store, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [pod(image="app:2", hostPID=True), pod("never", hostPID=True)]
    origins = PodOrigins(catalogue, NODE)
    await origins.from_cloud([pod()])
    await origins.remember()
    for _ in range(2):
        await origins.from_cloud(broken)
    assert images(origins) == {"default/web": "app:1"}
    assert len([r for r in caplog.records if "Pod/default/web: spec.hostPID: " in r.getMessage()]) == 1
    again = PodOrigins(catalogue, NODE)
    await again.recall()
    assert again.declared.pods == {}, "nothing runs before the cloud's objects are recalled"
    await again.from_cloud(broken)
    assert images(again) == {"default/web": "app:1"}
    await again.from_cloud([pod(image="app:3")])
    assert images(again) == {"default/web": "app:3"}
    await again.from_cloud([])
    await again.from_cloud(broken)
    assert images(again) == {}, "another one of the same name"


async def test_what_ran_last_is_known_by_who_declared_it(catalogue: Store) -> None:
    origins = PodOrigins(catalogue, NODE)
    origins.from_folder(folder(pod("here"), pod("away", node="edge-8")))
    await origins.from_cloud([pod("there")])
    await origins.remember()
    again = PodOrigins(catalogue, NODE)
    assert (await again.recall()).pods.keys() == {"default/here", "default/away"}
    assert again.ran == {"default/here", "default/there"}


async def test_a_disk_that_fails_is_said(
    catalogue: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def full(*_args: Any, **_options: Any) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(catalogue, "put", full)
    origins = PodOrigins(catalogue, NODE)
    await origins.from_cloud([pod()])
    await origins.remember()
    assert "could not be noted: the disk is full" in caplog.text
