"""Pods with files, planned for an edged that runs them on an engine in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from memory_runtime import MemoryEngine
from node import Node

from device_models import load
from edged.declared import DeclaredPods, PodReader
from edged.places import Room
from edged.plan import NodeFacts
from edged.planner import NodePlanner

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  containers:
  - name: app
    image: localhost/app:1
    env: [{{name: LEVEL, valueFrom: {{configMapKeyRef: {{name: levels, key: high}}}}}}]
    volumeMounts: [{{name: levels, mountPath: /levels}}, {{name: data, mountPath: /data}}]
  volumes:
  - {{name: levels, configMap: {{name: levels}}}}
  - {{name: data, emptyDir: {{}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: levels}}, data: {{{key}: "{level}"}}}}
"""


class Plant:
    """A folder of manifests, and a node that follows it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "manifests"
        self.folder.mkdir()
        self.room = Room(tmp_path / "disk", tmp_path / "memory")
        self.node = Node(tmp_path / "edged")

    def apply(self, text: str) -> None:
        (self.folder / "all.yaml").write_text(text, encoding="utf-8")
        declared = read(self.folder)
        planner = NodePlanner(declared.sources, NodeFacts("edge-1", "10.0.0.5"), self.room)
        self.node.edged.apply(declared.on("edge-1"), planner)

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.room.disk.glob(f"default/web/*/{pattern}"))


def read(folder: Path) -> DeclaredPods:
    reader = PodReader()
    load(folder, {}, others=reader.take)
    return reader.declared()


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def shows(plant: Plant, level: str) -> Callable[[], bool]:
    return lambda: [file.read_text() for file in plant.files("config-map/levels/high")] == [level]


async def test_an_edited_config_map_is_seen_without_a_restart(plant: Plant) -> None:
    async with plant.node as node:
        plant.apply(POD.format(key="high", level="80"))
        before = await node.ready()
        assert shows(plant, "80")()
        plant.apply(POD.format(key="high", level="90"))
        await node.until(shows(plant, "90"))
        assert node.status().container_statuses == before.container_statuses


async def test_a_pod_waits_for_what_it_refers_to(plant: Plant) -> None:
    async with plant.node as node:
        plant.apply(POD.format(key="low", level="5"))
        await node.phase("Pending")
        assert "CreateContainerConfigError" in node.reasons()
        (one,) = node.status().container_statuses
        assert one.state.waiting
        assert one.state.waiting.message == "ConfigMap default/levels has no key high"
        plant.apply(POD.format(key="high", level="80"))
        await node.ready()


async def test_what_runs_goes_on_when_what_it_refers_to_is_gone(plant: Plant) -> None:
    async with plant.node as node:
        plant.apply(POD.format(key="high", level="80"))
        before = await node.ready()
        plant.apply(POD.format(key="low", level="5"))
        await node.until(lambda: "CreateContainerConfigError" in node.reasons())
        assert node.status().container_statuses == before.container_statuses
        assert shows(plant, "80")()


async def test_files_go_with_their_pod(plant: Plant) -> None:
    async with plant.node as node:
        plant.apply(POD.format(key="high", level="80"))
        await node.ready()
        assert len(plant.files("empty-dir/data")) == 1
        plant.apply("")
        await node.until(lambda: not plant.files("*"))
        assert list(plant.room.disk.glob("*/*")) == []


async def test_files_of_a_pod_that_went_while_nobody_looked_are_removed(plant: Plant) -> None:
    async with plant.node as node:
        plant.apply(POD.format(key="high", level="80"))
        await node.ready()
    plant.node.engine = MemoryEngine()
    async with plant.node as node:
        plant.apply("")
        await node.until(lambda: not plant.files("*"))
