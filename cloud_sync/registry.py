"""What is declared in a cloud: nodes, models, devices, who has confirmed what. All of it is in a `Store`.

Objects get what Kubernetes would give them: uid, generation, creation time, and their version in the store as
resourceVersion. What is not complete yet (a device without a model, or for a node that has not joined) is kept, and
says so in its conditions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from cloud_sync import declared, desired
from cloud_sync.index import EDGE_MODEL, NODE, PRESENCE, TWICE, Index
from cloud_sync.plan import Held
from cloud_sync.stored import DEVICE, MODEL, Applied, Condition, NodeEntry, StoredObject, model_of
from device_models import Device, ProtocolSchema
from device_models.load_objects import load_objects
from twin.store import Conflict, Event, Lost, Store

__all__ = ["Registry"]

_SYNC = "Sync"
_PREFIXES = (f"{NODE}/", f"{PRESENCE}/", f"{MODEL}/", f"{EDGE_MODEL}/", f"{DEVICE}/", f"{TWICE}/")
_ATTEMPTS = 5
"""How often a write is decided anew because another process came first."""


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
        self._store, self._protocols, self._clock = store, protocols, clock
        self._index = Index()
        self._watchers: set[_Changes] = set()
        self._reached = 0
        """The version of the last write that is in the index."""
        self._awaited: list[tuple[str, int, asyncio.Future[None]]] = []
        """(key, version; 0 = its delete): writes of ours that are not in the index yet."""

    async def __aenter__(self) -> Self:
        self._watch = self._store.watch()
        events = await self._watch.__aenter__()
        await self._read_all()
        self._follower = asyncio.create_task(self._follow(events), name="registry")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._follower.cancel()
        await asyncio.gather(self._follower, return_exceptions=True)
        await self._watch.__aexit__(None, None, None)

    # ---- objects

    async def apply(self, objects: Sequence[Mapping[str, Any]]) -> list[Applied]:
        """Declare objects, each for itself; models are taken before devices. One that is wrong is refused."""
        found = declared.read(objects)
        order = sorted(range(len(found)), key=lambda i: found[i].kind != MODEL)
        outcomes = {i: await self._apply(found[i]) for i in order}
        return [outcomes[i] for i in range(len(found))]

    async def _apply(self, found: declared.Found) -> Applied:
        if found.problem or found.manifest is None:
            return Applied(found.key, "refused", found.problem)
        for _ in range(_ATTEMPTS):
            try:
                return await self._declare(found.key, found.manifest)
            except Conflict:
                await self._catch_up()
        return Applied(found.key, "refused", "others are changing it at the same time; apply it again")

    async def _declare(self, key: str, manifest: Mapping[str, Any]) -> Applied:
        known = self._known(key)
        if known is not None and known.origin:
            where = (
                f"it is declared at the edge {known.origin}: edit it in the folder there, or delete it there first"
            )
            return Applied(key, "refused", where)
        new = declared.completed(manifest, known.object if known else None, self._clock())
        if new is None:
            return Applied(key, "unchanged", self._remark(key))
        await self._put(key, {"object": new}, known.version if known else 0)
        before = known.object if known else None
        wishes = desired.news(new, before) if key.startswith(f"{DEVICE}/") else {}
        moved = known.node if known and known.node and known.node != new["spec"].get("nodeName", "") else None
        return Applied(key, "configured" if known else "created", self._remark(key), wishes, moved)

    def _remark(self, key: str) -> str:
        return "; ".join(condition.message for condition in self.conditions(key))

    async def delete(self, key: str) -> bool:
        """Withdraw what the cloud has declared; returns whether there was anything."""
        return await self._drop(key)

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
        """The device with all its model says; None when it is not known, not complete or wrong."""
        device = self.device(device_id)
        model = self._index.model_for(device) if device else None
        if device is None or model is None:
            return None
        return load_objects([model.object, device.object], self._protocols).devices.get(device_id)

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
        found = load_objects([model.object, device.object], self._protocols)
        for problem in (p for p in found.problems if p.severity == "error"):
            yield Condition("Invalid", problem.message, problem.advice)

    # ---- what edges declare

    async def declared_at_edge(self, node: str, keys: Sequence[str]) -> None:
        """These are all objects declared at this edge; what it declared before and does not now is gone."""
        index, listed = self._index, frozenset(keys)
        own = [device.key for device in self.devices_of(node) if device.origin == node and device.key not in listed]
        models = [key for owner, key in index.edge_models if owner == node and key not in listed]
        twice = [i for i, nodes in index.twice.items() if node in nodes and f"{DEVICE}/{i}" not in listed]
        for key in own:
            await self._drop(key)
        for key in models:
            await self._drop(f"{EDGE_MODEL}/{node}/{key.partition('/')[2]}")
        for device_id in twice:
            await self._drop(f"{TWICE}/{node}/{device_id}")

    async def declare_at_edge(self, node: str, manifest: Mapping[str, Any]) -> str | None:
        """One object declared at this edge. Returns why it is refused, if it is."""
        found = declared.read([manifest])[0]
        if found.problem or found.manifest is None:
            return found.problem
        own = declared.placed(found.manifest, node)
        _, namespace, name = found.key.split("/")
        if found.kind == MODEL:
            return await self._declare_own(f"{EDGE_MODEL}/{node}/{namespace}/{name}", own, node)
        known = self.device(f"{namespace}/{name}")
        if known is not None and known.origin != node:
            await self._put(f"{TWICE}/{node}/{namespace}/{name}", {}, None)
            return f"it is declared {f'at the edge {known.origin}' if known.origin else 'in the cloud'} already"
        if node in self._index.twice.get(f"{namespace}/{name}", ()):
            await self._drop(f"{TWICE}/{node}/{namespace}/{name}")
        return await self._declare_own(found.key, own, node)

    async def _declare_own(self, key: str, manifest: Mapping[str, Any], node: str) -> str | None:
        known = self._known(key, node)
        new = declared.completed(manifest, known.object if known else None, self._clock())
        if new is None:
            return None
        try:
            await self._put(key, {"object": new, "origin": node}, known.version if known else 0)
        except Conflict:
            return "it was declared elsewhere at the same moment"
        return None

    # ---- what nodes have

    def wanted(self, node: str) -> list[StoredObject]:
        """What the cloud has to bring to this node: its devices that have a model, and those models."""
        devices = [d for d in self.devices_of(node) if not d.origin and model_of(d.object) in self._index.models]
        models = {model_of(device.object) for device in devices}
        return [*(self._index.models[key] for key in sorted(models)), *devices]

    async def confirmed(self, node: str) -> dict[str, Held]:
        """What this node has confirmed, by key."""
        prefix = f"{_SYNC}/{node}/"
        held = {}
        for entry in await self._store.list(prefix):
            value = entry.value
            held[entry.key.removeprefix(prefix)] = Held(value["uid"], value["version"], value["object"])
        return held

    async def confirm(self, node: str, key: str, held: Held | None) -> None:
        """The node has this now; None = it has the object no more."""
        if held is None:
            await self._store.delete(f"{_SYNC}/{node}/{key}")
        else:
            await self._store.put(f"{_SYNC}/{node}/{key}", {**held._asdict(), "object": dict(held.object)})

    # ---- nodes

    async def add_node(self, node: str, **info: Any) -> None:
        """An edge has enrolled; `info` is kept with it."""
        entry = {**self._index.entries.get(node, {}), "added": self._now(), "info": info}
        await self._put(f"{NODE}/{node}", entry, None)

    def node(self, name: str) -> NodeEntry | None:
        return self._index.node(name)

    def nodes(self) -> list[NodeEntry]:
        return [entry for name in self._index.entries if (entry := self.node(name))]

    async def revoke(self, node: str, serial: str | None = None) -> None:
        """From now on nobody is this node by a certificate made until now; or by this one certificate."""
        entry = dict(self._index.entries.get(node, {}))
        if serial is None:
            entry["revokedAt"] = self._now()
        else:
            entry["serials"] = sorted({*entry.get("serials", ()), serial})
        await self._put(f"{NODE}/{node}", entry, None)

    def revoked(self, node: str, serial: str, issued_at: float) -> bool:
        """Whether a certificate of this node, or a token, made at `issued_at` (Unix seconds) is revoked."""
        entry = self._index.entries.get(node, {})
        return serial in entry.get("serials", ()) or issued_at * 1000 <= entry.get("revokedAt", 0)

    async def presence(self, node: str, *, connected: bool, plain: bool, address: str) -> None:
        """The node has connected to this process, or left it."""
        seen = {"connected": connected, "plain": plain, "address": address, "since": self._now()}
        await self._put(f"{PRESENCE}/{node}", seen, None)

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

    # ---- the store

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            except Lost:
                await self._read_all()
                self._tell(self._index.entries)
                continue
            self._learn(event)

    def _learn(self, event: Event) -> None:
        """The index changes here only, in the order of the store: what was deleted cannot come back by an event
        that is late."""
        if event.key.startswith(_PREFIXES):
            self._tell(self._index.put(event.entry) if event.entry else self._index.drop(event.key))
        if event.entry:
            self._reached = event.entry.version
        for key, version, done in self._awaited:
            if not done.done() and (version <= self._reached if version else key == event.key and not event.entry):
                done.set_result(None)

    async def _read_all(self) -> None:
        index = Index()
        for prefix in _PREFIXES:
            for entry in await self._store.list(prefix):
                index.put(entry)
                self._reached = max(self._reached, entry.version)
        self._index = index
        for _, _, done in self._awaited:
            if not done.done():
                done.set_result(None)

    async def _catch_up(self) -> None:
        """Another process came first: read what stands there, in case no event tells."""
        await self._read_all()
        self._tell(self._index.entries)

    def _known(self, key: str, node: str = "") -> StoredObject | None:
        kind, _, rest = key.partition("/")
        if kind == DEVICE:
            return self.device(rest)
        if kind == EDGE_MODEL:
            return self._index.edge_models.get((node, f"{MODEL}/{rest.partition('/')[2]}"))
        return self._index.models.get(key)

    async def _put(self, key: str, value: dict[str, Any], version: int | None) -> None:
        written = await self._store.put(key, value, version=version)
        if written > self._reached:
            with self._awaiting(key, written) as learned:
                await learned

    async def _drop(self, key: str) -> bool:
        with self._awaiting(key, 0) as learned:
            gone = await self._store.delete(key)
            if gone:
                await learned
        return gone

    @contextmanager
    def _awaiting(self, key: str, version: int) -> Iterator[asyncio.Future[None]]:
        """Done once this write is in the index, so that whoever wrote sees it."""
        entry = key, version, asyncio.get_running_loop().create_future()
        self._awaited.append(entry)
        try:
            yield entry[2]
        finally:
            self._awaited.remove(entry)

    def _now(self) -> int:
        return int(self._clock() * 1000)
