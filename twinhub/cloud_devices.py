"""Which devices of the cloud an edge can serve beside its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from device_models import Device
from twinhub.manifests import mapper_errors

__all__ = ["beside"]

logger = logging.getLogger("twinhub")


def beside(local: Sequence[Device], cloud: Sequence[Device]) -> list[Device]:
    """Those of the cloud that have no namesake among our own, and that the mappers can take together with them. The
    others are logged, with the reason."""
    ours = {device.id for device in local}
    left = {device.id: device for device in cloud if device.id not in ours}
    while errors := mapper_errors([*local, *left.values()]):
        wrong = {error.device_id for error in errors} & left.keys() or left.keys()
        for error in errors:
            logger.error("the cloud's devices: %s", error)
        left = {device_id: device for device_id, device in left.items() if device_id not in wrong}
        if not left:
            break
    return list(left.values())
