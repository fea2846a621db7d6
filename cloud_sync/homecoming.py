"""Reports of devices that have moved here, while the log believes that they live elsewhere.

Where a device lives is decided in the registry. The log learns it afterwards; if a process ends between the two, or
an edge declares what another edge has given up, it learns it here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cloud_sync.registry import Registry
from cloud_sync.twin_log import Change, TwinLog, TwinLogError

__all__ = ["take"]

logger = logging.getLogger("cloud_sync")


async def take(
    registry: Registry, log: TwinLog, node: str, journal: str, changes: Sequence[Change], *, history: bool = True
) -> None:
    """As `TwinLog.take`; a device that lives at this node by the registry is brought home first, if need be."""
    try:
        await log.take(node, journal, changes, history=history)
    except TwinLogError:
        if not await _brought_home(registry, log, node, {change.device for change in changes}):
            raise
        await log.take(node, journal, changes, history=history)


async def _brought_home(registry: Registry, log: TwinLog, node: str, devices: set[str]) -> bool:
    strays = [device for device, twin in (await log.latest(devices)).items() if twin.node != node]
    for device in strays:
        known = registry.device(device)
        if known is None or known.node != node:
            return False
        logger.info("device %s lives at node %s now", device, node)
        await log.rehome(device, node)
    return bool(strays)
