"""Devices put together with their models, and what is wrong with them: worked out once for each version of both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cloud_sync.stored import Condition, StoredObject
from device_models import Device, ProtocolSchema
from device_models.load_objects import load_objects

__all__ = ["KEPT", "Assembled"]

T = TypeVar("T")

KEPT = 20_000
"""Devices whose outcome is kept; of those that were not asked for lately it is worked out again."""

_Versions = tuple[str, int, str, int]


class Assembled:
    """A device with thousands of properties takes half a second to check, and is asked for with every listing."""

    def __init__(self, protocols: Mapping[str, ProtocolSchema]) -> None:
        self._protocols = protocols
        self._devices: OrderedDict[str, tuple[_Versions, Device | None]] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[_Versions, Sequence[Condition]]] = OrderedDict()

    def device(self, device: StoredObject, model: StoredObject) -> Device | None:
        """The device with all its model says, whether or not its protocol's settings are known here; None when it is
        wrong."""

        def assemble() -> Device | None:
            protocol = device.object["spec"]["protocol"]["protocolName"]
            return load_objects([model.object, device.object], {protocol: ProtocolSchema()}).devices.get(device.id)

        return _kept(self._devices, device, model, assemble)

    def wrong(self, device: StoredObject, model: StoredObject) -> Sequence[Condition]:
        """What keeps the two from being served."""

        def check() -> Sequence[Condition]:
            found = load_objects([model.object, device.object], self._protocols).problems
            return [Condition("Invalid", p.message, p.advice) for p in found if p.severity == "error"]

        return _kept(self._wrong, device, model, check)


def _kept(
    kept: OrderedDict[str, tuple[_Versions, T]], device: StoredObject, model: StoredObject, work_out: Callable[[], T]
) -> T:
    versions = device.uid, device.version, model.uid, model.version
    known = kept.get(device.id)
    if known is None or known[0] != versions:
        known = kept[device.id] = versions, work_out()
    kept.move_to_end(device.id)
    if len(kept) > KEPT:
        kept.popitem(last=False)
    return known[1]
