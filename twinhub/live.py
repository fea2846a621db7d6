"""Keeps a running hub at what its folder declares: a good edit takes effect, a bad one is refused and told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from twinhub.errors import CommandError
from twinhub.folder_watch import FolderWatch, Signature
from twinhub.manifests import Manifests, read_manifests
from twinhub.settings import FILE
from twinhub.text import plural

__all__ = ["follow", "good_start"]

logger = logging.getLogger("twinhub")

DOUBT = 0.5
"""Seconds."""
Apply = Callable[[Manifests], Awaitable[None]]


def good_start(manifests: Manifests, last: Manifests | None) -> Manifests:
    """What to begin with: what is declared; where that is broken, what was declared `last`, in an earlier run.

    CommandError with all errors where there was none.
    """
    _tell(manifests)
    if not manifests.errors:
        return manifests
    if last is None:
        raise CommandError("\n".join([*map(str, manifests.errors), "nothing to run; mend this first"]))
    logger.error("the manifests are broken: going on with what was declared last, %s", _count(last))
    return last


async def follow(folder: Path, seen: Signature, applied: Manifests, apply: Apply) -> None:
    """Apply each edit of `folder` for ever. `seen` and `applied`: what it looked like, and declared, when read."""
    with FolderWatch(folder, seen) as watch:
        while True:
            now, manifests = await _next(folder, watch)
            _tell(manifests)
            if manifests.errors:
                logger.error("the edit is refused; what was declared before goes on")
                continue
            if now.get(str(folder / FILE)) != seen.get(str(folder / FILE)):
                logger.warning("%s has changed: that takes effect at the next start", FILE)
            seen = now
            if _declared(manifests) != _declared(applied):
                applied = manifests
                await apply(manifests)
                logger.info("the edit is applied: %s", _count(manifests))


async def _next(folder: Path, watch: FolderWatch) -> tuple[Signature, Manifests]:
    """What is declared after the next edit. What is broken may be half written: it has `DOUBT` seconds to become
    whole, as long as it changes."""
    now = await watch.change()
    assert now is not None
    until = asyncio.get_running_loop().time() + DOUBT
    while (manifests := await asyncio.to_thread(read_manifests, folder)).errors:
        left = until - asyncio.get_running_loop().time()
        if left <= 0 or (later := await watch.change(left)) is None:
            break
        now = later
    return now, manifests


def _declared(manifests: Manifests) -> tuple[object, ...]:
    return manifests.devices, manifests.documents, manifests.pods


def _count(manifests: Manifests) -> str:
    devices, pods = plural(len(manifests.devices), "device"), len(manifests.pods.pods)
    return f"{devices} and {plural(pods, 'pod')}" if pods else devices


def _tell(manifests: Manifests) -> None:
    for warning in manifests.warnings:
        logger.warning("%s", warning)
    for error in manifests.errors:
        logger.error("%s", error)
