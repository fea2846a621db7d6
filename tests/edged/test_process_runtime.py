"""The process runtime: the contract that all engines keep, and what is its own."""

from __future__ import annotations

from pathlib import Path

import busybox_image
import pytest
from runtime_contract import RuntimeContract

from edged.process.runtime import ProcessRuntime


class Directory:
    """The engine is a directory: there is nothing of it to kill but the keepers."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runtime(self) -> ProcessRuntime:
        return ProcessRuntime(self.path)

    async def kill(self) -> None:
        return None

    async def revive(self) -> None:
        return None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    if not busybox_image.busybox():
        pytest.skip(busybox_image.MISSING)
    return Directory(tmp_path_factory.mktemp("process"))


class TestContract(RuntimeContract):
    pass
