"""Objects that the cloud declared for this edge: durable in the catalogue before they are acknowledged.

They stand under `Cloud/<Kind>/<namespace>/<name>`, so an edge that restarts without its cloud still has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from edgehub.bad_content import BadContent
from twin.store import InvalidKeyError, InvalidValueError, Store

__all__ = ["Changes", "KeptObjects", "Object"]

PREFIX = "Cloud/"
MAX_OBJECTS = 20_000
"""Of the kinds that are kept together."""
SETTLE, SETTLE_AT_MOST = 0.1, 1.0
"""Seconds without another object after which a burst is applied, and how long a burst may go on."""

Object = Mapping[str, Any]


class Changes(NamedTuple):
    """What a burst brought, by `<Kind>/<namespace>/<name>`."""

    sent: frozenset[str]
    """What the cloud sent, and was not known like this."""
    gone: frozenset[str]
    """What was deleted, or is another object than before: what is served under these names is to give way."""


class KeptObjects:
    """Of some kinds, in memory and in the catalogue. `recall` first; one task waits for `changes`."""

    def __init__(self, catalogue: Store, versions: Mapping[str, str]) -> None:
        """`versions`: the apiVersion of each kind, which KubeEdge leaves out of some objects."""
        self._catalogue = catalogue
        self._versions = versions
        self._objects: dict[str, Object] = {}
        self._changed = asyncio.Event()
        self._sent: set[str] = set()
        self._gone: set[str] = set()

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def all(self) -> Mapping[str, Object]:
        """By `<Kind>/<namespace>/<name>`, as of now."""
        return dict(self._objects)

    async def recall(self) -> None:
        """What the catalogue knows. Raises `StoreError`."""
        for kind in self._versions:
            for entry in await self._catalogue.list(f"{PREFIX}{kind}/"):
                self._objects[entry.key.removeprefix(PREFIX)] = entry.value

    async def put(self, kind: str, namespace: str, name: str, content: object) -> None:
        """Store an object; durable on return. Raises `BadContent` when it can never be used, `StoreError` when the
        disk fails."""
        key = f"{kind}/{namespace}/{name}"
        if key not in self._objects and len(self) >= MAX_OBJECTS:
            raise BadContent(f"{key}: an edge keeps at most {MAX_OBJECTS:,} objects of its cloud")
        value, known = self._completed(kind, namespace, name, content), self._objects.get(key)
        if known == value:
            return
        try:
            await self._catalogue.put(PREFIX + key, value)
        except (InvalidKeyError, InvalidValueError) as error:
            raise BadContent(str(error)) from None
        self._objects[key] = value
        self._sent.add(key)
        if known is not None and not _same(known, value):
            self._gone.add(key)
        self._changed.set()

    async def delete(self, kind: str, namespace: str, name: str, content: object) -> None:
        """Forget an object, unless it is another one that has got the same name meanwhile; durable on return."""
        key = f"{kind}/{namespace}/{name}"
        known = self._objects.get(key)
        if known is None or not _same(known, content):
            return
        await self._catalogue.delete(PREFIX + key)
        del self._objects[key]
        self._gone.add(key)
        self._changed.set()

    def apply_again(self) -> None:
        """There is another reason to apply them."""
        self._changed.set()

    async def changes(self) -> Changes:
        """Wait until something has changed, and a moment for what follows it closely."""
        await self._changed.wait()
        await self._settle()
        sent, self._sent = frozenset(self._sent), set()
        return Changes(sent, frozenset(self._gone))

    def is_giving_way(self, key: str) -> bool:
        """Whether what is served under this name is about to be served no longer, whatever follows it."""
        return key in self._gone

    def gave_way(self, keys: frozenset[str]) -> None:
        """What was served under these names is served no longer."""
        self._gone -= keys

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLE_AT_MOST
        while self._changed.is_set() and loop.time() < end:
            self._changed.clear()
            await asyncio.sleep(SETTLE)
        self._changed.clear()

    def _completed(self, kind: str, namespace: str, name: str, content: object) -> dict[str, Any]:
        """The object under the name by which it came, with what KubeEdge leaves out of some."""
        if not isinstance(content, dict):
            raise BadContent(f"{kind}/{namespace}/{name}: this is no object")
        metadata = content.get("metadata")
        if not isinstance(metadata, dict):
            raise BadContent(f"{kind}/{namespace}/{name}: it has no metadata")
        named = {key: value for key, value in metadata.items() if key != "managedFields"}
        named |= {"name": name, "namespace": namespace}
        spec = {key: value for key, value in content.items() if key != "status"}
        version = content.get("apiVersion") or self._versions[kind]
        return spec | {"apiVersion": version, "kind": kind, "metadata": named}


def _same(known: Object, gone: object) -> bool:
    """Whether the deletion, or the newer form, of an object means the one we know."""
    metadata = gone.get("metadata") if isinstance(gone, dict) else None
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    ours = known["metadata"].get("uid")
    return not uid or not ours or uid == ours
