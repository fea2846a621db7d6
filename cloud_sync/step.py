"""One object to be brought to a node, or to be taken from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cloud_sync.stored import CONFIG_MAP, DEVICE, MODEL, POD, SECRET, StoredObject
from link import contents
from link.message import Message
from link.resources import Kind
from link.rows import declared_object

__all__ = ["Held", "Step", "arrival", "held", "removal"]

_KINDS = {
    DEVICE: Kind.DEVICE,
    MODEL: Kind.MODEL,
    POD: Kind.POD,
    CONFIG_MAP: Kind.CONFIG_MAP,
    SECRET: Kind.SECRET,
}
_VALUES = frozenset({"data", "binaryData"})


class Held(NamedTuple):
    """An object that a node has confirmed, or may have."""

    uid: str
    version: int
    """0 = it was sent, or is being deleted: the node has it or not."""
    object: Mapping[str, Any]
    """Without the values of a ConfigMap or Secret: to delete one its metadata will do."""


class Step(NamedTuple):
    """One object to bring."""

    key: str
    message: Message
    before: Message | None = None
    """The membership message that KubeEdge's edge needs just before it."""


def held(message: Message) -> Held:
    """What a node has that confirms this."""
    content = contents.manifest(message)
    metadata = content["metadata"]
    kept = {key: value for key, value in content.items() if key not in _VALUES}
    return Held(metadata["uid"], int(metadata["resourceVersion"]), kept)


def arrival(one: StoredObject, known: Held | None, joins: Message | None = None) -> Iterator[Step]:
    """What brings it to a node that has confirmed `known`. A new object of an old name is a new one: the old one's
    uid tells."""
    if known is not None and (known.uid, known.version) == (one.uid, one.version):
        return
    operation = "update" if known is not None and known.uid == one.uid else "insert"
    message = declared_object(_KINDS[one.kind], operation, one.namespace, one.name, one.object)
    yield Step(one.key, message, None if known else joins)


def removal(key: str, known: Held, leaves: Message | None = None) -> Step:
    """What takes it from the node."""
    kind, namespace, name = key.split("/")
    return Step(key, declared_object(_KINDS[kind], "delete", namespace, name, known.object), leaves)
