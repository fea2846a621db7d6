"""What it means on the bus to read, steer or report a device: the topics each of them takes. Pure.

A place is `<namespace>/<name>`, either of which may be `*`, or `*` alone for every device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventbus import topics
from eventbus.topics import MEMBERSHIP_GET, MEMBERSHIP_GET_RESULT, MEMBERSHIP_UPDATED

__all__ = ["EVERYTHING", "Access", "access"]

_READ = (topics.TWIN_GET,)
_STEER = (topics.TWIN_DESIRED,)
_REPORT = (topics.TWIN_UPDATE, topics.STATE_UPDATE)
_HEAR = (topics.TWIN_RESULT, topics.TWIN_DOCUMENT, topics.TWIN_DELTA, topics.TWIN_GET_RESULT, topics.STATE_RESULT)
_ANY = "+"


class Access(NamedTuple):
    """The topic filters a client may publish to, and those it may hear."""

    publish: frozenset[str]
    subscribe: frozenset[str]


EVERYTHING = Access(frozenset({"#", "$hw/#"}), frozenset({"#", "$hw/#"}))


def access(read: Iterable[str] = (), steer: Iterable[str] = (), report: Iterable[str] = ()) -> Access:
    """The topics of somebody who may read, steer (which includes to read) and report (which includes both) these
    places. Who may read every device may also ask which there are."""
    reports = [_levels(place) for place in report]
    steers = [*map(_levels, steer), *reports]
    reads = [*map(_levels, read), *steers]
    publish = {*_of(reads, _READ), *_of(steers, _STEER), *_of(reports, _REPORT)}
    subscribe = {*_of(reads, _HEAR), *_snapshots(reads)}
    if (_ANY, _ANY) in reads:
        publish.add(topics.of_node(_ANY, MEMBERSHIP_GET))
        subscribe |= {topics.of_node(_ANY, end) for end in (MEMBERSHIP_GET_RESULT, MEMBERSHIP_UPDATED)}
    return Access(frozenset(publish), frozenset(subscribe))


def _levels(place: str) -> tuple[str, str]:
    namespace, _, name = ("*/*" if place == "*" else place).replace("*", _ANY).partition("/")
    return namespace, name


def _of(places: Iterable[tuple[str, str]], ends: Iterable[str]) -> Iterator[str]:
    for namespace, name in places:
        forms = [f"{namespace}/{name}"] + [name] * (namespace in ("default", _ANY))
        yield from (topics.of_device(form, end) for form in forms for end in ends)


def _snapshots(places: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What is retained of the pods and the node whose twins these are."""
    for namespace, name in places:
        if name == _ANY or name.startswith("pod."):
            yield topics.pod_status(f"{namespace}/{name.removeprefix('pod.')}")
        if namespace in ("default", _ANY) and (name == _ANY or name.startswith("node.")):
            yield topics.node_status()
