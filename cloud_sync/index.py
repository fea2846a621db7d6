"""What stands in the store, at hand: found by key, by node and by model without asking the store again.

A cache that every entry read or written goes through; the store is the truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cloud_sync.pod_index import PodIndex
from cloud_sync.stored import DEVICE, KINDS, MODEL, POD, NodeEntry, StoredObject, model_of
from twin.store import Entry, Event

__all__ = ["EDGE_MODEL", "NODE", "PREFIXES", "PRESENCE", "TWICE", "Index"]

NODE, PRESENCE = "Node", "Presence"
EDGE_MODEL = "EdgeModel"
"""`EdgeModel/<node>/<namespace>/<name>`: a model declared at an edge; another edge may declare its own."""
TWICE = "Twice"
"""`Twice/<node>/<namespace>/<name>`: a device that a node declares although it is declared elsewhere."""
PREFIXES = tuple(f"{kind}/" for kind in (NODE, PRESENCE, *KINDS, EDGE_MODEL, TWICE))
"""Of all keys that are in an index."""


class Index:
    """All entries of a registry, taken apart."""

    def __init__(self) -> None:
        self.devices: dict[str, StoredObject] = {}
        """By id."""
        self.models: dict[str, StoredObject] = {}
        """Those declared in the cloud, by key."""
        self.edge_models: dict[tuple[str, str], StoredObject] = {}
        """By node and key."""
        self.pods = PodIndex()
        self.twice: defaultdict[str, set[str]] = defaultdict(set)
        """Device id → nodes that declare it too."""
        self.entries: dict[str, dict[str, Any]] = {}
        """Nodes as they stand in the store, by name."""
        self.presence: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}
        """Of every entry in here, by its key in the store."""
        self._by_node: defaultdict[str, set[str]] = defaultdict(set)
        self._by_model: defaultdict[str, set[str]] = defaultdict(set)

    # ---- asking

    def all(self, kind: str) -> list[StoredObject]:
        """What is declared of this kind, in the cloud and at edges."""
        match kind:
            case "Device":
                return list(self.devices.values())
            case "DeviceModel":
                return [*self.models.values(), *self.edge_models.values()]
        return [one for one in self.pods.all() if one.kind == kind]

    def find(self, key: str) -> StoredObject | None:
        """What is declared under a key of the store, `EdgeModel/…` among them."""
        kind, _, rest = key.partition("/")
        match kind:
            case "Device":
                return self.devices.get(rest)
            case "DeviceModel":
                return self.models.get(key)
            case "EdgeModel":
                node, _, name = rest.partition("/")
                return self.edge_models.get((node, f"{MODEL}/{name}"))
        return self.pods.get(key)

    def may_declare_now(self, node: str) -> bool:
        """Whether something that this node may not declare, because it was declared elsewhere, is there no longer."""
        return any(node in nodes and device_id not in self.devices for device_id, nodes in self.twice.items())

    def devices_of(self, node: str) -> list[StoredObject]:
        """The devices of a node, by id."""
        return [self.devices[device_id] for device_id in sorted(self._by_node.get(node, ()))]

    def devices_with(self, model_key: str) -> Iterator[StoredObject]:
        """The devices that name this model."""
        return (self.devices[device_id] for device_id in self._by_model.get(model_key, ()))

    def model_for(self, device: StoredObject) -> StoredObject | None:
        """The model that is declared at the device's own edge, if there is one: there it goes before the cloud's."""
        key = model_of(device.object)
        return self.edge_models.get((device.node, key)) or self.models.get(key)

    def node(self, name: str) -> NodeEntry | None:
        entry = self.entries.get(name)
        if entry is None:
            return None
        seen = self.presence.get(name, {})
        return NodeEntry(
            name,
            entry.get("added", 0),
            entry.get("info", {}),
            entry.get("revokedAt", 0),
            frozenset(entry.get("serials", ())),
            seen.get("connected", False),
            seen.get("plain", False),
            seen.get("address", ""),
            seen.get("since", 0),
        )

    # ---- learning; each returns the nodes for which something may have changed

    def learn(self, event: Event) -> set[str]:
        """Something was written or deleted."""
        return self.put(event.entry) if event.entry else self.drop(event.key)

    def put(self, entry: Entry) -> set[str]:
        """One that is older than what is known, or the same, changes nothing."""
        if entry.version <= self._versions.get(entry.key, 0):
            return set()
        self._versions[entry.key] = entry.version
        kind, _, rest = entry.key.partition("/")
        match kind:
            case "Device":
                return self._put_device(entry)
            case "DeviceModel":
                self.models[entry.key] = _stored(entry.key, entry)
                return self._users(entry.key)
            case "Pod" | "ConfigMap" | "Secret":
                return self.pods.put(_stored(entry.key, entry))
            case "EdgeModel":
                node, _, name = rest.partition("/")
                self.edge_models[node, f"{MODEL}/{name}"] = _stored(f"{MODEL}/{name}", entry)
                return {node}
            case "Twice":
                node, _, device_id = rest.partition("/")
                self.twice[device_id].add(node)
            case "Node":
                self.entries[rest] = entry.value
                return {rest}
            case "Presence":
                self.presence[rest] = entry.value
        return set()

    def drop(self, key: str) -> set[str]:
        self._versions.pop(key, None)
        kind, _, rest = key.partition("/")
        match kind:
            case "Device":
                return self._drop_device(rest)
            case "DeviceModel":
                self.models.pop(key, None)
                return self._users(key)
            case "Pod" | "ConfigMap" | "Secret":
                return self.pods.drop(key)
            case "EdgeModel":
                node, _, name = rest.partition("/")
                self.edge_models.pop((node, f"{MODEL}/{name}"), None)
                return {node}
            case "Twice":
                node, _, device_id = rest.partition("/")
                self.twice[device_id].discard(node)
            case "Node":
                self.entries.pop(rest, None)
                return {rest}
            case "Presence":
                self.presence.pop(rest, None)
        return set()

    def _put_device(self, entry: Entry) -> set[str]:
        device = _stored(entry.key, entry)
        changed = self._drop_device(device.id)
        self.devices[device.id] = device
        self._by_node[device.node].add(device.id)
        self._by_model[model_of(device.object)].add(device.id)
        return changed | {device.node}

    def _drop_device(self, device_id: str) -> set[str]:
        known = self.devices.pop(device_id, None)
        if known is None:
            return set()
        self._by_node[known.node].discard(device_id)
        self._by_model[model_of(known.object)].discard(device_id)
        return {known.node, *self.twice.get(device_id, ())}

    def _users(self, model_key: str) -> set[str]:
        return {device.node for device in self.devices_with(model_key)}


def _stored(key: str, entry: Entry) -> StoredObject:
    kind, namespace, name = key.split("/")
    manifest, origin = entry.value["object"], entry.value.get("origin", "")
    metadata = {**manifest["metadata"], "resourceVersion": str(entry.version)}
    node = origin or (manifest["spec"].get("nodeName", "") if kind in (DEVICE, POD) else "")
    whole = {**manifest, "metadata": metadata}
    uid, digest, needs = metadata["uid"], entry.value.get("digest", ""), entry.value.get("needs", {})
    return StoredObject(key, kind, namespace, name, uid, entry.version, node, origin, whole, digest, needs)
