"""The engine in memory keeps the contract as far as it has anything to keep it with: it runs no programs."""

from __future__ import annotations

import pytest
import runtime_contract
from memory_runtime import MemoryEngine, MemoryRuntime
from runtime_contract import IMAGE, RuntimeContract

KEPT = {
    "test_it_says_what_it_is_and_what_it_lacks",
    "test_a_sandbox_is_found_with_its_labels",
    "test_only_what_bears_the_nodes_label_is_found",
    "test_a_sandboxs_name_is_given_once",
    "test_a_stopped_sandbox_stays_and_is_not_ready",
    "test_a_sandbox_is_removed_with_all_that_runs_in_it",
    "test_one_that_was_not_started_is_removed",
    "test_what_is_not_there_is_told",
    "test_a_containers_name_is_given_once",
}


class InMemory:
    def __init__(self) -> None:
        self.memory = MemoryEngine(images={IMAGE})

    def runtime(self) -> MemoryRuntime:
        return MemoryRuntime(self.memory)

    async def kill(self) -> None:
        self.memory.go(up=False)

    async def revive(self) -> None:
        self.memory.go(up=True)


class TestMemoryRuntime(RuntimeContract):
    @pytest.fixture
    def engine(self) -> InMemory:
        return InMemory()


for name in vars(RuntimeContract):
    if name.startswith("test_") and name not in KEPT:
        setattr(TestMemoryRuntime, name, None)
assert vars(runtime_contract.RuntimeContract).keys() >= KEPT
