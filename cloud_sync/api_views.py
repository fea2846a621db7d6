"""What the registry and the twins hold, in the forms that operators are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloud_sync import api_forms as forms
from cloud_sync.known_pods import KnownPod
from cloud_sync.node_link import LinkState
from cloud_sync.stored import Condition, NodeEntry, StoredObject
from cloud_sync.twin_log import Latest, LostWish, Reading

__all__ = ["conditions", "device", "link", "lost_wish", "node", "pod", "reading", "source", "twin"]


def conditions(found: Iterable[Condition]) -> list[forms.Condition]:
    return [forms.Condition(one.type, one.message, one.advice) for one in found]


def node(entry: NodeEntry, links: Sequence[LinkState], devices: int) -> forms.Node:
    """`links`: those of this node to this process."""
    return forms.Node(
        entry.name,
        _state(entry),
        entry.since,
        entry.address,
        entry.plain,
        devices,
        int(entry.info.get("not_after", 0) * 1000),
        [link(one) for one in links],
    )


def _state(entry: NodeEntry) -> str:
    if entry.revoked:
        return "revoked"
    if entry.connected:
        return "connected"
    return "away" if entry.since else "never"


def link(state: LinkState) -> forms.Link:
    return forms.Link(
        state.channel,
        state.since,
        state.plain,
        state.address,
        state.sent,
        state.acked,
        state.refused,
        state.queue,
        state.oldest,
    )


def device(stored: StoredObject, latest: Latest | None, found: Iterable[Condition]) -> forms.Device:
    said = latest.state.state if latest and latest.state else ""
    received = latest.received if latest else 0
    model = str(stored.object["spec"]["deviceModelRef"]["name"])
    return forms.Device(stored.id, stored.node, stored.origin, model, said, received, conditions(found))


def twin(
    stored: StoredObject, latest: Latest | None, found: Iterable[Condition], lost: Iterable[LostWish] = ()
) -> forms.Twin:
    return forms.Twin(
        stored.id,
        stored.node,
        dict(latest.twin) if latest else {},
        latest.received if latest else 0,
        sorted(latest.unmet) if latest else [],
        [lost_wish(one) for one in lost],
        conditions(found),
    )


def pod(known: KnownPod, latest: Latest | None, found: list[forms.Condition], *, confirmed: bool) -> forms.Pod:
    """`latest`: its twin; what another node reported, where the pod was before, is left out."""
    values, received = {}, 0
    if latest is not None and latest.node == known.node:
        said = {name: one.actual.value for name, one in latest.twin.items() if one.actual}
        values, received = {name: value for name, value in said.items() if value is not None}, latest.received
    return forms.Pod(known.id, known.node, known.declared, confirmed, values, received, found)


def source(stored: StoredObject, users: Iterable[StoredObject]) -> forms.Source:
    """A ConfigMap or Secret and the pods that name it."""
    keys = {key for part in ("data", "binaryData") for key in stored.object.get(part) or ()}
    pods = list(users)
    return forms.Source(
        stored.id, len(keys), [one.id for one in pods], sorted({one.node for one in pods if one.node})
    )


def lost_wish(lost: LostWish) -> forms.LostWish:
    return forms.LostWish(lost.property, lost.wanted, lost.kept, lost.at)


def reading(one: Reading) -> forms.Reading:
    return forms.Reading(one.time, one.source_time, one.quality, one.value, one.reason)
