"""The pods that are declared in a cloud, and the ConfigMaps and Secrets they take values from, found by node and by
one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cloud_sync.stored import POD, StoredObject

__all__ = ["PodIndex"]


class PodIndex:
    """By key. What changes it returns the nodes for which something may have changed."""

    def __init__(self) -> None:
        self._objects: dict[str, StoredObject] = {}
        self._by_node: defaultdict[str, set[str]] = defaultdict(set)
        """Keys of pods."""
        self._by_source: defaultdict[str, set[str]] = defaultdict(set)
        """Key of a source, whether it is there or not → keys of the pods that name it."""

    def all(self) -> Iterable[StoredObject]:
        return self._objects.values()

    def get(self, key: str) -> StoredObject | None:
        return self._objects.get(key)

    def of_node(self, node: str) -> list[StoredObject]:
        """The pods of a node, by key."""
        return [self._objects[key] for key in sorted(self._by_node.get(node, ()))]

    def users(self, source_key: str) -> list[StoredObject]:
        """The pods that name this ConfigMap or Secret, by key."""
        return [self._objects[key] for key in sorted(self._by_source.get(source_key, ()))]

    def needed(self, pods: Iterable[StoredObject]) -> list[StoredObject]:
        """The sources that these pods name, as far as there are any, each once, by key."""
        keys = sorted({key for pod in pods for key in pod.needs})
        return [source for key in keys if (source := self._objects.get(key))]

    def missing(self, pod: StoredObject) -> Iterator[str]:
        """The keys of sources that are not there, and that the pod waits for."""
        return (key for key, waits in sorted(pod.needs.items()) if waits and key not in self._objects)

    def put(self, one: StoredObject) -> set[str]:
        changed = self.drop(one.key)
        self._objects[one.key] = one
        if one.kind == POD:
            self._by_node[one.node].add(one.key)
            for key in one.needs:
                self._by_source[key].add(one.key)
        return changed | self._nodes(one)

    def drop(self, key: str) -> set[str]:
        known = self._objects.pop(key, None)
        if known is None:
            return set()
        if known.kind == POD:
            self._by_node[known.node].discard(key)
            for source in known.needs:
                self._by_source[source].discard(key)
        return self._nodes(known)

    def _nodes(self, one: StoredObject) -> set[str]:
        return {one.node} if one.kind == POD else {pod.node for pod in self.users(one.key)}
