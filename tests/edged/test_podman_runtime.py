from __future__ import annotations

from collections.abc import Iterator

import pytest
from podman_engine import PodmanEngine, podman_engine
from runtime_contract import RuntimeContract


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman_engine(tmp_path_factory.mktemp("podman")) as engine:
        yield engine


class TestPodman(RuntimeContract):
    pass
