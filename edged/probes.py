"""Liveness, readiness and startup probes, run by edged itself; whose turn and what counts is the kubelet's rule."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from edged.hooks import port_number
from edged.http_get import http_get
from edged.memory import NO_HEALTH, Health
from edged.pod import Container, Probe
from edged.runtime import Runtime, RuntimeRefused, RuntimeUnavailable

__all__ = ["Asking", "Count", "Prober", "Result", "judge"]

MOST_OUTPUT = 512
"""Characters of a command's output in an event."""


class Result(NamedTuple):
    """Of one attempt."""

    ok: bool | None
    """None: nothing was learnt."""
    text: str = ""


class Count(NamedTuple):
    """How often in a row it went the same way."""

    ok: bool = False
    times: int = 0


def judge(probe: Probe, count: Count, ok: bool) -> tuple[Count, bool | None]:
    """The count with one more result, and what it says now; None: not enough in a row yet."""
    count = Count(ok, count.times + 1 if count.ok == ok else 1)
    enough = probe.success_threshold if ok else probe.failure_threshold
    return count, ok if count.times >= enough else None


class Asking:
    """How one running container is asked."""

    def __init__(self, runtime: Runtime, id_: str, container: Container, address: str) -> None:
        self._runtime = runtime
        self._id = id_
        self._container = container
        self._address = address or "127.0.0.1"

    async def __call__(self, probe: Probe) -> Result:
        """One attempt, within the probe's time limit."""
        try:
            async with asyncio.timeout(probe.timeout_seconds + (1 if probe.exec else 0)):
                return await self._ask(probe)
        except TimeoutError:
            return Result(False, f"no answer within {probe.timeout_seconds} s")
        except RuntimeUnavailable:
            return Result(None)
        except (OSError, ValueError, RuntimeRefused) as error:
            return Result(False, str(error))

    async def _ask(self, probe: Probe) -> Result:
        if probe.exec:
            done = await self._runtime.execute(self._id, probe.exec.command, probe.timeout_seconds)
            return Result(done.exit_code == 0, done.output.decode(errors="replace")[:MOST_OUTPUT].strip())
        if probe.http_get:
            action = probe.http_get
            code = await http_get(action, action.host or self._address, port_number(action.port, self._container))
            return Result(200 <= code < 400, f"HTTP probe failed with statuscode: {code}")
        assert probe.tcp_socket
        port = port_number(probe.tcp_socket.port, self._container)
        _, writer = await asyncio.open_connection(probe.tcp_socket.host or self._address, port)
        writer.close()
        return Result(True)


class Prober:
    """Probes one running container until it is given up or cancelled."""

    def __init__(
        self,
        container: Container,
        ask: Callable[[Probe], Awaitable[Result]],
        learn: Callable[[Health], None],
        say: Callable[[str], None],
    ) -> None:
        """`learn` hears every change of its health, `say` every failed attempt."""
        self._container = container
        self._ask = ask
        self._learn = learn
        self._say = say
        self._health = NO_HEALTH
        self._begun = 0.0

    async def run(self, age: float) -> None:
        """`age`: for how many seconds the container has been running."""
        self._begun = asyncio.get_running_loop().time() - age
        if (startup := self._container.startup_probe) and not await self._startup(startup):
            return
        async with asyncio.TaskGroup() as group:
            if readiness := self._container.readiness_probe:
                group.create_task(self._readiness(readiness), name=f"readiness {self._container.name}")
            if liveness := self._container.liveness_probe:
                group.create_task(self._liveness(liveness), name=f"liveness {self._container.name}")

    async def _startup(self, probe: Probe) -> bool:
        async for well in self._verdicts("Startup", probe):
            self._update(self._health._replace(started=True) if well else self._health._replace(failed="startup"))
            return well
        return False

    async def _liveness(self, probe: Probe) -> None:
        async for well in self._verdicts("Liveness", probe):
            if not well:
                self._update(self._health._replace(failed="liveness"))
                return

    async def _readiness(self, probe: Probe) -> None:
        async for well in self._verdicts("Readiness", probe):
            self._update(self._health._replace(ready=well))

    def _update(self, health: Health) -> None:
        if health != self._health:
            self._health = health
            self._learn(health)

    async def _verdicts(self, kind: str, probe: Probe) -> AsyncIterator[bool]:
        """What the results in a row say, again with each that says so."""
        clock, count = asyncio.get_running_loop().time, Count()
        at = max(clock(), self._begun + probe.initial_delay_seconds)
        while True:
            await asyncio.sleep(at - clock())
            result = await self._ask(probe)
            if result.ok is False:
                self._say(f"{kind} probe failed: {result.text}")
            if result.ok is not None:
                count, verdict = judge(probe, count, result.ok)
                if verdict is not None:
                    yield verdict
            at = max(clock(), at + probe.period_seconds)
