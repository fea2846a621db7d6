"""How a pod's twin is called. Apart from the twin itself, for those who only ask for it: they start without what
reads manifests."""

from __future__ import annotations

__all__ = ["PREFIX", "pod_of", "twin_id"]

PREFIX = "pod."
"""Names of devices that begin with it are those of pods."""


def twin_id(pod_id: str) -> str:
    """The device id of a pod's twin: `default/web` → `default/pod.web`."""
    namespace, name = pod_id.split("/")
    return f"{namespace}/{PREFIX}{name}"


def pod_of(device_id: str) -> str | None:
    """The pod whose twin this is; None: it is no pod's."""
    namespace, _, name = device_id.partition("/")
    return f"{namespace}/{name.removeprefix(PREFIX)}" if name.startswith(PREFIX) else None
