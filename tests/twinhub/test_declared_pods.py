"""The catalogue's record of pods."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edged.declared import DeclaredPods
from edged.pod import Container, Metadata, Pod, PodSpec
from edged.sources import ConfigMap, Secret
from twin.store import Store, open_store
from twinhub.declared_pods import PodCatalogue

POD = Pod(
    api_version="v1",
    kind="Pod",
    metadata=Metadata(name="web", annotations={"a": "b"}),
    spec=PodSpec(containers=(Container(name="app", image="app:1"),)),
)
ALL = DeclaredPods(
    {"default/web": POD},
    {"default/settings": ConfigMap({"mode": "fast"}, {"raw": b"\x00\xff"})},
    {"default/key": Secret({"word": b"swordfish"})},
)


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "catalogue.json") as store:
        yield store


async def test_what_was_remembered_is_recalled(catalogue: Store, tmp_path: Path) -> None:
    await PodCatalogue(catalogue, tmp_path).remember(ALL)
    assert await PodCatalogue(catalogue, tmp_path).recall() == ALL


async def test_what_is_declared_no_longer_is_forgotten(catalogue: Store, tmp_path: Path) -> None:
    known = PodCatalogue(catalogue, tmp_path)
    await known.remember(ALL)
    await known.remember(ALL._replace(config_maps={}, secrets={}))
    assert await PodCatalogue(catalogue, tmp_path).recall() == DeclaredPods({"default/web": POD})


async def test_secrets_are_for_their_owner_alone(catalogue: Store, tmp_path: Path) -> None:
    await PodCatalogue(catalogue, tmp_path).remember(ALL)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert b"c3dvcmRmaXNo" not in (tmp_path / "catalogue.json").read_bytes()


async def test_what_is_not_understood_is_left_out_and_not_shown(
    catalogue: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await PodCatalogue(catalogue, tmp_path).remember(ALL)
    await catalogue.put("Pod/default/odd", {"is": {"kind": "Pod"}})
    (tmp_path / "secrets.json").write_text('{"default/key": {"files": "swordfish"}}')
    assert await PodCatalogue(catalogue, tmp_path).recall() == ALL._replace(secrets={})
    assert "Pod/default/odd" in caplog.text
    assert "secrets.json" in caplog.text
    assert "swordfish" not in caplog.text
