"""Which devices and models a node has to be brought, in which order. Pure.

KubeEdge's order: of a new device first the membership, then its model, then the device; when the last device of a
model goes, first the model, then the membership, then the device.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud_sync.step import Held, Step, arrival, removal
from cloud_sync.stored import DEVICE, MODEL, StoredObject, model_of
from link.message import Message
from link.rows import membership
from twin.documents import MemberDevice, MembershipUpdate

__all__ = ["device_plan"]


def device_plan(wanted: Sequence[StoredObject], confirmed: Mapping[str, Held]) -> list[Step]:
    """The steps from `confirmed` to `wanted`. No device comes or changes without its model and its membership.

    A model with an origin is at the node already. A device whose model is not among `wanted` is left as it is.
    """
    objects = {one.key: one for one in wanted}
    ready = {key: one for key, one in objects.items() if one.kind == MODEL or model_of(one.object) in objects}
    named = {key: model_of(held.object) for key, held in confirmed.items() if key.startswith(f"{DEVICE}/")}
    kept = {model for key, model in named.items() if key in objects and key not in ready}
    gone = [key for key in confirmed if key not in objects and key not in kept]
    in_use = {model for key, model in named.items() if key in ready}
    sure = {key: held for key, held in confirmed.items() if held.version}
    return [
        *_removals((key for key in gone if key not in in_use), confirmed),
        *_arrivals({key: one for key, one in ready.items() if not one.origin}, sure),
        *_removals((key for key in gone if key in in_use), confirmed),
    ]


def _removals(gone: Iterable[str], confirmed: Mapping[str, Held]) -> Iterable[Step]:
    for key in sorted(gone, key=_models_first):
        known = confirmed[key]
        yield removal(key, known, _leaves(known.object) if key.startswith(f"{DEVICE}/") else None)


def _arrivals(objects: Mapping[str, StoredObject], confirmed: Mapping[str, Held]) -> Iterable[Step]:
    """Each model just before the first device that needs it, so that devices need not wait for all models."""
    brought: set[str] = set()
    for key in sorted(objects, key=_devices_first):
        one = objects[key]
        if one.kind == DEVICE and (model := objects.get(model_of(one.object))) and model.key not in brought:
            brought.add(model.key)
            first = _joins(one.object) if key not in confirmed and model.key not in confirmed else None
            yield from arrival(model, confirmed.get(model.key), first)
            yield from arrival(one, confirmed.get(key), None if first else _joins(one.object))
        elif key not in brought:
            yield from arrival(one, confirmed.get(key), _joins(one.object) if one.kind == DEVICE else None)


def _joins(device: Mapping[str, Any]) -> Message:
    return membership(MembershipUpdate(str(uuid.uuid4()), _now(), [_member(device)], None))


def _leaves(device: Mapping[str, Any]) -> Message:
    return membership(MembershipUpdate(str(uuid.uuid4()), _now(), None, [_member(device)]))


def _member(device: Mapping[str, Any]) -> MemberDevice:
    metadata = device["metadata"]
    namespace, name = metadata.get("namespace", "default"), metadata["name"]
    described = metadata.get("labels") or {}
    return MemberDevice(f"{namespace}/{name}", name, str(described.get("description", "")))


def _models_first(key: str) -> tuple[bool, str]:
    return not key.startswith(f"{MODEL}/"), key


def _devices_first(key: str) -> tuple[bool, str]:
    return not key.startswith(f"{DEVICE}/"), key


def _now() -> int:
    return time.time_ns() // 1_000_000
