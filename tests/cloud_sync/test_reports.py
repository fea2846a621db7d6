import json
from contextlib import suppress

import pytest
from hypothesis import given, strategies
from msgspec import Raw

from cloud_sync.reports import BadReport, read_report
from link.message import Message, new_message
from link.resources import Resource, parse
from link.rows import state_update
from twin.documents import DeviceState, MsgTwin, TwinValue, TwinVersion

TWIN = "device/default/pump-01/twin/edge_updated"
STATE = "device/default/pump-01/state/update"


def about(resource: str, content: object) -> tuple[Message, Resource]:
    return new_message("twin", "resource", "update", resource, content), parse(resource)


def test_a_report_as_object_and_as_text_is_the_same() -> None:
    update = {"twin": {"speed": {"actual": {"value": "3"}, "actual_version": {"cloud": 0, "edge": 2}}}}
    expected = {"speed": MsgTwin(actual=TwinValue("3"), actual_version=TwinVersion(0, 2))}
    for content in (update, json.dumps(update)):
        assert read_report(*about(TWIN, content), 5) == (5, "default/pump-01", expected)


def test_a_report_needs_no_versions() -> None:
    change = read_report(*about(TWIN, {"twin": {"speed": {"actual": {"value": "3"}}}}))
    assert change.seq == 0
    assert change.body == {"speed": MsgTwin(actual=TwinValue("3"))}


def test_a_state_report_as_object_and_as_text_is_the_same() -> None:
    state = DeviceState("pump-01", "online", "2026-08-06T08:11:40Z")
    assert read_report(state_update("default/pump-01", state, 1), parse(STATE)).body == state
    content = {"event_id": "s", "timestamp": 1, "device": {"name": "pump-01", "state": "online"}}
    assert read_report(*about(STATE, content)).body == DeviceState("pump-01", "online")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"twin": {"label": None}}, "the twin of label is null"),
        ({"twin": {"a b": {}}}, "a b: The key of twin"),
        ({"twin": {"a": {"actual": {"value": "x" * 65_537}}}}, "a: The value of twin"),
        ({"twin": {"a": {"actual_version": {"cloud": -1, "edge": 0}}}}, "a: a version counts changes"),
        ({"twin": {"a": {"expected_version": {"cloud": 0, "edge": 2**60}}}}, "a: a version counts changes"),
        ({"twin": {f"p{i}": {} for i in range(2_001)}}, "2,001 properties"),
        (None, "twin"),
        ([], "object"),
        ("hello", "JSON"),
        ({"twin": None}, "twin"),
        ({"twin": {"a": 5}}, "object"),
    ],
)
def test_what_is_no_report_is_refused_with_a_reason(content: object, reason: str) -> None:
    with pytest.raises(BadReport, match=reason):
        read_report(*about(TWIN, content))


@pytest.mark.parametrize("device", [{"name": "x" * 300, "state": "online"}, {"name": "x"}, None, "x"])
def test_a_bad_state_is_refused(device: object) -> None:
    with pytest.raises(BadReport):
        read_report(*about(STATE, {"event_id": "s", "timestamp": 1, "device": device}))


def test_what_is_about_something_else_is_no_report() -> None:
    with pytest.raises(BadReport, match="no report"):
        read_report(*about("default/device/pump-01", {}))


@given(strategies.binary(max_size=60), strategies.sampled_from([TWIN, STATE]))
def test_any_content_is_read_or_refused(content: bytes, resource: str) -> None:
    message = new_message("twin", "resource", "update", resource, Raw(content))
    with suppress(BadReport):
        assert read_report(message, parse(resource)).seq == 0
