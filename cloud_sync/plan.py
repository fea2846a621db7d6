"""What a node has to be brought, in which order: the difference between what it shall have and what it has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloud_sync.device_plan import device_plan
from cloud_sync.pod_plan import pod_plan
from cloud_sync.step import Held, Step
from cloud_sync.stored import DEVICE, MODEL, StoredObject

__all__ = ["plan"]

_DEVICE_KINDS = (DEVICE, MODEL)


def plan(wanted: Sequence[StoredObject], confirmed: Mapping[str, Held]) -> list[Step]:
    """The steps from `confirmed` to `wanted`: devices first, for pods may be bound to them."""
    of_devices = {key: held for key, held in confirmed.items() if key.split("/")[0] in _DEVICE_KINDS}
    of_pods = {key: held for key, held in confirmed.items() if key not in of_devices}
    return [
        *device_plan([one for one in wanted if one.kind in _DEVICE_KINDS], of_devices),
        *pod_plan([one for one in wanted if one.kind not in _DEVICE_KINDS], of_pods),
    ]
