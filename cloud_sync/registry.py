"""What is declared in a cloud: nodes, models, devices, who has confirmed what. All of it is in a `Store`.

Objects get what Kubernetes would give them: uid, generation, creation time, and their version in the store as
resourceVersion. What is not complete yet (a device without a model, or for a node that has not joined) is kept, and
says so in its conditions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from cloud_sync import declared, desired
from cloud_sync.assembled import Assembled
from cloud_sync.index import EDGE_MODEL, NODE, PRESENCE, TWICE, Index
from cloud_sync.indexed_store import IndexedStore
from cloud_sync.plan import Held
from cloud_sync.stored import DEVICE, MODEL, Applied, Condition, NodeEntry, StoredObject, model_of
from device_models import Device, ProtocolSchema
from twin.store import Conflict, Store

__all__ = ["Registry"]

Impose = Callable[[str, str, Mapping[str, str]], Awaitable[object]]

_SYNC = "Sync"
_ATTEMPTS = 5
"""How often a write is decided anew because another one came first."""


class _Changes:
    """The names of nodes for one watcher: each at most once, however often it changes."""

    def __init__(self) -> None:
        self._nodes: dict[str, None] = {}
        self._any = asyncio.Event()

    def add(self, nodes: Iterable[str]) -> None:
        self._nodes.update(dict.fromkeys(nodes))
        if self._nodes:
            self._any.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            await self._any.wait()
            self._any.clear()
            nodes, self._nodes = self._nodes, {}
            for node in nodes:
                yield node


class Registry:
    """Open with `async with`, over an open store. Every method that writes raises `StoreError` when it cannot."""

    def __init__(
        self, store: Store, protocols: Mapping[str, ProtocolSchema], clock: Callable[[], float] = time.time
    ) -> None:
        """`protocols`: whose devices are checked in full. `clock` gives Unix seconds."""
        self._store, self._clock = store, clock
        self._assembled = Assembled(protocols)
        self._entries = IndexedStore(store, self._tell)
        self._watchers: set[_Changes] = set()

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
        """Declare objects, each for itself; models are taken before devices. One that is wrong is refused.

        `impose(node, device_id, values)` makes desired values that are new or edited wishes, before the object is
        stored: if it is cut off between the two, applying again finds them still to be imposed. Those of a device
        that moves are left to the caller, for they belong to its new home.
        """
        found = await asyncio.to_thread(declared.read, objects)
        order = sorted(range(len(found)), key=lambda i: found[i].kind != MODEL)
        outcomes = {i: await self._apply(found[i], impose) for i in order}
        return [outcomes[i] for i in range(len(found))]

    async def _apply(self, found: declared.Found, impose: Impose | None) -> Applied:
        if found.problem or found.manifest is None:
            return Applied(found.key, "refused", found.problem)
        for _ in range(_ATTEMPTS):
            try:
                return await self._declare(found.key, found.manifest, impose)
            except Conflict:
                await self._entries.catch_up()
        return Applied(found.key, "refused", "others are changing it at the same time; apply it again")

    async def _declare(self, key: str, manifest: Mapping[str, Any], impose: Impose | None) -> Applied:
        known = self._known(key)
        if known is not None and known.origin:
            where = (
                f"it is declared at the edge {known.origin}: edit it in the folder there, or delete it there first"
            )
            return Applied(key, "refused", where)
        new = declared.completed(manifest, known.object if known else None, self._clock())
        if new is None:
            return Applied(key, "unchanged", self._remark(key))
        wishes = desired.news(new, known.object if known else None) if key.startswith(f"{DEVICE}/") else {}
        node = new["spec"].get("nodeName", "")
        moved = known.node if known and known.node and known.node != node else None
        if wishes and impose and node and moved is None:
            await impose(node, key.partition("/")[2], wishes)
            wishes = {}
        await self._entries.put(key, {"object": new}, known.version if known else 0)
        return Applied(key, "configured" if known else "created", self._remark(key), wishes, moved)

    def _remark(self, key: str) -> str:
        return "; ".join(condition.message for condition in self.conditions(key))

    async def delete(self, key: str) -> bool:
        """Withdraw a Device or DeviceModel that the cloud has declared; returns whether there was one."""
        known = self._known(key)
        return known is not None and not known.origin and await self._entries.drop(key)

    def objects(self, kind: str | None = None) -> list[StoredObject]:
        """What is declared, here and at edges."""
        index = self._index
        everything = [*index.models.values(), *index.edge_models.values(), *index.devices.values()]
        return [one for one in everything if kind in (None, one.kind)]

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

    def conditions(self, key: str) -> list[Condition]:
        """What keeps an object from being of use."""
        device = self.device(key.partition("/")[2]) if key.startswith(f"{DEVICE}/") else None
        if device is None:
            return []
        return [*self._placing(device), *self._doubles(device), *self._model_conditions(device)]

    def _placing(self, device: StoredObject) -> Iterable[Condition]:
        node = self.node(device.node)
        if not device.node:
            yield Condition("NodeUnknown", "it names no node", "set spec.nodeName to the node it is attached to")
        elif node is None:
            advice = f"join it: twinhub token {device.node} prints the command"
            yield Condition("NodeUnknown", f"the node {device.node} has not joined this cloud", advice)
        elif node.revoked:
            advice = f"join it anew: twinhub token {device.node} prints the command"
            yield Condition("NodeRevoked", f"the node {device.node} is revoked", advice)

    def _doubles(self, device: StoredObject) -> Iterable[Condition]:
        owner = f"the edge {device.origin}" if device.origin else "the cloud"
        for node in sorted(self._index.twice.get(device.id, ())):
            message = f"{owner} declares it, and so does the edge {node}, whose reports of it are not taken"
            yield Condition("DeclaredTwice", message, "rename one of the two, or delete it")

    def _model_conditions(self, device: StoredObject) -> Iterable[Condition]:
        model = self._index.model_for(device)
        if model is None:
            _, _, name = model_of(device.object).split("/")
            message = f"there is no DeviceModel {name} in the namespace {device.namespace}"
            yield Condition("ModelMissing", message, "apply the model; the device is sent once it is there")
            return
        yield from self._assembled.wrong(device, model)

    # ---- what edges declare

    def may_declare_now(self, node: str) -> bool:
        """Whether something that this edge was refused, because it was declared elsewhere, is there no longer. It
        would say it again on a new connection."""
        return self._index.may_declare_now(node)

    async def declared_at_edge(self, node: str, keys: Sequence[str]) -> None:
        """These are all objects declared at this edge; what it declared before and does not now is gone."""
        index, listed = self._index, frozenset(keys)
        own = [device.key for device in self.devices_of(node) if device.origin == node and device.key not in listed]
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
        known = self._known(f"{EDGE_MODEL}/{node}/{name}" if kind == MODEL else key, node)
        return known is not None and known.origin == node and known.digest == digest

    async def declare_at_edge(self, node: str, manifest: Mapping[str, Any], digest: str = "") -> str | None:
        """One object declared at this edge; `digest` of its words, by which it is known again. Returns why it is
        refused, if it is."""
        found = (await asyncio.to_thread(declared.read, [manifest]))[0]
        if found.problem or found.manifest is None:
            return found.problem
        own = declared.placed(found.manifest, node)
        for _ in range(_ATTEMPTS):
            try:
                return await self._declare_own(node, found, own, digest)
            except Conflict:
                await self._entries.catch_up()
        return "others are changing it at the same time"

    async def _declare_own(self, node: str, found: declared.Found, own: Mapping[str, Any], digest: str) -> str | None:
        name = found.key.partition("/")[2]
        if found.kind == DEVICE and (owner := self._owner_beside(node, name)) is not None:
            if node not in self._index.twice.get(name, ()):
                await self._entries.put(f"{TWICE}/{node}/{name}", {}, None)
            return f"it is declared {owner} already"
        key = f"{EDGE_MODEL}/{node}/{name}" if found.kind == MODEL else found.key
        known = self._known(key, node)
        if new := declared.completed(own, known.object if known else None, self._clock()):
            entry = {"object": new, "origin": node, "digest": digest}
            await self._entries.put(key, entry, known.version if known else 0)
        if found.kind == DEVICE and node in self._index.twice.get(name, ()):
            await self._entries.drop(f"{TWICE}/{node}/{name}")
        return None

    def _owner_beside(self, node: str, device_id: str) -> str | None:
        """Where a device is declared, if not at this node."""
        known = self.device(device_id)
        if known is None or known.origin == node:
            return None
        return f"at the edge {known.origin}" if known.origin else "in the cloud"

    # ---- what nodes have

    def wanted(self, node: str) -> list[StoredObject]:
        """What this node shall have: the devices that are declared in the cloud, and those of their models that there
        are; one with an origin it has declared itself."""
        devices = [device for device in self.devices_of(node) if not device.origin]
        models = {model.key: model for device in devices if (model := self._index.model_for(device))}
        return [*(model for _, model in sorted(models.items())), *devices]

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

    async def confirm(self, node: str, key: str, held: Held | None, journal: str = "") -> None:
        """The node, with this journal, has this now; None = it has the object no more."""
        if held is None:
            await self._store.delete(f"{_SYNC}/{node}/{key}")
        else:
            value = {**held._asdict(), "object": dict(held.object), "journal": journal}
            await self._store.put(f"{_SYNC}/{node}/{key}", value)

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

    # ---- watching

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[str]]:
        """The names of nodes for which something may have changed, from now on."""
        changes = _Changes()
        self._watchers.add(changes)
        try:
            yield aiter(changes)
        finally:
            self._watchers.discard(changes)

    def _tell(self, nodes: Iterable[str]) -> None:
        for watcher in self._watchers:
            watcher.add(nodes)

    async def _edit_node(self, node: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """What another one writes at the same time, a revocation above all, is not written over."""
        key = f"{NODE}/{node}"
        for attempt in range(_ATTEMPTS):
            entry = await self._store.get(key)
            try:
                await self._entries.put(key, change(entry.value if entry else {}), entry.version if entry else 0)
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                return

    def _known(self, key: str, node: str = "") -> StoredObject | None:
        kind, _, rest = key.partition("/")
        if kind == DEVICE:
            return self.device(rest)
        if kind == EDGE_MODEL:
            return self._index.edge_models.get((node, f"{MODEL}/{rest.partition('/')[2]}"))
        return self._index.models.get(key)

    def _now(self) -> int:
        return int(self._clock() * 1000)
