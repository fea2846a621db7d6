"""The catalogue's record of the pods that are declared, so that a hub whose manifests are broken at its start goes on
with the last good ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edged.declared import DeclaredPods
from edged.pod import Pod
from edged.sources import ConfigMap, Secret
from twin import durable_file
from twin.store import Entry, Store

__all__ = ["PodCatalogue"]

logger = logging.getLogger("twinhub")

_KINDS: Mapping[str, type[Any]] = {"Pod": Pod, "ConfigMap": ConfigMap}
_SECRETS = "secrets.json"


class PodCatalogue:
    """What was applied last, in memory and in the catalogue; secrets in a file of their own, which only its owner may
    read."""

    def __init__(self, catalogue: Store, state: Path) -> None:
        """`state`: the directory for the secrets."""
        self._catalogue = catalogue
        self._file = state / _SECRETS
        self._known: dict[str, Any] = {}
        self._secrets: Mapping[str, Secret] = {}

    async def recall(self) -> DeclaredPods:
        """The pods the catalogue knows, and what they refer to; an entry that this version cannot read is logged and
        left out."""
        entries = [entry for kind in _KINDS for entry in await self._catalogue.list(f"{kind}/")]
        decoded = {entry.key: _decode(entry) for entry in entries}
        self._known = {key: thing for key, thing in decoded.items() if thing is not None}
        self._secrets = self._read_secrets()
        return DeclaredPods(_below("Pod/", self._known), _below("ConfigMap/", self._known), self._secrets)

    async def remember(self, pods: DeclaredPods) -> None:
        """These are applied now, and no others. Raises `StoreError` or `OSError`."""
        if self._secrets != pods.secrets:
            await asyncio.to_thread(durable_file.replace, self._file, msgspec.json.encode(pods.secrets), mode=0o600)
            self._secrets = pods.secrets
        now: dict[str, Any] = {f"Pod/{id_}": pod for id_, pod in pods.pods.items()}
        now |= {f"ConfigMap/{id_}": config_map for id_, config_map in pods.config_maps.items()}
        for key in self._known.keys() - now.keys():
            await self._catalogue.delete(key)
            del self._known[key]
        for key, thing in now.items():
            if self._known.get(key) != thing:
                await self._catalogue.put(key, {"is": msgspec.json.decode(msgspec.json.encode(thing))})
                self._known[key] = thing

    def _read_secrets(self) -> dict[str, Secret]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Secret])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):  # their words could hold what is secret
            logger.warning("%s is not understood: the secrets of the last manifests are not known", self._file)
            return {}


def _below(prefix: str, things: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): thing for key, thing in things.items() if key.startswith(prefix)}


def _decode(entry: Entry) -> Any:
    try:
        return msgspec.convert(entry.value.get("is"), _KINDS[entry.key.partition("/")[0]])
    except msgspec.ValidationError as error:
        logger.warning("the catalogue's entry %s is not understood and left out: %s", entry.key, error)
        return None
