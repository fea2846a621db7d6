"""What edges declare in their own folders: kept beside what the cloud declares, whose names it does not take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cloud_sync.conditions import twin_of_cloud
from cloud_sync.declared import Found, completed, placed, read
from cloud_sync.index import EDGE_MODEL, TWICE, Index
from cloud_sync.indexed_store import ATTEMPTS, IndexedStore
from cloud_sync.pod_rules import PodRules
from cloud_sync.stored import DEVICE, MODEL, POD, StoredObject
from twin.store import Conflict

__all__ = ["EdgeRegister"]


class EdgeRegister:
    """Over the entries of a registry. What it writes raises `StoreError` when it cannot."""

    def __init__(self, entries: IndexedStore, rules: PodRules, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self._entries, self._rules, self._clock = entries, rules, clock

    @property
    def _index(self) -> Index:
        return self._entries.index

    def may_declare_now(self, node: str) -> bool:
        """Whether something that this edge was refused, because it was declared elsewhere, is there no longer. It
        would say it again on a new connection."""
        return self._index.may_declare_now(node)

    async def declared(self, node: str, keys: Sequence[str]) -> None:
        """These are all objects declared at this edge; what it declared before and does not now is gone."""
        index, listed = self._index, frozenset(keys)
        devices = index.devices_of(node)
        own = [device.key for device in devices if device.origin == node and device.key not in listed]
        models = [key for owner, key in index.edge_models if owner == node and key not in listed]
        twice = [i for i, nodes in index.twice.items() if node in nodes and f"{DEVICE}/{i}" not in listed]
        for key in own:
            await self._entries.drop(key)
        for key in models:
            await self._entries.drop(f"{EDGE_MODEL}/{node}/{key.partition('/')[2]}")
        for device_id in twice:
            await self._entries.drop(f"{TWICE}/{node}/{device_id}")

    def declares(self, node: str, key: str, digest: str) -> bool:
        """Whether this edge has declared this object already, in the same words."""
        kind, _, name = key.partition("/")
        known = self._index.find(f"{EDGE_MODEL}/{node}/{name}" if kind == MODEL else key)
        return known is not None and known.origin == node and known.digest == digest

    async def declare(self, node: str, manifest: Mapping[str, Any], digest: str = "") -> str | None:
        """One object declared at this edge; `digest` of its words, by which it is known again. Returns why it is
        refused, if it is."""
        found = (await asyncio.to_thread(read, [manifest]))[0]
        if found.problem or found.manifest is None:
            return found.problem
        own = placed(found.manifest, node)
        for _ in range(ATTEMPTS):
            try:
                return await self._declare(node, found, own, digest)
            except Conflict:
                await self._entries.catch_up()
        return "others are changing it at the same time"

    async def _declare(self, node: str, found: Found, own: Mapping[str, Any], digest: str) -> str | None:
        name = found.key.partition("/")[2]
        if found.kind == DEVICE and (owner := self._owner_beside(node, name)) is not None:
            if node not in self._index.twice.get(name, ()):
                await self._entries.put(f"{TWICE}/{node}/{name}", {}, None)
            return f"it is declared {owner} already"
        key = f"{EDGE_MODEL}/{node}/{name}" if found.kind == MODEL else found.key
        known = self._index.find(key)
        if new := completed(own, known.object if known else None, self._clock()):
            entry = {"object": new, "origin": node, "digest": digest}
            await self._entries.put(key, entry, known.version if known else 0)
        if found.kind == DEVICE and node in self._index.twice.get(name, ()):
            await self._entries.drop(f"{TWICE}/{node}/{name}")
        return None

    def _owner_beside(self, node: str, device_id: str) -> str | None:
        """Where a device is declared, if not at this node."""
        known = self._index.devices.get(device_id)
        if known is None or known.origin == node or self._has_moved(known, node):
            return None
        return f"at the edge {known.origin}" if known.origin else "in the cloud"

    def _has_moved(self, twin: StoredObject, node: str) -> bool:
        """Whether this is the twin of a pod that the cloud has moved to this node since; the node it has left may be
        away for long."""
        pod = self._index.pods.get(f"{POD}/{self._rules.pod_of(twin.id)}")
        return pod is not None and pod.node == node and bool(twin.origin) and twin_of_cloud(twin)
