"""How a container ends: its preStop hook, then TERM, then KILL, all within its grace period."""

from __future__ import annotations

import asyncio

from msgspec import DecodeError, Struct, json
from msgspec.structs import replace

from edged.http_get import http_get
from edged.pod import Container, Handler, HttpGetAction, Pod
from edged.runtime import LABEL, FoundContainer, Runtime, RuntimeRefused

__all__ = ["Ending", "end", "ending_of", "port_number", "written"]

LONGEST = 3000
"""Bytes; engines limit a label to 4096. A longer hook is not run once its manifest is gone."""

LEAST = 2.0
"""Seconds for TERM that a slow hook cannot take away."""


class Ending(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """How one container is to end."""

    grace: float = 30.0
    """Seconds for the hook and for TERM together."""
    pre_stop: Handler | None = None


def ending_of(container: FoundContainer, pod: Pod | None) -> Ending:
    """As its manifest says; where there is none any more, as it says itself."""
    name = container.labels.get(LABEL.container, "")
    for one in (*pod.spec.containers, *pod.spec.init_containers) if pod else ():
        if pod and one.name == name:
            return _declared(one, pod)
    try:
        return json.decode(container.labels.get(LABEL.ending, "{}"), type=Ending)
    except DecodeError:
        return Ending()


def written(container: Container, pod: Pod) -> str:
    """The label by which a container knows how it ends."""
    ending = _declared(container, pod)
    text = json.encode(ending)
    return (text if len(text) <= LONGEST else json.encode(replace(ending, pre_stop=None))).decode()


def _declared(container: Container, pod: Pod) -> Ending:
    hook = container.lifecycle.pre_stop
    if hook and hook.http_get:
        hook = replace(hook, http_get=_numbered(hook.http_get, container))
    return Ending(grace=pod.spec.termination_grace_period_seconds, pre_stop=hook)


def _numbered(action: HttpGetAction, container: Container) -> HttpGetAction:
    return replace(action, port=port_number(action.port, container))


def port_number(port: int | str, container: Container) -> int:
    """A port by its number, or by the name it has in the container; 0 for a name that is not there."""
    if isinstance(port, int):
        return port
    return next((one.container_port for one in container.ports if one.name == port), 0)


async def end(runtime: Runtime, id_: str, ending: Ending, address: str) -> str:
    """Stop a container; what was wrong with its hook, empty for nothing."""
    clock = asyncio.get_running_loop().time
    by, trouble = clock() + ending.grace, ""
    if ending.pre_stop and ending.grace:
        try:
            async with asyncio.timeout(ending.grace):
                await _run(runtime, id_, ending.pre_stop, address, ending.grace)
        except (TimeoutError, OSError, ValueError, RuntimeRefused) as error:
            trouble = str(error) or f"not done within {ending.grace:g} s"
    await runtime.stop(id_, max(by - clock(), min(LEAST, ending.grace)))
    return trouble


async def _run(runtime: Runtime, id_: str, hook: Handler, address: str, within: float) -> None:
    if hook.exec:
        done = await runtime.execute(id_, hook.exec.command, within)
        if done.exit_code:
            raise ValueError(f"it ended with exit code {done.exit_code}")
    elif action := hook.http_get:
        assert isinstance(action.port, int)
        await http_get(action, action.host or address or "127.0.0.1", action.port)
