"""The catalogue's record of the pods that are declared, so that a hub whose manifests are broken at its start goes on
with the last good ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from edged.declared import DeclaredPods
from edged.pod import Pod
from edged.sources import ConfigMap, Secret
from twin.store import Entry, Store

__all__ = ["PodCatalogue"]

logger = logging.getLogger("twinhub")

_KINDS: Mapping[str, type[Any]] = {"Pod": Pod, "ConfigMap": ConfigMap, "Secret": Secret}


class PodCatalogue:
    """What was applied last, in memory and in the catalogue."""

    def __init__(self, catalogue: Store, prefix: str = "") -> None:
        """Entries stand under `<prefix><Kind>/<namespace>/<name>`."""
        self._catalogue = catalogue
        self._prefix = prefix
        self._known: dict[str, Any] = {}

    async def recall(self) -> DeclaredPods:
        """The pods the catalogue knows, and what they refer to; an entry that this version cannot read is logged and
        left out."""
        for kind in _KINDS:
            for entry in await self._catalogue.list(f"{self._prefix}{kind}/"):
                if (thing := _decode(entry, _KINDS[kind])) is not None:
                    self._known[entry.key.removeprefix(self._prefix)] = thing
        pods, config_maps, secrets = (_below(f"{kind}/", self._known) for kind in _KINDS)
        return DeclaredPods(pods, config_maps, secrets)

    async def remember(self, pods: DeclaredPods) -> None:
        """These are applied now, and no others. Raises `StoreError`."""
        kinds = zip(_KINDS, (pods.pods, pods.config_maps, pods.secrets), strict=True)
        now = {f"{kind}/{id_}": thing for kind, things in kinds for id_, thing in things.items()}
        for key in self._known.keys() - now.keys():
            await self._catalogue.delete(self._prefix + key)
            del self._known[key]
        for key, thing in now.items():
            if self._known.get(key) != thing:
                await self._catalogue.put(self._prefix + key, {"is": msgspec.json.decode(msgspec.json.encode(thing))})
                self._known[key] = thing


def _below(prefix: str, things: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): thing for key, thing in things.items() if key.startswith(prefix)}


def _decode(entry: Entry, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(entry.value.get("is"), kind)
    except msgspec.ValidationError as error:
        logger.warning("the catalogue's entry %s is not understood and left out: %s", entry.key, error)
        return None
