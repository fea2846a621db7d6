"""Pods on podman from their manifests, while what they need is not there."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import busybox_image
import pytest
from declared_node import apply, edged_on, gone, ready, trouble, waiting
from pod_texts import read
from podman_engine import PodmanEngine, podman_engine
from runtime_contract import until

from edged.runtime import Runtime, RuntimeRefused, RuntimeUnavailable

LATER = "localhost/later:1"
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: web}}
spec:
  terminationGracePeriodSeconds: 1
  hostNetwork: true
  containers:
  - name: app
    image: {image}
    imagePullPolicy: {policy}
    command: [sh, -c, "{script}"]
    volumeMounts: [{{name: words, mountPath: /words}}]
  volumes:
  - {{name: words, configMap: {{name: words}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: words}}
data: {{word: {word}}}
"""
SLEEP = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def manifests(
    image: str = busybox_image.NAME, policy: str = "Never", script: str = SLEEP, word: str = "hello"
) -> str:
    return POD.format(image=image, policy=policy, script=script, word=word)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman_engine(tmp_path_factory.mktemp("podman")) as engine:
        engine.podman("load", "--quiet", "--input", str(busybox_image.docker_archive(engine.directory / "image.tar")))
        yield engine


@pytest.mark.parametrize(
    ("policy", "reasons"),
    [("Never", ("ErrImageNeverPull",)), ("IfNotPresent", ("ErrImagePull", "ImagePullBackOff"))],
)
async def test_a_pod_waits_for_its_image(
    policy: str, reasons: tuple[str, ...], engine: PodmanEngine, tmp_path: Path
) -> None:
    image = f"localhost:9/{policy.lower()}:1"  # nobody listens there
    archive = busybox_image.docker_archive(tmp_path / "later.tar", image)
    async with edged_on(engine, tmp_path / "e", read(tmp_path, manifests(image, policy))) as edged:
        assert image in await waiting(edged, "default/web", *reasons)
        engine.podman("load", "--quiet", "--input", str(archive))
        edged.images_changed()
        await ready(edged, "default/web")
        await gone(edged, engine, tmp_path / "e")


async def test_a_pod_that_does_not_hear_is_killed_after_its_grace(engine: PodmanEngine, tmp_path: Path) -> None:
    deaf = manifests(script="trap '' TERM; while :; do sleep 0.1; done")
    async with edged_on(engine, tmp_path / "e", read(tmp_path, deaf)) as edged:
        await ready(edged, "default/web")
        await gone(edged, engine, tmp_path / "e")


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own; skips where it cannot be made."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "small", place], capture_output=True)
    if made.returncode:
        pytest.skip(f"a small file system cannot be made here: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all that is left."""
    with (disk / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return disk / "full"


async def test_a_full_disk_of_edged_is_told_and_gone_on_from(engine: PodmanEngine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        directory = disk / "e"
        directory.mkdir()
        async with edged_on(engine, directory, read(tmp_path, manifests(word="x" * 5000))) as edged:
            before = await ready(edged, "default/web")
            full = fill(disk)
            other = manifests(word="y" * 50_000).replace("name: web", "name: other")
            apply(edged, directory, read(tmp_path, manifests(word="x" * 5000), other.partition("---")[0]))
            assert "No space left on device" in await trouble(edged, "default/other")
            assert edged.status("default/web") == before, "what runs is not disturbed"
            full.unlink()
            await ready(edged, "default/other")
            await gone(edged, engine, directory)


async def test_a_full_disk_of_podman_is_told(tmp_path: Path) -> None:
    archive = str(busybox_image.docker_archive(tmp_path / "later.tar", LATER))
    with small_disk(tmp_path / "small", 24) as disk:
        (disk / "p").mkdir()
        with podman_engine(disk / "p") as engine:
            async with engine.runtime() as runtime:
                await runtime.images()
                full = fill(disk)
                with pytest.raises(RuntimeRefused, match="no space left on device"):
                    await runtime.load(archive)
                full.unlink()
                assert list(await runtime.load(archive)) == [LATER]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Where a directory has a long path, `podman run` hears of the end 20 s late."""
    with TemporaryDirectory(prefix="podman-") as directory:
        yield Path(directory)


async def test_an_image_is_loaded_whole_after_the_engine_was_killed_meanwhile(short_path: Path) -> None:
    archive = str(busybox_image.docker_archive(short_path / "later.tar", LATER))
    (short_path / "p").mkdir()
    with podman_engine(short_path / "p") as engine:
        async with engine.runtime() as runtime:
            for tenths in range(3):
                engine.podman("rmi", "--all", "--force")
                await runtime.images()  # its service listens
                loading = asyncio.create_task(runtime.load(archive), name="load")
                await asyncio.sleep(0.01 + tenths / 10)
                await engine.kill()
                await asyncio.wait([loading])
                assert isinstance(loading.exception(), RuntimeUnavailable | None)
                assert await until(lambda: _loaded(runtime, archive), "the image is loaded") == [LATER]
                assert engine.podman("run", "--rm", "--network=host", LATER) == "by itself\n"


async def _loaded(runtime: Runtime, archive: str) -> list[str]:
    """Empty while podman stumbles over the half that it left."""
    with suppress(RuntimeRefused):
        return list(await runtime.load(archive))
    return []
