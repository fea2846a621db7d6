"""Who has confirmed what: written down in a `Store`, so that whichever process serves a node next goes on there."""

from __future__ import annotations

from cloud_sync.step import Held
from cloud_sync.stored import StoredObject
from twin.store import Store

__all__ = ["HeldObjects"]

_SYNC = "Sync"


class HeldObjects:
    """Over an open store; every method raises `StoreError` when that fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def confirmed(self, node: str, journal: str = "") -> dict[str, Held]:
        """What this node has confirmed, by key. What it confirmed when it had another journal (empty: the plain wire
        names none) it may have lost with that: version 0."""
        prefix = f"{_SYNC}/{node}/"
        held = {}
        for entry in await self._store.list(prefix):
            value = entry.value
            version = value["version"] if value.get("journal", "") == journal else 0
            held[entry.key.removeprefix(prefix)] = Held(value["uid"], version, value["object"])
        return held

    async def has_confirmed(self, one: StoredObject) -> bool:
        """Whether the node it is for, which has joined once, has this object as it is now, or had it before it lost
        its disk."""
        entry = await self._store.get(f"{_SYNC}/{one.node}/{one.key}")
        return entry is not None and (entry.value["uid"], entry.value["version"]) == (one.uid, one.version)

    async def confirm(self, node: str, key: str, held: Held | None, journal: str = "") -> None:
        """The node, with this journal, has this now; None = it has the object no more."""
        if held is None:
            await self._store.delete(f"{_SYNC}/{node}/{key}")
        else:
            value = {**held._asdict(), "object": dict(held.object), "journal": journal}
            await self._store.put(f"{_SYNC}/{node}/{key}", value)
