"""The devices and models that the cloud declared for this edge: kept, assembled, applied."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

from device_models import Declarations, Device, ProtocolSchema, load_objects
from edgehub.kept_objects import KeptObjects, Object
from twin.store import Store

__all__ = ["DEVICE", "MODEL", "CloudDevices"]

logger = logging.getLogger("edgehub")

DEVICE, MODEL = "Device", "DeviceModel"
VERSION = "devices.kubeedge.io/v1beta1"


class CloudDevices:
    """`recall` first; `apply_changes` runs beside."""

    def __init__(
        self,
        catalogue: Store,
        protocols: Mapping[str, ProtocolSchema],
        apply: Callable[[Sequence[Device], Collection[str]], Awaitable[None]],
    ) -> None:
        """`apply` is handed the devices of the cloud, all there are, those that are declared here left out, and the
        ids of those which the cloud has just sent."""
        self._kept = KeptObjects(catalogue, dict.fromkeys((DEVICE, MODEL), VERSION))
        self._protocols = protocols
        self._apply = apply
        self._local: Mapping[str, Object] = {}
        self._good: dict[str, Device] = {}
        """By id: how each was served last."""
        self._told: set[str] = set()
        self.conditions: dict[str, str] = {}
        """Key of a device that is not served as it is declared now → why."""

    async def recall(self, local: Mapping[str, Object], served: Iterable[Device] = ()) -> list[Device]:
        """The devices as the catalogue knows them; `local` as for `local`. Of a device whose declaration is broken by
        now, the one that was `served` last."""
        self._local = local
        self._good = {device.id: device for device in served}
        await self._kept.recall()
        return await self._assemble()

    def local(self, documents: Mapping[str, Object]) -> None:
        """What is declared here, by `<Kind>/<namespace>/<name>`: it goes before what the cloud declares."""
        self._local = documents
        self._kept.apply_again()

    def __len__(self) -> int:
        return len(self._kept)

    def is_giving_way(self, device_id: str) -> bool:
        """Whether what is served under this name is about to go; another device of its name may follow."""
        return self._kept.is_giving_way(f"{DEVICE}/{device_id}")

    async def put(self, kind: str, namespace: str, name: str, content: object) -> None:
        """As `KeptObjects.put`."""
        await self._kept.put(kind, namespace, name, content)

    async def delete(self, kind: str, namespace: str, name: str, content: object) -> None:
        """As `KeptObjects.delete`."""
        await self._kept.delete(kind, namespace, name, content)

    async def apply_changes(self) -> None:
        """For ever: assemble and apply what came, a burst of objects at once."""
        while True:
            changes = await self._kept.changes()
            devices = await self._assemble()
            others = [device for device in devices if f"{DEVICE}/{device.id}" not in changes.gone]
            if len(others) < len(devices):  # nothing of the old one is true of the one that follows
                await self._apply(others, ())
            self._kept.gave_way(changes.gone)
            await self._apply(devices, _ids(changes.sent))

    async def _assemble(self) -> list[Device]:
        """In a thread: thousands of objects take seconds."""
        objects, local = self._kept.all, self._local
        models = {key: value for key, value in {**objects, **local}.items() if key.startswith(f"{MODEL}/")}
        devices = {key: value for key, value in objects.items() if key.startswith(f"{DEVICE}/")}
        wanted = {key: _model_of(key, value) for key, value in devices.items() if key not in local}
        complete = [devices[key] for key, model in wanted.items() if model is None or model in models]
        declared = await asyncio.to_thread(load_objects, [*models.values(), *complete], self._protocols)
        waiting = {key: model for key, model in wanted.items() if model is not None and model not in models}
        self._condition(declared, devices, waiting)
        ids = {key.removeprefix(f"{DEVICE}/") for key in wanted}
        self._good = {device_id: device for device_id, device in self._good.items() if device_id in ids}
        self._good |= declared.devices
        return list(self._good.values())

    def _condition(self, declared: Declarations, devices: Mapping[str, Object], waiting: Mapping[str, str]) -> None:
        conditions = {key: f"waits for its {model}" for key, model in waiting.items()}
        for problem in declared.problems:
            if problem.severity == "error" and problem.file not in self._local:
                conditions.setdefault(problem.file, str(problem))
        for key, text in conditions.items():
            if self.conditions.get(key) != text:
                logger.warning("%s of the cloud cannot be served as it is declared now: %s", key, text)
        for key in (devices.keys() & self._local.keys()) - self._told:
            logger.warning("%s is declared by the cloud as well; what is declared here goes on", key)
        self._told = set(devices.keys() & self._local.keys())
        self.conditions = conditions


def _ids(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(key.removeprefix(f"{DEVICE}/") for key in keys if key.startswith(f"{DEVICE}/"))


def _model_of(key: str, device: Object) -> str | None:
    """The key of the model that a device names; None = it names none, which the manifest reader will tell."""
    spec = device.get("spec")
    reference = spec.get("deviceModelRef") if isinstance(spec, dict) else None
    name = reference.get("name") if isinstance(reference, dict) else None
    return f"{MODEL}/{key.split('/')[1]}/{name}" if name else None
