"""The pods of an edge, from both who declare them: its folder, which goes before, and its cloud."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from edged import placed
from edged.declared import DeclaredPods
from edged.pod import Pod
from twin.store import Store, StoreError
from twinhub.declared_pods import PodCatalogue

__all__ = ["PodOrigins"]

logger = logging.getLogger("twinhub")

T = TypeVar("T")
SERVED = "CloudServed/"


class PodOrigins:
    """`recall` first. Of what the cloud declares with mistakes, the last good form stands."""

    def __init__(self, catalogue: Store, node: str) -> None:
        self._node = node
        self._folders = PodCatalogue(catalogue)
        self._served = PodCatalogue(catalogue, SERVED)
        self._folder = DeclaredPods()
        self._cloud = DeclaredPods()
        self._good = DeclaredPods()
        """What the cloud declared, as it was read last without mistakes."""
        self._problems: frozenset[str] = frozenset()
        self._both: frozenset[str] = frozenset()

    async def recall(self) -> DeclaredPods:
        """What the folder declared last. Raises `StoreError`."""
        self._good = await self._served.recall()
        self._folder = await self._folders.recall()
        return self._folder

    @property
    def ran(self) -> frozenset[str]:
        """After `recall`: the pods that were to run here last, whoever declared them."""
        return frozenset(self._folder.on(self._node)) | frozenset(self._good.on(self._node))

    def from_folder(self, pods: DeclaredPods) -> None:
        """The folder declares these from now on."""
        self._folder = pods
        self._tell_both()

    async def from_cloud(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """The cloud declares these from now on, as they came; mistakes in them are told. They are read in a thread:
        hundreds take a second."""
        found = await asyncio.to_thread(placed.read, objects)
        keys = {f"{one['kind']}/{one['metadata']['namespace']}/{one['metadata']['name']}" for one in objects}
        self._cloud = self._good = DeclaredPods(
            _good("Pod", keys, self._good.pods, found.pods),
            _good("ConfigMap", keys, self._good.config_maps, found.config_maps),
            _good("Secret", keys, self._good.secrets, found.secrets),
        )
        problems = frozenset(str(problem) for problem in found.problems if problem.severity == "error")
        for problem in sorted(problems - self._problems):
            logger.error("the cloud declares what cannot be used; what it declared before goes on: %s", problem)
        self._problems = problems
        self._tell_both()

    @property
    def declared(self) -> DeclaredPods:
        """What is to run here, and what it refers to."""
        folder, cloud = self._folder, self._cloud
        return DeclaredPods(
            {**cloud.on(self._node), **folder.on(self._node)},
            {**cloud.config_maps, **folder.config_maps},
            {**cloud.secrets, **folder.secrets},
        )

    @property
    def of_cloud(self) -> Mapping[str, Pod]:
        """Those of the pods that the cloud declares, by id."""
        ours = self._folder.on(self._node)
        return {id_: pod for id_, pod in self._cloud.on(self._node).items() if id_ not in ours}

    async def remember(self) -> None:
        """All of it is applied now."""
        try:
            await self._folders.remember(self._folder)
            await self._served.remember(self._cloud)
        except StoreError as error:
            logger.error("the pods that are declared could not be noted: %s", error)

    def _tell_both(self) -> None:
        folder, cloud = self._folder, self._cloud
        both = frozenset(
            [f"Pod/{id_}" for id_ in folder.on(self._node).keys() & cloud.pods.keys()]
            + [f"ConfigMap/{id_}" for id_ in folder.config_maps.keys() & cloud.config_maps.keys()]
            + [f"Secret/{id_}" for id_ in folder.secrets.keys() & cloud.secrets.keys()]
        )
        for key in sorted(both - self._both):
            logger.warning("%s is declared by the cloud as well; what is declared here goes on", key)
        self._both = both


def _good(kind: str, keys: Iterable[str], last: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    """What was good and is still declared, and over it what is good now."""
    there = {key.removeprefix(f"{kind}/") for key in keys if key.startswith(f"{kind}/")}
    return {id_: thing for id_, thing in last.items() if id_ in there} | dict(now)
