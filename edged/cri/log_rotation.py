"""Logs do not grow for ever: the engine only ever adds to them, and waits to be told of another file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from cri_api.v1 import api_pb2 as cri

from edged.cri.api import Api
from edged.runtime import RuntimeRefused, RuntimeUnavailable

__all__ = ["rotate", "rotate_for_ever"]

LIMIT = 10 * 1024 * 1024
"""Bytes after which a log begins anew. The one before is kept beside it, as `<log>.1`."""
PERIOD = 10.0
"""Seconds between two looks."""

logger = logging.getLogger("edged")


async def rotate_for_ever(api: Api, logs: Callable[[], Mapping[str, str]]) -> None:
    """`logs`: the files of running containers, by id."""
    while True:
        await asyncio.sleep(PERIOD)
        with suppress(RuntimeUnavailable):
            for id_, log in logs().items():
                await rotate(api, id_, Path(log))


async def rotate(api: Api, id_: str, log: Path, limit: int = LIMIT) -> None:
    """Let this container's log begin anew if it is longer than `limit`. RuntimeUnavailable."""
    if not await asyncio.to_thread(_set_aside, log, limit):
        return
    try:
        await api.call(cri.ReopenContainerLogRequest(container_id=id_), cri.ReopenContainerLogResponse)
    except (RuntimeRefused, RuntimeUnavailable) as error:
        await asyncio.to_thread(_put_back, log)  # it is still written to, or was the last
        if isinstance(error, RuntimeUnavailable):
            raise
        logger.debug("%s does not begin anew: %s", log, error)


def _set_aside(log: Path, limit: int) -> bool:
    """It was longer."""
    with suppress(OSError):
        if log.stat().st_size > limit:
            log.replace(_older(log))
            return True
    return False


def _put_back(log: Path) -> None:
    with suppress(OSError):
        _older(log).replace(log)


def _older(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
