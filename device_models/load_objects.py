"""Declared objects, as a cloud hands them over → complete devices, or everything that is wrong with them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from device_models.kinds import Others
from device_models.load import Declarations, declare
from device_models.manifest import Locate, Manifest
from device_models.problem import Place, Report
from device_models.protocols import ProtocolSchema

__all__ = ["load_objects"]


def load_objects(
    objects: Iterable[Mapping[str, Any]],
    protocols: Mapping[str, ProtocolSchema],
    others: Others | None = None,
) -> Declarations:
    """Like `load`, from plain objects, which are left as they are. Where a file stands otherwise, a problem names
    its object, `<Kind>/<namespace>/<name>`.

    Never raises for what stands in the objects.
    """
    return declare(_manifests(objects), protocols, Report(), others)


def _manifests(objects: Iterable[Mapping[str, Any]]) -> Iterator[Manifest]:
    for index, item in enumerate(objects):
        name = _key(item) or f"object {index + 1}"
        yield Manifest(copy.deepcopy(item), name, _locator(name))


def _locator(name: str) -> Locate:
    return lambda path: Place(name, 0, path)


def _key(item: Any) -> str:
    """`<Kind>/<namespace>/<name>` of an object that has them; of any form, so that a problem can be told."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict) or not metadata.get("name"):
        return ""
    return f"{item.get('kind')}/{metadata.get('namespace') or 'default'}/{metadata['name']}"[:512]
