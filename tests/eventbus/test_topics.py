from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventbus import topics
from eventbus.topics import Address, Request

LEVEL = st.text(min_size=1, max_size=12).filter(lambda text: "/" not in text)
DEVICE_REQUESTS = [r for r in Request if r is not Request.MEMBERSHIP_GET]
ENDS = [
    topics.TWIN_RESULT,
    topics.TWIN_DOCUMENT,
    topics.TWIN_DELTA,
    topics.TWIN_GET_RESULT,
    topics.STATE_RESULT,
    topics.MEMBERSHIP_UPDATED,
    *DEVICE_REQUESTS,
]


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT's rule for `+`, the only wildcard that the hub uses."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(levels) and all(w in ("+", level) for w, level in zip(wanted, levels, strict=True))


@pytest.mark.parametrize("request_", DEVICE_REQUESTS)
@given(namespace=LEVEL, name=LEVEL)
def test_two_level_request_and_back(request_: Request, namespace: str, name: str) -> None:
    topic = topics.of_device(f"{namespace}/{name}", request_)
    address = topics.parse(topic)
    assert address == Address(request_, f"{namespace}/{name}", topic.removesuffix(request_))
    assert topics.device_of(topic, request_) == f"{namespace}/{name}"


@pytest.mark.parametrize("request_", DEVICE_REQUESTS)
@given(name=LEVEL)
def test_one_level_request_is_of_the_default_namespace_and_answered_on_its_own_form(
    request_: Request, name: str
) -> None:
    address = topics.parse(f"$hw/events/device/{name}/{request_}")
    assert address == Address(request_, f"default/{name}", f"$hw/events/device/{name}/")


@given(node=LEVEL)
def test_membership_request_and_back(node: str) -> None:
    topic = topics.of_node(node, topics.MEMBERSHIP_GET)
    assert topics.parse(topic) == Address(Request.MEMBERSHIP_GET, node, f"$hw/events/node/{node}/")


@given(namespace=LEVEL, name=LEVEL)
def test_every_request_is_subscribed_exactly_once(namespace: str, name: str) -> None:
    asked = [topics.of_device(f"{namespace}/{name}", r) for r in DEVICE_REQUESTS]
    asked += [topics.of_device(name, r) for r in DEVICE_REQUESTS]
    asked.append(topics.of_node(name, topics.MEMBERSHIP_GET))
    for topic in asked:
        assert sum(matches(f, topic) for f in topics.REQUEST_FILTERS) == 1


@given(topic=st.text(max_size=60) | st.lists(st.sampled_from(["$hw", "events", "device", "node", "", "a", "twin",
       "update", "get", "state", "membership", "result", "+"]), max_size=9).map("/".join))  # fmt: skip
def test_what_is_parsed_is_also_subscribed(topic: str) -> None:
    address = topics.parse(topic)
    if address is not None:
        assert any(matches(f, topic) for f in topics.REQUEST_FILTERS)
        assert topic == address.prefix + address.request
        assert all(address.subject.split("/"))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "$hw/events/device/",
        "$hw/events/device/twin/update",
        "$hw/events/device//twin/update",
        "$hw/events/device/a//twin/update",
        "$hw/events/device//b/twin/update",
        "$hw/events/device/a/b/c/twin/update",
        "$hw/events/device/a/b/twin/update/result",
        "$hw/events/device/a/b/membership/get",
        "$hw/events/node//membership/get",
        "$hw/events/node/a/b/membership/get",
        "$hw/events/node/a/twin/update",
        "hw/events/device/a/b/twin/update",
    ],
)
def test_what_the_hub_does_not_answer(topic: str) -> None:
    assert topics.parse(topic) is None


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("$hw/events/device/device/twin/twin/update", "device/twin"),
        ("$hw/events/device/twin/update/twin/update", "twin/update"),
        ("$hw/events/device/node/state/update", "default/node"),
        ("$hw/events/node/node/membership/get", "node"),
        ("$hw/events/node/membership/membership/get", "membership"),
    ],
)
def test_names_may_be_words_of_the_topics(topic: str, subject: str) -> None:
    address = topics.parse(topic)
    assert address is not None
    assert address.subject == subject


@pytest.mark.parametrize("end", ENDS)
@given(namespace=LEVEL, name=LEVEL, other=LEVEL)
def test_device_of_is_the_inverse_of_of_device(end: str, namespace: str, name: str, other: str) -> None:
    assert topics.device_of(topics.of_device(f"{namespace}/{name}", end), end) == f"{namespace}/{name}"
    assert topics.device_of(f"$hw/events/device/{name}/{end}", end) is None
    assert topics.device_of(f"$hw/events/device/{namespace}/{name}/{other}/{end}", end) is None
    assert topics.device_of(topics.of_node(name, end), end) is None
