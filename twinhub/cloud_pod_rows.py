"""Pods, ConfigMaps and Secrets as a cloud knows them, as tables and as a page. Pure; `now` in Unix seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloud_sync.api_forms import Pod, Source
from twinhub.cloud_rows import condition_lines
from twinhub.pod_view import PodView, page, pod_row
from twinhub.text import columns

__all__ = ["pod_page", "pod_table", "source_table"]

_DECLARED = {"cloud": "here", "edge": "at the edge", "withdrawn": "no longer"}


def pod_table(pods: Sequence[Pod], now: float) -> list[str]:
    """The pods, and below them what is wrong with any."""
    header = ("POD", "NODE", "READY", "STATUS", "RESTARTS", "AGE", "DECLARED", "CONDITION")
    rows = [_row(pod, now) for pod in pods]
    troubles = (line for pod in pods for line in condition_lines(pod.id, pod.conditions))
    return [*columns(header, rows, ("RESTARTS", "AGE")), *troubles]


def _row(pod: Pod, now: float) -> tuple[str, ...]:
    id_, ready, status, restarts, age = pod_row(PodView(pod.id, pod.values), now)
    found = ", ".join(condition.type for condition in pod.conditions)
    return id_, pod.node, ready, _status(pod, status), restarts, age, _DECLARED[pod.declared], found


def _status(pod: Pod, said: str) -> str:
    """What its node said of it, and whether that is of the pod as it is declared now."""
    if pod.confirmed:
        return said or "not reported"
    return f"{said}, not confirmed" if said else "not confirmed"


def pod_page(pod: Pod, now: float) -> Iterator[str]:
    """Everything, as lines."""
    waits = "" if pod.confirmed else f"; {pod.node or 'its node'} has not confirmed it yet"
    where = ("Node", pod.node), ("Declared", _DECLARED[pod.declared] + waits)
    yield from page(PodView(pod.id, pod.values), now, where)
    yield from condition_lines(pod.id, pod.conditions)


def source_table(kind: str, sources: Sequence[Source]) -> list[str]:
    """What there is under each name, and who takes it; `kind` is the first heading."""
    header = (kind, "KEYS", "PODS", "NODES")
    rows = [(one.id, str(one.keys), ", ".join(one.pods), ", ".join(one.nodes)) for one in sources]
    return columns(header, rows, ("KEYS",))
