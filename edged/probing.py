"""The probes of one pod's running containers: begun when a container runs, ended with it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Self

from edged.events import Happening
from edged.memory import Health
from edged.pod import Container
from edged.probes import Asking, Prober
from edged.runtime import FoundContainer, Runtime
from edged.sight import Sight, name_of
from edged.wanted import Held, Wanted

__all__ = ["Probing"]

logger = logging.getLogger("edged")


class _Probed(NamedTuple):
    container: Container
    address: str
    task: asyncio.Task[None]


class Probing:
    """`async with` ends all probes at the end."""

    def __init__(
        self,
        runtime: Runtime,
        pod_id: str,
        learn: Callable[[str, Health], None],
        say: Callable[[Happening], None],
    ) -> None:
        """`learn` hears the health of a container, by its id."""
        self._runtime = runtime
        self._pod_id = pod_id
        self._learn = learn
        self._say = say
        self._probed: dict[str, _Probed] = {}
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.leave(self._probed.keys())
        await self._tasks.__aexit__(None, None, None)

    def attend(self, wanted: Wanted, sight: Sight) -> None:
        """Probe what runs, as it is declared now, and nothing else."""
        declared = {} if wanted is None or isinstance(wanted, Held) else _declared(wanted.pod.spec.containers)
        addresses = {sandbox.id: sandbox.address for sandbox in sight.sandboxes}
        running = {one.id: one for one in sight.containers if one.state == "running" and name_of(one) in declared}
        self.leave(self._probed.keys() - running.keys())
        for id_, found in running.items():
            container, address = declared[name_of(found)], addresses.get(found.sandbox, "")
            before = self._probed.get(id_)
            if before is None or (before.container, before.address) != (container, address):
                self.leave({id_})
                self._begin(found, container, address)

    def leave(self, ids: Iterable[str]) -> None:
        """Probe these containers no more."""
        for id_ in list(ids):
            if one := self._probed.pop(id_, None):
                one.task.cancel()

    def _begin(self, found: FoundContainer, container: Container, address: str) -> None:
        prober = Prober(
            container,
            Asking(self._runtime, found.id, container, address),
            lambda health: self._learn(found.id, health),
            lambda text: self._say(Happening("Warning", "Unhealthy", text)),
        )
        work = self._run(prober, container.name, max(0.0, time.time() - found.started))
        task = self._tasks.create_task(work, name=f"probes of {self._pod_id} {container.name}")
        self._probed[found.id] = _Probed(container, address, task)

    async def _run(self, prober: Prober, name: str, age: float) -> None:
        try:
            await prober.run(age)
        except Exception:
            logger.exception("%s: the probes of %s ended by a defect", self._pod_id, name)


def _declared(containers: tuple[Container, ...]) -> dict[str, Container]:
    return {one.name: one for one in containers if one.liveness_probe or one.readiness_probe or one.startup_probe}
