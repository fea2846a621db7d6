"""The pods that the cloud declared for this edge, with their ConfigMaps and Secrets: kept, and handed on unread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from edgehub.kept_objects import KeptObjects, Object
from twin.store import Store

__all__ = ["CONFIG_MAP", "POD", "SECRET", "CloudPods", "twin_of"]

POD, CONFIG_MAP, SECRET = "Pod", "ConfigMap", "Secret"


def twin_of(pod_id: str) -> str:
    """The id of the device whose twin shows a pod."""
    namespace, _, name = pod_id.partition("/")
    return f"{namespace}/pod.{name}"


class CloudPods:
    """`recall` first; `apply_changes` runs beside."""

    def __init__(
        self, catalogue: Store, apply: Callable[[Sequence[Object], Collection[str]], Awaitable[None]]
    ) -> None:
        """`apply` is handed all objects there are, and the ids of the twins of those pods which the cloud has just
        sent."""
        self._kept = KeptObjects(catalogue, dict.fromkeys((POD, CONFIG_MAP, SECRET), "v1"))
        self._apply = apply

    def __len__(self) -> int:
        return len(self._kept)

    async def recall(self) -> list[Object]:
        """The objects as the catalogue knows them. Raises `StoreError`."""
        await self._kept.recall()
        return list(self._kept.all.values())

    def is_giving_way(self, device_id: str) -> bool:
        """Whether this is the twin of a pod that is about to go; another one of its name may follow."""
        namespace, _, name = device_id.partition("/")
        return self._kept.is_giving_way(f"{POD}/{namespace}/{name.removeprefix('pod.')}")

    async def put(self, kind: str, namespace: str, name: str, content: object) -> None:
        """As `KeptObjects.put`. A pod that is on its way out, as Kubernetes says by its deletionTimestamp, is to be
        stopped now: the message of its deletion follows its end."""
        if _is_ending(content):
            await self.delete(kind, namespace, name, content)
        else:
            await self._kept.put(kind, namespace, name, content)

    async def delete(self, kind: str, namespace: str, name: str, content: object) -> None:
        """As `KeptObjects.delete`."""
        await self._kept.delete(kind, namespace, name, content)

    async def apply_changes(self) -> None:
        """For ever: apply what came, a burst of objects at once."""
        while True:
            changes = await self._kept.changes()
            objects = self._kept.all
            if changes.gone & objects.keys():  # nothing of the old one is true of the one that follows
                await self._apply([one for key, one in objects.items() if key not in changes.gone], ())
            self._kept.gave_way(changes.gone)
            await self._apply(list(objects.values()), _twins(changes.sent))


def _is_ending(content: object) -> bool:
    metadata = content.get("metadata") if isinstance(content, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("deletionTimestamp"))


def _twins(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(twin_of(key.removeprefix(f"{POD}/")) for key in keys if key.startswith(f"{POD}/"))
