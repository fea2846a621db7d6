"""Objects as they are declared: checked by their schema, and completed as Kubernetes would do it. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cloud_sync.pod_rules import NO_PODS, PodRules
from cloud_sync.stored import DEVICE, KINDS, MODEL
from device_models.load_objects import load_objects
from link.limits import NODE_CHARACTERS
from twin.rules import Rules
from twin.store import MAX_KEY, MAX_VALUE, InvalidKeyError, InvalidValueError, check_key, encode

__all__ = ["DECLARED_BY", "Found", "completed", "key_of", "placed", "read"]

DECLARED_BY = "twinhub.io/declared-by"
"""The annotation of an object declared at an edge; its value is the node."""
_OURS = frozenset({"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"})
"""Metadata that the cloud sets, whatever an object says."""
LONGEST_KEY = MAX_KEY - NODE_CHARACTERS - len("EdgeModel//")
"""Characters of an object's key, which with the name of a node before it is a key of the store, too."""
LARGEST = MAX_VALUE - 8 * 1024
"""Bytes of an object as JSON; in the store there is a little more around it."""

PROPERTIES = Rules().properties
_TAKEN = f"{', '.join(KINDS[:-1])} and {KINDS[-1]} objects"


class Found(NamedTuple):
    """One object, read."""

    key: str
    kind: str
    manifest: Mapping[str, Any] | None
    """v1beta1 or v1, nothing lost."""
    problem: str
    """Why it is refused; empty = it is not."""
    needs: Mapping[str, bool] = {}
    """As in `StoredObject`."""


def read(objects: Sequence[Mapping[str, Any]], pods: PodRules = NO_PODS) -> list[Found]:
    """Each object for itself: whether it is of a kind that is taken, by its schema. What is missing around it (a
    device's model) is no reason to refuse it. A large object takes a tenth of a second: call it in a thread."""
    return [found for one in objects for found in _read(one, pods)]


def _read(one: Mapping[str, Any], pods: PodRules) -> list[Found]:
    if fault := _unfit(one):
        return [Found(key_of(one), "", None, fault)]
    reader = pods.reader()
    loaded = load_objects([one], {}, reader.take)
    of_pods, problems = reader.found()
    kept = {key: manifest for key, manifest in loaded.documents.items() if manifest["kind"] in (DEVICE, MODEL)}
    found = [_checked(key, manifest) for key, manifest in kept.items()]
    found += [_checked(key, manifest)._replace(needs=needs) for key, manifest, needs in of_pods]
    said = [f"{p.message}; {p.advice}" if p.advice else p.message for p in (*loaded.problems, *problems)]
    return found or [Found(key_of(one), "", None, "; ".join(said) or f"only {_TAKEN} are taken")]


def _checked(key: str, manifest: Mapping[str, Any]) -> Found:
    fault = _unfit(manifest) or _unnamed(key, manifest["metadata"])
    return Found(key, manifest["kind"], None if fault else manifest, fault)


def _unfit(one: Any) -> str:
    """Why this object is not looked at: what it is, how deep or how large; empty = it is."""
    try:
        size = len(encode("it", {"": one}))
    except InvalidValueError as error:
        return str(error).removeprefix("it..")
    if size > LARGEST:
        return f"it has {size:,} bytes; the most is {LARGEST:,}"
    spec = one.get("spec") if isinstance(one, Mapping) else None
    properties = spec.get("properties") if isinstance(spec, Mapping) else None
    if isinstance(properties, Sequence) and len(properties) > PROPERTIES:
        return f"it has {len(properties):,} properties; a device may have {PROPERTIES:,}"
    return ""


def _unnamed(key: str, metadata: Mapping[str, Any]) -> str:
    """Why an object cannot have this name."""
    if not all(isinstance(metadata.get(part, ""), str) for part in ("namespace", "name")):
        return "write metadata.name and metadata.namespace as text, or no namespace for the default one"
    if len(key) > LONGEST_KEY:
        return f"its namespace and name are {len(key) - LONGEST_KEY} characters too long"
    try:
        check_key(key)
    except InvalidKeyError as error:
        return str(error)
    return ""


def key_of(one: Any) -> str:
    """The key of an object, as far as it can be told, for people to read."""
    metadata = one.get("metadata") if isinstance(one, Mapping) else None
    if not isinstance(metadata, Mapping):
        return "an object without metadata"
    parts = one.get("kind"), metadata.get("namespace") or "default", metadata.get("name")
    return "/".join(part if isinstance(part, str) else "?" for part in parts)[:512].encode(errors="replace").decode()


def placed(manifest: Mapping[str, Any], node: str) -> dict[str, Any]:
    """An object that is declared at an edge says so, whatever it said before."""
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), DECLARED_BY: node}
    spec = {**manifest["spec"], "nodeName": node} if manifest["kind"] == DEVICE else manifest["spec"]
    return {**manifest, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def completed(manifest: Mapping[str, Any], known: Mapping[str, Any] | None, now: float) -> dict[str, Any] | None:
    """The object with what Kubernetes would add to it; None when it says what `known` says. `now`: Unix seconds."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _OURS}
    metadata.setdefault("namespace", "default")
    before = known["metadata"] if known else {}
    same_content = known is not None and _content(known) == _content(manifest)
    if same_content and metadata == {key: value for key, value in before.items() if key not in _OURS}:
        return None
    created = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata["uid"] = before.get("uid") or str(uuid.uuid4())
    metadata["generation"] = before.get("generation", 0) + (not same_content)
    metadata["creationTimestamp"] = before.get("creationTimestamp") or created
    return {**_content(manifest), "metadata": metadata}


def _content(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
