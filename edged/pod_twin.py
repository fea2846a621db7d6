"""A pod as a twin: the device that is derived from its manifest, and what is read of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from device_models import AccessMode, DataType, Device, Property
from edged import pod_names
from edged.pod import Pod
from edged.status import Event, PodStatus
from edged.status_word import word
from edged.wanted import Override

__all__ = ["MODEL", "PROTOCOL", "device_of", "images_of", "readings", "state"]

PROTOCOL = "pod"
MODEL = "pod"

_READ = {
    "status": (DataType.STRING, "its status in one word, as `kubectl get pods` has it"),
    "phase": (DataType.STRING, "Pending, Running, Succeeded, Failed or Unknown"),
    "ready": (DataType.BOOLEAN, "all containers are ready"),
    "reason": (DataType.STRING, "why the pod is as it is, in one word"),
    "restarts": (DataType.INT, "how often its containers were restarted"),
    "started": (DataType.STRING, "when, RFC 3339"),
    "address": (DataType.STRING, "its IP address, where it has one of its own"),
}
_TEXTS = {
    "message": (DataType.STRING, "the reason in a sentence"),
    "containers": (DataType.STRING, "the statuses of its containers, JSON as in Kubernetes"),
    "init-containers": (DataType.STRING, "those of its init containers"),
    "conditions": (DataType.STRING, "its conditions, JSON as in Kubernetes"),
    "events": (DataType.STRING, "what happened to it, the newest last, JSON"),
}
"""Beyond what a value may be under KubeEdge's rules."""
LARGEST = 64 * 1024
"""Bytes of a value by default."""
_WRITE = AccessMode.READ_WRITE


def device_of(pod: Pod, node: str, *, strict: bool = False) -> Device:
    """The device whose twin shows this pod and takes wishes for it. `strict`: with values by KubeEdge's rules alone.

    Its image in the manifest is a desired value like any of a device's manifest: an edit goes over earlier wishes,
    and later wishes go over it.
    """
    read = _READ if strict else _READ | _TEXTS
    return Device(
        namespace=pod.metadata.namespace,
        name=pod_names.PREFIX + pod.metadata.name,
        model=MODEL,
        protocol=PROTOCOL,
        properties=(
            *(Property(name, type_, description=text) for name, (type_, text) in read.items()),
            *_writable(pod, strict=strict),
        ),
        node=node,
        description=f"pod {pod.id}",
    )


def _writable(pod: Pod, *, strict: bool) -> Iterator[Property]:
    runs, again = "1: it is to run, 0: it is not", "another text than before makes the pod anew"
    yield Property("replicas", DataType.INT, _WRITE, minimum=0, maximum=1, description=runs)
    yield Property("restart", DataType.STRING, _WRITE, description=again)
    images = {one.name: one.image for one in pod.spec.containers}
    if len(images) == 1 or not strict:
        form = "of its container; of several CONTAINER=IMAGE,CONTAINER=IMAGE"
        yield Property("image", DataType.STRING, _WRITE, description=form, desired=image_text(images))


def image_text(images: Mapping[str, str]) -> str:
    """The images of a pod as one value."""
    if len(images) == 1:
        return next(iter(images.values()))
    return ",".join(f"{name}={image}" for name, image in images.items())


def images_of(text: str, pod: Pod) -> dict[str, str]:
    """The images that a wish names, by container. ValueError: it cannot be fulfilled, and why."""
    names = [one.name for one in pod.spec.containers]
    if len(names) == 1 and "=" not in text:
        return {names[0]: _image(text)}
    images = {}
    for part in text.split(","):
        name, equals, image = part.strip().partition("=")
        if not equals or name not in names:
            raise ValueError(f"write CONTAINER=IMAGE, with one of the containers {', '.join(names)}")
        images[name] = _image(image)
    return images


def _image(text: str) -> str:
    if not text or len(text) > 512 or any(one.isspace() or not one.isprintable() for one in text):
        raise ValueError(f"{text[:60]!r} is not the name of an image")
    return text


def state(status: PodStatus) -> str:
    """The device's state, in KubeEdge's words."""
    if any(one.type == "Ready" and one.status == "Unknown" for one in status.conditions):
        return "unknown"
    if status.phase == "Failed" or (status.phase == "Running" and not _is_ready(status)):
        return "unhealthy"
    return "online" if status.phase == "Running" else "offline"


def readings(
    status: PodStatus, events: Sequence[Event], override: Override, *, strict: bool = False, largest: int = LARGEST
) -> dict[str, str]:
    """Property → value as text. `largest`: bytes of a value; what is larger is cut, or left out where it is JSON."""
    reason, message = _why(status)
    images = {one.name: one.image for one in status.container_statuses}
    found = {
        "status": word(status),
        "phase": status.phase,
        "ready": "true" if _is_ready(status) else "false",
        "reason": reason,
        "restarts": str(status.restarts),
        "started": status.start_time,
        "address": status.pod_ip,
        "replicas": str(_replicas(status)),
        "restart": override.restart,
    }
    if len(images) == 1 or (images and not strict):
        found["image"] = image_text(images)
    if not strict:
        found |= {
            "message": message.encode()[:largest].decode(errors="ignore"),
            "containers": _json(status.container_statuses),
            "init-containers": _json(status.init_container_statuses),
            "conditions": _json(status.conditions),
            "events": _json(_newest(events, largest)),
        }
    return {name: text for name, text in found.items() if len(text.encode()) <= largest}


def _why(status: PodStatus) -> tuple[str, str]:
    """What is the matter with the pod as a whole, else with the first of its containers that has something."""
    if status.reason:
        return status.reason, status.message
    for one in (*status.init_container_statuses, *status.container_statuses):
        what = one.state.waiting or one.state.terminated
        if what and what.reason != "Completed":
            return what.reason, what.message
    return "", status.message


def _is_ready(status: PodStatus) -> bool:
    return any(one.type == "Ready" and one.status == "True" for one in status.conditions)


def _replicas(status: PodStatus) -> int:
    """0 once it has been stopped as it was wished."""
    runs = any(one.state.running for one in status.container_statuses)
    return 0 if status.reason == "Stopped" and not runs else 1


def _newest(events: Sequence[Event], largest: int) -> list[Event]:
    """As many as fit into so many bytes."""
    kept: list[Event] = []
    size = len("[]")
    for event in reversed(events):
        size += len(_json(event).encode()) + len(",")
        if size > largest:
            break
        kept.append(event)
    return kept[::-1]


def _json(thing: object) -> str:
    return msgspec.json.encode(thing).decode()
