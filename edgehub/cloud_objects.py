"""The devices and models that the cloud declared for this edge: durable in the catalogue, assembled, applied.

They stand under `Cloud/<Kind>/<namespace>/<name>`, so an edge that restarts without its cloud serves them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from device_models import Declarations, Device, ProtocolSchema, load_objects
from edgehub.bad_content import BadContent
from twin.store import InvalidKeyError, InvalidValueError, Store

__all__ = ["DEVICE", "MODEL", "CloudObjects"]

logger = logging.getLogger("edgehub")

PREFIX = "Cloud/"
DEVICE, MODEL = "Device", "DeviceModel"
VERSION = "devices.kubeedge.io/v1beta1"
MAX_OBJECTS = 20_000
"""Devices and models of one cloud."""
SETTLE, SETTLE_AT_MOST = 0.1, 1.0
"""Seconds without another object after which a burst is applied, and how long a burst may go on."""

Object = Mapping[str, Any]


class CloudObjects:
    """In memory and in the catalogue. `recall` first; `apply_changes` runs beside."""

    def __init__(
        self,
        catalogue: Store,
        protocols: Mapping[str, ProtocolSchema],
        apply: Callable[[Sequence[Device], Collection[str]], Awaitable[None]],
    ) -> None:
        """`apply` is handed the devices of the cloud, all there are, those that are declared here left out, and the
        ids of those which the cloud has just sent."""
        self._catalogue = catalogue
        self._protocols = protocols
        self._apply = apply
        self._objects: dict[str, Object] = {}
        self._local: Mapping[str, Object] = {}
        self._good: dict[str, Device] = {}
        """By id: how each was served last."""
        self._changed = asyncio.Event()
        self._sent: set[str] = set()
        """Ids of devices that came since the last apply."""
        self._replaced: set[str] = set()
        """Those of them that are others than before under the same name."""
        self._told: set[str] = set()
        self.conditions: dict[str, str] = {}
        """Key of a device that is not served as it is declared now → why."""

    async def recall(self, local: Mapping[str, Object], served: Iterable[Device] = ()) -> list[Device]:
        """The devices as the catalogue knows them; `local` as for `local`. Of a device whose declaration is broken by
        now, the one that was `served` last."""
        self._local = local
        self._good = {device.id: device for device in served}
        entries = await self._catalogue.list(PREFIX)
        known = {entry.key.removeprefix(PREFIX): entry.value for entry in entries}
        self._objects = {key: value for key, value in known.items() if key.split("/")[0] in (DEVICE, MODEL)}
        return await self._assemble()

    def local(self, documents: Mapping[str, Object]) -> None:
        """What is declared here, by `<Kind>/<namespace>/<name>`: it goes before what the cloud declares."""
        self._local = documents
        self._changed.set()

    def __len__(self) -> int:
        return len(self._objects)

    def begins_anew(self, device_id: str) -> bool:
        """Whether what is served under this name is about to give way to another device."""
        return device_id in self._replaced

    async def put(self, kind: str, namespace: str, name: str, content: object) -> None:
        """Store an object; durable on return. Raises `BadContent` when it can never be used, `StoreError` when the
        disk fails."""
        key = f"{kind}/{namespace}/{name}"
        if key not in self._objects and len(self._objects) >= MAX_OBJECTS:
            raise BadContent(f"{key}: an edge keeps at most {MAX_OBJECTS:,} objects of its cloud")
        value, known = _completed(kind, namespace, name, content), self._objects.get(key)
        if known == value:
            return
        try:
            await self._catalogue.put(PREFIX + key, value)
        except (InvalidKeyError, InvalidValueError) as error:
            raise BadContent(str(error)) from None
        self._objects[key] = value
        if kind == DEVICE:
            self._sent.add(f"{namespace}/{name}")
            if known is not None and not _same(known, value):
                self._replaced.add(f"{namespace}/{name}")
        self._changed.set()

    async def delete(self, kind: str, namespace: str, name: str, content: object) -> None:
        """Forget an object, unless it is another one that has got the same name meanwhile; durable on return."""
        key = f"{kind}/{namespace}/{name}"
        known = self._objects.get(key)
        if known is None or not _same(known, content):
            return
        await self._catalogue.delete(PREFIX + key)
        del self._objects[key]
        self._changed.set()

    async def apply_changes(self) -> None:
        """For ever: assemble and apply what came, a burst of objects at once."""
        while True:
            await self._changed.wait()
            await self._settle()
            sent, self._sent = self._sent, set()
            devices, replaced = await self._assemble(), set(self._replaced)
            if replaced:  # withdrawn and declared anew while we were away: nothing of the old one is true of it
                await self._apply([device for device in devices if device.id not in replaced], ())
                self._replaced -= replaced
            await self._apply(devices, sent)

    async def _settle(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + SETTLE_AT_MOST
        while self._changed.is_set() and loop.time() < end:
            self._changed.clear()
            await asyncio.sleep(SETTLE)
        self._changed.clear()

    async def _assemble(self) -> list[Device]:
        """In a thread: thousands of objects take seconds."""
        objects, local = dict(self._objects), self._local
        models = {key: value for key, value in (objects | dict(local)).items() if key.startswith(f"{MODEL}/")}
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


def _completed(kind: str, namespace: str, name: str, content: object) -> dict[str, Any]:
    """The object under the name by which it came, with what KubeEdge leaves out of some."""
    if not isinstance(content, dict):
        raise BadContent(f"{kind}/{namespace}/{name}: this is no object")
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        raise BadContent(f"{kind}/{namespace}/{name}: it has no metadata")
    named = {key: value for key, value in metadata.items() if key != "managedFields"}
    named |= {"name": name, "namespace": namespace}
    spec = {key: value for key, value in content.items() if key != "status"}
    return spec | {"apiVersion": content.get("apiVersion") or VERSION, "kind": kind, "metadata": named}


def _same(known: Object, gone: object) -> bool:
    """Whether the deletion, or the newer form, of an object means the one we know."""
    metadata = gone.get("metadata") if isinstance(gone, dict) else None
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    ours = known["metadata"].get("uid")
    return not uid or not ours or uid == ours


def _model_of(key: str, device: Object) -> str | None:
    """The key of the model that a device names; None = it names none, which the manifest reader will tell."""
    spec = device.get("spec")
    reference = spec.get("deviceModelRef") if isinstance(spec, dict) else None
    name = reference.get("name") if isinstance(reference, dict) else None
    return f"{MODEL}/{key.split('/')[1]}/{name}" if name else None
