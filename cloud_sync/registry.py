"""What is declared in a cloud: nodes, models, devices, pods and their sources, who has confirmed what. All of it is
in a `Store`.

Objects get what Kubernetes would give them: uid, generation, creation time, and their version in the store as
resourceVersion. What is not complete yet (a device without a model, or for a node that has not joined) is kept, and
says so in its conditions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

from cloud_sync import declared, desired
from cloud_sync.assembled import Assembled
from cloud_sync.conditions import conditions
from cloud_sync.edge_register import EdgeRegister
from cloud_sync.held_objects import HeldObjects
from cloud_sync.index import NODE, PRESENCE, Index
from cloud_sync.indexed_store import ATTEMPTS, IndexedStore
from cloud_sync.node_changes import NodeChanges
from cloud_sync.pod_rules import NO_PODS, PodRules
from cloud_sync.stored import DEVICE, KINDS, Applied, Condition, NodeEntry, StoredObject
from device_models import Device, ProtocolSchema
from twin.store import Conflict, Store

__all__ = ["Registry"]

Impose = Callable[[str, str, Mapping[str, str]], Awaitable[object]]


class Registry:
    """Open with `async with`, over an open store. Every method that writes raises `StoreError` when it cannot."""

    def __init__(
        self,
        store: Store,
        protocols: Mapping[str, ProtocolSchema],
        clock: Callable[[], float] = time.time,
        pods: PodRules = NO_PODS,
    ) -> None:
        """`protocols`: whose devices are checked in full. `clock` gives Unix seconds. `pods`: how they are read."""
        self._store, self._clock, self.rules = store, clock, pods
        self._assembled = Assembled(protocols)
        self._changes = NodeChanges()
        self._entries = IndexedStore(store, self._changes.tell)
        self.held = HeldObjects(store)
        self.edges = EdgeRegister(self._entries, pods, clock)

    async def __aenter__(self) -> Self:
        await self._entries.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._entries.__aexit__(*exc)

    @property
    def _index(self) -> Index:
        return self._entries.index

    # ---- objects

    async def apply(self, objects: Sequence[Mapping[str, Any]], impose: Impose | None = None) -> list[Applied]:
        """Declare objects, each for itself; what others need is taken before them. One that is wrong is refused.

        `impose(node, device_id, values)` makes desired values that are new or edited wishes, before the object is
        stored: if it is cut off between the two, applying again finds them still to be imposed. Those of a device
        that moves are left to the caller, for they belong to its new home.
        """
        found = await asyncio.to_thread(declared.read, objects, self.rules)
        order = sorted(range(len(found)), key=lambda i: _place(found[i].kind))
        outcomes = {i: await self._apply(found[i], impose) for i in order}
        return [outcomes[i] for i in range(len(found))]

    async def _apply(self, found: declared.Found, impose: Impose | None) -> Applied:
        if found.problem or found.manifest is None:
            return Applied(found.key, "refused", found.problem)
        for _ in range(ATTEMPTS):
            try:
                return await self._declare(found, found.manifest, impose)
            except Conflict:
                await self._entries.catch_up()
        return Applied(found.key, "refused", "others are changing it at the same time; apply it again")

    async def _declare(self, found: declared.Found, manifest: Mapping[str, Any], impose: Impose | None) -> Applied:
        key = found.key
        known = self._index.find(key)
        if known is not None and known.origin:
            where = (
                f"it is declared at the edge {known.origin}: edit it in the folder there, or delete it there first"
            )
            return Applied(key, "refused", where)
        new = declared.completed(manifest, known.object if known else None, self._clock())
        if new is None:
            return Applied(key, "unchanged", self._remark(key))
        wishes, moved = await self._wishes(key, new, known, impose) if found.kind == DEVICE else ({}, None)
        entry = {"object": new} | ({"needs": dict(found.needs)} if found.needs else {})
        await self._entries.put(key, entry, known.version if known else 0)
        return Applied(key, "configured" if known else "created", self._remark(key), wishes, moved)

    async def _wishes(
        self, key: str, device: Mapping[str, Any], known: StoredObject | None, impose: Impose | None
    ) -> tuple[Mapping[str, str], str | None]:
        """The desired values that are still to be imposed, and the node that the device leaves."""
        wishes, node = desired.news(device, known.object if known else None), device["spec"].get("nodeName", "")
        moved = known.node if known and known.node and known.node != node else None
        if wishes and impose and node and moved is None:
            await impose(node, key.partition("/")[2], wishes)
            wishes = {}
        return wishes, moved

    def _remark(self, key: str) -> str:
        return "; ".join(condition.message for condition in self.conditions(key))

    async def delete(self, key: str) -> bool:
        """Withdraw an object that the cloud has declared; returns whether there was one."""
        known = self._index.find(key)
        return known is not None and not known.origin and await self._entries.drop(key)

    def objects(self, *kinds: str) -> list[StoredObject]:
        """What is declared of these kinds (none = of all), here and at edges."""
        return [one for kind in kinds or KINDS for one in self._index.all(kind)]

    def find(self, key: str) -> StoredObject | None:
        """The object of this key; a model only if it is declared in the cloud."""
        return self._index.find(key)

    def device(self, device_id: str) -> StoredObject | None:
        return self._index.devices.get(device_id)

    def devices_of(self, node: str) -> list[StoredObject]:
        """The devices of a node, by id."""
        return self._index.devices_of(node)

    def typed_device(self, device_id: str) -> Device | None:
        """The device with all its model says, whether or not its protocol's settings are known here; None when it is
        not known, not complete or wrong."""
        device = self.device(device_id)
        model = self._index.model_for(device) if device else None
        if device is None or model is None:
            return None
        return self._assembled.device(device, model)

    def users(self, source_key: str) -> list[StoredObject]:
        """The pods that name this ConfigMap or Secret."""
        return self._index.pods.users(source_key)

    def conditions(self, key: str) -> list[Condition]:
        """What keeps an object from being of use."""
        one = self._index.find(key)
        return list(conditions(one, self._index, self._assembled, self.rules)) if one else []

    # ---- what nodes have

    def wanted(self, node: str) -> list[StoredObject]:
        """What this node shall have: the devices and pods that are declared in the cloud, and the models and sources
        they name, as far as there are any; a model with an origin it has declared itself."""
        devices = [device for device in self.devices_of(node) if not device.origin]
        models = {model.key: model for device in devices if (model := self._index.model_for(device))}
        pods = self._index.pods.of_node(node)
        return [*(model for _, model in sorted(models.items())), *devices, *self._index.pods.needed(pods), *pods]

    # ---- nodes

    async def add_node(self, node: str, **info: Any) -> None:
        """An edge has enrolled; `info` is kept with it."""
        added = {"added": self._now(), "info": info}
        await self._edit_node(node, lambda entry: entry | added)

    def node(self, name: str) -> NodeEntry | None:
        return self._index.node(name)

    def nodes(self) -> list[NodeEntry]:
        return [entry for name in self._index.entries if (entry := self.node(name))]

    async def revoke(self, node: str, serial: str | None = None) -> None:
        """From now on nobody is this node by a certificate made until now; or by this one certificate."""
        if serial is None:
            revoked = {"revokedAt": self._now()}
            await self._edit_node(node, lambda entry: entry | revoked)
        else:
            await self._edit_node(
                node, lambda entry: entry | {"serials": sorted({*entry.get("serials", ()), serial})}
            )

    def revoked(self, node: str, serial: str, issued_at: float) -> bool:
        """Whether a certificate of this node, or a token, made at `issued_at` (Unix seconds) is revoked."""
        entry = self._index.entries.get(node, {})
        return serial in entry.get("serials", ()) or issued_at * 1000 <= entry.get("revokedAt", 0)

    async def presence(self, node: str, *, connected: bool, plain: bool, address: str) -> None:
        """The node has connected to this process, or left it."""
        seen = {"connected": connected, "plain": plain, "address": address, "since": self._now()}
        await self._entries.put(f"{PRESENCE}/{node}", seen, None)

    async def nobody_connected(self) -> None:
        """A cloud of one process begins: whoever an earlier process had connected, when it was killed, is away."""
        for node, seen in list(self._index.presence.items()):
            if seen.get("connected"):
                await self._entries.put(
                    f"{PRESENCE}/{node}", {**seen, "connected": False, "since": self._now()}, None
                )

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """The names of nodes for which something may have changed, from now on."""
        return self._changes.watch()

    async def _edit_node(self, node: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """What another one writes at the same time, a revocation above all, is not written over."""
        key = f"{NODE}/{node}"
        for attempt in range(ATTEMPTS):
            entry = await self._store.get(key)
            try:
                await self._entries.put(key, change(entry.value if entry else {}), entry.version if entry else 0)
            except Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _place(kind: str) -> int:
    """What others need comes first."""
    return KINDS.index(kind) if kind in KINDS else len(KINDS)
