"""What was wished of pods beside their manifests: kept in the catalogue, so that it outlives the hub.

An image that was wished holds while the manifest names the image it named then: an edited manifest has the last word.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edged.pod import Pod
from edged.pod_twin import images_of
from edged.wanted import Override
from twin.store import Store

__all__ = ["Overrides"]

logger = logging.getLogger("edged")

PREFIX = "PodOverride/"


class _Image(Struct, frozen=True):
    wished: str
    instead_of: str


class _Kept(Struct, frozen=True):
    replicas: Literal[0, 1] | None = None
    images: Mapping[str, _Image] = {}
    restart: str = ""


class Overrides:
    """Of all pods. `recall` first. Methods that write raise `StoreError`; nothing is changed then."""

    def __init__(self, catalogue: Store) -> None:
        self._catalogue = catalogue
        self._kept: dict[str, _Kept] = {}

    async def recall(self) -> None:
        """What the catalogue knows; an entry that this version cannot read is logged and left out."""
        for entry in await self._catalogue.list(PREFIX):
            try:
                self._kept[entry.key.removeprefix(PREFIX)] = msgspec.convert(entry.value, _Kept)
            except msgspec.ValidationError as error:
                logger.warning("the catalogue's entry %s is not understood and left out: %s", entry.key, error)

    def of(self, pod: Pod) -> Override:
        """What holds for this pod now."""
        kept = self._kept.get(pod.id, _Kept())
        declared = {one.name: one.image for one in pod.spec.containers}
        images = {name: one.wished for name, one in kept.images.items() if declared.get(name) == one.instead_of}
        return Override(replicas=kept.replicas, images=images, restart=kept.restart)

    async def wish(self, pod: Pod, wishes: Mapping[str, str]) -> dict[str, str]:
        """Take up wishes for properties of the pod's twin; durable on return. What cannot be: property → why."""
        refused: dict[str, str] = {}
        kept = before = self._kept.get(pod.id, _Kept())
        for name, text in wishes.items():
            try:
                kept = _with(kept, pod, name, text)
            except ValueError as error:
                refused[name] = str(error)
        if kept != before:
            await self._catalogue.put(PREFIX + pod.id, msgspec.to_builtins(kept))
            self._kept[pod.id] = kept
        return refused

    async def forget_all_but(self, pod_ids: Collection[str]) -> None:
        """Other pods are not declared any more."""
        for pod_id in self._kept.keys() - set(pod_ids):
            await self._catalogue.delete(PREFIX + pod_id)
            del self._kept[pod_id]


def _with(kept: _Kept, pod: Pod, name: str, text: str) -> _Kept:
    match name:
        case "replicas":
            return replace(kept, replicas=_replicas(text))
        case "restart":
            return replace(kept, restart=text)
        case "image":
            declared = {one.name: one.image for one in pod.spec.containers}
            new = {one: _Image(image, declared[one]) for one, image in images_of(text, pod).items()}
            merged = {**kept.images, **new}
            return replace(kept, images={one: image for one, image in merged.items() if _differs(image)})
    raise ValueError("it can only be read")


def _differs(image: _Image) -> bool:
    return image.wished != image.instead_of


def _replicas(text: str) -> Literal[0, 1]:
    numbers: dict[str, Literal[0, 1]] = {"0": 0, "1": 1}
    if text.strip() not in numbers:
        raise ValueError("write 0 or 1")
    return numbers[text.strip()]
