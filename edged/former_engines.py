"""What runs of this node on engines that were chosen before, or under names it had before: it is ended there, before
the present engine begins.

The engines are noted in a file until nothing of ours is left on them, so that a hub that is killed meanwhile, or an
engine that is away for the time being, leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from pathlib import Path

from edged import former_names
from edged.engines import NAMES, engine
from edged.hooks import end, ending_of
from edged.runtime import Found, Runtime, RuntimeRefused, RuntimeUnavailable
from edged.sight import alive
from twin import durable_file

__all__ = ["leave", "note", "noted", "unnote"]

logger = logging.getLogger("edged")

_FILE = "former-runtimes"
PATIENCE = 600.0
"""Seconds for one engine, its pods' grace periods included; then the present one begins all the same."""


def noted(directory: Path) -> tuple[str, ...]:
    """The engines that may still have something. `directory`: edged's own."""
    try:
        names = (directory / _FILE).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(name for name in NAMES if name in names)


def note(directory: Path, name: str) -> None:
    """This engine was in use, and is no more. OSError."""
    _write(directory, {*noted(directory), name})


def unnote(directory: Path, name: str) -> None:
    """Nothing is left on this engine, or it is in use again. OSError."""
    if name in noted(directory):
        _write(directory, {*noted(directory)} - {name})


async def leave(directory: Path, node: str, present: Runtime) -> None:
    """End what runs on former engines, and what bears former names of the node on the present one, which is not
    entered yet, as far as they can be reached."""
    names = former_names.noted(directory, node)
    for name in noted(directory):
        if await _left(engine(name, directory), (node, *names), name):
            _forget(directory, name)
    if names and await _left(present, names, f"the present engine as {', '.join(names)}") and not noted(directory):
        former_names.forget(directory, node)


def _forget(directory: Path, name: str) -> None:
    try:
        unnote(directory, name)
    except OSError as error:
        logger.warning("%s is asked again at the next start: %s", name, error)


async def _left(runtime: Runtime, names: Iterable[str], where: str) -> bool:
    """Whether nothing is left there."""
    try:
        async with asyncio.timeout(PATIENCE):
            ended = await _clear(runtime, names)
    except (RuntimeUnavailable, RuntimeRefused, OSError) as error:
        logger.warning(
            "what still runs on %s is not looked after any more: %s", where, str(error) or "it takes too long"
        )
        return False
    logger.info("nothing of this node is left on %s (containers ended: %d)", where, ended)
    return True


async def _clear(runtime: Runtime, names: Iterable[str]) -> int:
    """How many ran."""
    async with runtime:
        return sum([await _end(runtime, await runtime.found(name)) for name in names])


async def _end(runtime: Runtime, found: Found) -> int:
    addresses = {one.id: one.address for one in found.sandboxes}
    running = [one for one in found.containers if alive(one)]
    await _all(end(runtime, one.id, ending_of(one, None), addresses.get(one.sandbox, "")) for one in running)
    await _all(runtime.remove_sandbox(one.id) for one in found.sandboxes)
    await _all(runtime.remove(one.id) for one in found.containers if one.sandbox not in addresses)
    return len(running)


async def _all(work: Iterable[Awaitable[object]]) -> None:
    """Each to its end, whatever happens to another."""
    for failure in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(failure, BaseException):
            raise failure


def _write(directory: Path, names: set[str]) -> None:
    durable_file.replace(directory / _FILE, "".join(f"{name}\n" for name in sorted(names)).encode())
