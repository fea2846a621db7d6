"""Pods as commands show them: what their twins say, as rows and as a page. Pure but for asking the hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from edged.pod_names import pod_of, twin_id
from edged.status import Condition, ContainerState, ContainerStatus, Event
from twinhub.client import TwinClient, decode
from twinhub.text import age, columns, printable

__all__ = ["POD_HEADER", "POD_RIGHT", "PodView", "page", "pod", "pod_row", "pods"]

POD_HEADER = ("POD", "READY", "STATUS", "RESTARTS", "AGE")
POD_RIGHT = ("RESTARTS", "AGE")
LONGEST = 1000
T = TypeVar("T")


class PodView(NamedTuple):
    """What the twin of a pod says."""

    id: str
    values: Mapping[str, str]
    """Reported, by property; what was never reported is not there."""

    def of(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        return _listed(self.of("containers"), ContainerStatus)

    @property
    def init_containers(self) -> tuple[ContainerStatus, ...]:
        return _listed(self.of("init-containers"), ContainerStatus)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        return _listed(self.of("conditions"), Condition)

    @property
    def events(self) -> tuple[Event, ...]:
        return _listed(self.of("events"), Event)


def pods(client: TwinClient) -> list[PodView]:
    """All that the hub knows."""
    ids = (pod_of(device.id) for device in client.devices())
    return [pod(client, id_) for id_ in ids if id_]


def pod(client: TwinClient, pod_id: str) -> PodView:
    """One. CommandError when the hub does not know it."""
    twin = client.twin(twin_id(pod_id))
    said = {name: one.actual.value for name, one in twin.items() if one.actual}
    return PodView(pod_id, {name: value for name, value in said.items() if value is not None})


def pod_row(view: PodView, now: float) -> tuple[str, ...]:
    """The cells under `POD_HEADER`; `now` in Unix seconds."""
    containers = view.containers
    ready = f"{sum(one.ready for one in containers)}/{len(containers)}" if containers else view.of("ready")
    return view.id, ready, view.of("status"), view.of("restarts"), _since(view.of("started"), now)


def page(view: PodView, now: float, where: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    """Everything, as lines; `where`: labels and texts below the name."""
    for label, text in (
        ("Pod", view.id),
        *where,
        ("Status", view.of("status")),
        ("Phase", view.of("phase")),
        ("Reason", view.of("reason")),
        ("Message", view.of("message")),
        ("Replicas", view.of("replicas")),
        ("Started", view.of("started")),
        ("Address", view.of("address")),
    ):
        if text:
            yield f"{label + ':':12}{printable(text, LONGEST)}"
    for one in view.init_containers:
        yield from _container(one, "Init container")
    for one in view.containers:
        yield from _container(one, "Container")
    if view.conditions:
        rows = [(one.type, one.status, one.reason, one.message) for one in view.conditions]
        yield from ("", *columns(("CONDITION", "STATUS", "REASON", "MESSAGE"), rows))
    if view.events:
        yield from ("", *columns(("LAST", "TYPE", "REASON", "COUNT", "EVENT"), [_event(e, now) for e in view.events]))


def _container(one: ContainerStatus, kind: str) -> Iterator[str]:
    yield ""
    yield f"{kind} {one.name}"
    yield f"  Image:    {printable(one.image, LONGEST)}"
    yield f"  State:    {_state(one.state)}"
    if one.last_state != ContainerState():
        yield f"  Before:   {_state(one.last_state)}"
    yield f"  Ready:    {'yes' if one.ready else 'no'}"
    yield f"  Restarts: {one.restart_count}"


def _state(state: ContainerState) -> str:
    if state.running:
        return f"running since {state.running.started_at}"
    if state.terminated:
        ended = state.terminated
        text = f"ended with {ended.exit_code}, {ended.reason}, {ended.finished_at} {ended.message}"
    elif state.waiting:
        text = f"waiting, {state.waiting.reason} {state.waiting.message}"
    else:
        text = "unknown"
    return printable(text.strip(), LONGEST)


def _event(event: Event, now: float) -> tuple[str, ...]:
    return age(now - event.last), event.type, event.reason, str(event.count), printable(event.message, LONGEST)


def _since(stamp: str, now: float) -> str:
    try:
        return age(now - datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return ""


def _listed(text: str, form: type[T]) -> tuple[T, ...]:
    return decode(text.encode(), tuple[form, ...], ()) if text else ()  # type: ignore[valid-type]
