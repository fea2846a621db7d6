"""The catalogue's record of pods."""

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


async def test_what_was_remembered_is_recalled(catalogue: Store) -> None:
    await PodCatalogue(catalogue).remember(ALL)
    assert await PodCatalogue(catalogue).recall() == ALL


async def test_what_is_declared_no_longer_is_forgotten(catalogue: Store) -> None:
    known = PodCatalogue(catalogue)
    await known.remember(ALL)
    await known.remember(ALL._replace(config_maps={}, secrets={}))
    assert await PodCatalogue(catalogue).recall() == DeclaredPods({"default/web": POD})


async def test_two_records_stand_beside_each_other(catalogue: Store) -> None:
    await PodCatalogue(catalogue).remember(ALL)
    await PodCatalogue(catalogue, "Other/").remember(ALL._replace(pods={}))
    assert await PodCatalogue(catalogue, "Other/").recall() == ALL._replace(pods={})
    assert await PodCatalogue(catalogue).recall() == ALL


async def test_what_is_not_understood_is_left_out_and_not_shown(
    catalogue: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await PodCatalogue(catalogue).remember(ALL)
    await catalogue.put("Pod/default/odd", {"is": {"kind": "Pod"}})
    await catalogue.put("Secret/default/key", {"is": {"files": "swordfish"}})
    await catalogue.put("Secret/default/word", {"is": {"files": {"word": "not base64, swordfish"}}})
    assert await PodCatalogue(catalogue).recall() == ALL._replace(secrets={})
    assert "Pod/default/odd" in caplog.text
    assert "Secret/default/key" in caplog.text
    assert "swordfish" not in caplog.text
