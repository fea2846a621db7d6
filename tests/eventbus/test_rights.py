"""Which topics a right is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus import topics
from eventbus.rights import Access, access

NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
PLACE = st.tuples(NAME | st.just("*"), NAME | st.just("*")).map("/".join) | st.just("*")
HUB_ONLY = topics.TWIN_CLOUD_UPDATED


def matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(levels) and all(w in ("+", level) for w, level in zip(wanted, levels, strict=True))


def may_publish(given_: Access, device: str, end: str) -> bool:
    return any(matches(each, topics.of_device(device, end)) for each in given_.publish)


def may_hear(given_: Access, topic: str) -> bool:
    return any(matches(each, topic) for each in given_.subscribe)


@pytest.mark.parametrize(
    ("right", "ends"),
    [
        ("read", {topics.TWIN_GET}),
        ("steer", {topics.TWIN_GET, topics.TWIN_DESIRED}),
        ("report", {topics.TWIN_GET, topics.TWIN_DESIRED, topics.TWIN_UPDATE, topics.STATE_UPDATE}),
    ],
)
def test_each_right_includes_those_before(right: str, ends: set[str]) -> None:
    rights = access(**{right: ["line-2/press"]})
    assert {r for r in topics.Request if may_publish(rights, "line-2/press", r)} == ends
    assert may_hear(rights, topics.of_device("line-2/press", topics.TWIN_DELTA))
    assert not any(
        may_publish(rights, other, end) for end in ends for other in ("line-2/saw", "default/press", "press")
    )


@given(place=PLACE, namespace=NAME, name=NAME)
def test_a_place_takes_in_what_it_names_and_nothing_else(place: str, namespace: str, name: str) -> None:
    wanted = ("*/*" if place == "*" else place).split("/")
    inside = wanted[0] in ("*", namespace) and wanted[1] in ("*", name)
    rights = access(report=[place])
    for end in topics.Request:
        if end in (topics.MEMBERSHIP_GET, HUB_ONLY):
            continue
        assert may_publish(rights, f"{namespace}/{name}", end) == inside
        default = wanted[0] in ("*", "default") and wanted[1] in ("*", name)
        assert may_publish(rights, name, end) == default
    assert not may_publish(rights, f"{namespace}/{name}", HUB_ONLY)


def test_only_who_may_read_every_device_asks_which_there_are() -> None:
    asked = topics.of_node("edge-7", topics.MEMBERSHIP_GET)
    assert any(matches(each, asked) for each in access(read=["*"]).publish)
    assert not any(matches(each, asked) for each in access(read=["default/*"]).publish)


def test_snapshots_of_pods_and_node_are_read_with_their_twins() -> None:
    web, node = topics.pod_status("default/web"), topics.node_status()
    assert may_hear(access(read=["default/pod.web"]), web)
    assert not may_hear(access(read=["default/pod.web"]), topics.pod_status("default/other"))
    assert not may_hear(access(read=["default/web"]), web)
    assert may_hear(access(read=["default/*"]), web)
    assert may_hear(access(read=["default/node.edge-7"]), node)
    assert may_hear(access(read=["*"]), node)
    assert not may_hear(access(read=["line-2/*"]), node)
