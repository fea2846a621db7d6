"""Pods on containerd from their manifests: what edged makes of them, whoever is killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import busybox_image
import pytest
from containerd_engine import ContainerdEngine, containerd_engine, has_networks
from declared_node import apply, edged_on, ready
from pod_texts import read
from runtime_contract import until

from edged.edged import Edged

POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  hostNetwork: {str(not has_networks()).lower()}
  terminationGracePeriodSeconds: 5
  initContainers:
  - name: before
    image: {busybox_image.NAME}
    command: [sh, -c, "cat /words/word > /shared/word"]
    volumeMounts: [{{name: words, mountPath: /words}}, {{name: shared, mountPath: /shared}}]
  containers:
  - name: app
    image: {busybox_image.NAME}
    command: [sh, -c, "cat /shared/word; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    volumeMounts: [{{name: shared, mountPath: /shared}}]
    readinessProbe: {{exec: {{command: [test, -s, /shared/word]}}, periodSeconds: 1}}
    resources: {{limits: {{memory: 64Mi, cpu: 500m}}}}
  volumes:
  - {{name: words, configMap: {{name: words}}}}
  - {{name: shared, emptyDir: {{}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: words}}
data: {{word: "hello\\n"}}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerdEngine]:
    with containerd_engine(tmp_path_factory.mktemp("containerd")) as engine:
        engine.ctr("images", "import", str(busybox_image.docker_archive(engine.directory / "busybox.tar")))
        yield engine


async def started(edged: Edged) -> str:
    """When its container was, once the pod is ready."""

    status = await ready(edged, "default/web")
    [one] = status.container_statuses
    assert one.state.running
    assert one.restart_count == 0
    return one.state.running.started_at


async def test_a_pod_comes_is_adopted_and_goes(engine: ContainerdEngine, tmp_path: Path) -> None:
    for name in ("manifests", "none"):
        (tmp_path / name).mkdir()
    declared = read(tmp_path / "manifests", POD)
    assert declared.problems == ()
    async with edged_on(engine, tmp_path / "edged", declared) as edged:
        first = await started(edged)
        log = edged.log("default/web", "app")
        assert log
        assert log.read_text().endswith(" stdout F hello\n")
    await engine.kill()
    async with edged_on(engine, tmp_path / "edged", declared) as edged:
        await engine.revive()
        assert await started(edged) == first
        apply(edged, tmp_path / "edged", read(tmp_path / "none"))

        async def gone() -> bool:
            return edged.status("default/web") is None and not engine.ctr("containers", "list", "-q").strip()

        await until(gone, "nothing of it is left", 60)
