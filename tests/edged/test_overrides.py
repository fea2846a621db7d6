"""What was wished of pods outlives the hub, and gives way to an edited manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edged.overrides import Overrides
from edged.pod import Container, Metadata, Pod, PodSpec
from edged.wanted import Override
from twin.store import Store, open_store


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "catalogue.json") as store:
        yield store


def pod(image: str = "app:1") -> Pod:
    containers = (Container(name="app", image=image),)
    return Pod(api_version="v1", kind="Pod", metadata=Metadata(name="web"), spec=PodSpec(containers=containers))


async def again(catalogue: Store) -> Overrides:
    """As the next hub knows them."""
    known = Overrides(catalogue)
    await known.recall()
    return known


async def test_a_wish_is_known_to_the_next_hub(catalogue: Store) -> None:
    first = Overrides(catalogue)
    assert await first.wish(pod(), {"replicas": "0", "restart": "monday", "image": "app:2"}) == {}
    expected = Override(replicas=0, images={"app": "app:2"}, restart="monday")
    assert first.of(pod()) == expected
    assert (await again(catalogue)).of(pod()) == expected


async def test_later_wishes_add_to_earlier_ones(catalogue: Store) -> None:
    known = Overrides(catalogue)
    await known.wish(pod(), {"replicas": "0"})
    await known.wish(pod(), {"image": "app:2"})
    await known.wish(pod(), {"replicas": "1"})
    assert known.of(pod()) == Override(replicas=1, images={"app": "app:2"})


async def test_an_image_holds_while_the_manifest_names_the_same(catalogue: Store) -> None:
    known = Overrides(catalogue)
    await known.wish(pod("app:1"), {"image": "app:2"})
    assert known.of(pod("app:3")).images == {}
    assert known.of(pod("app:1")).images == {"app": "app:2"}
    await known.wish(pod("app:1"), {"image": "app:1"})
    assert known.of(pod("app:1")).images == {}


async def test_what_cannot_be_is_told_and_the_rest_is_taken(catalogue: Store) -> None:
    known = Overrides(catalogue)
    refused = await known.wish(pod(), {"replicas": "2", "phase": "Running", "restart": "monday", "image": "a b"})
    assert refused.keys() == {"replicas", "phase", "image"}
    assert known.of(pod()) == Override(restart="monday")


async def test_a_pod_that_is_gone_is_forgotten(catalogue: Store) -> None:
    known = Overrides(catalogue)
    await known.wish(pod(), {"replicas": "0"})
    await known.forget_all_but({"default/web"})
    assert known.of(pod()).replicas == 0
    await known.forget_all_but(set())
    assert known.of(pod()) == (await again(catalogue)).of(pod()) == Override()


async def test_an_entry_that_is_not_understood_is_left_out(catalogue: Store) -> None:
    await catalogue.put("PodOverride/default/web", {"replicas": 7})
    await catalogue.put("PodOverride/default/other", {"restart": "monday"})
    known = await again(catalogue)
    assert known.of(pod()) == Override()
