"""What one end writes, the other reads; and what is no row's content is a bad frame."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from link import contents, rows
from link.contents import LogLine
from link.message import BadFrame, Message, Route, decode, encode
from link.resources import DECLARED, LOG, Kind, parse
from twin.documents import DeviceState, MemberDevice, MembershipUpdate, MsgTwin, TwinValue, TwinVersion, TypeMetadata

READERS: list[Callable[[Message], object]] = [
    contents.twins,
    contents.state,
    contents.membership,
    contents.manifest,
    contents.declared,
    contents.log_lines,
]


def arrived(message: Message) -> Message:
    [back] = decode(encode(message))
    return back


def test_twins_up_and_down():
    speed = '{"expected":{"value":"5"},"metadata":{"type":"int"},"expected_version":{"cloud":1,"edge":0}}'
    twin = f'{{"speed":{speed},"x":null}}'
    expected = {
        "speed": MsgTwin(TwinValue("5"), metadata=TypeMetadata("int"), expected_version=TwinVersion(1, 0)),
        "x": None,
    }
    up, down = rows.edge_updated("plant/pump", twin, 7, "41"), rows.wishes("plant/pump", twin, 7)
    assert contents.twins(arrived(up)) == contents.twins(arrived(down)) == expected
    assert (up.header.msg_id, up.header.timestamp) == ("41", 7)
    assert parse(up.route.resource) == (Kind.EDGE_UPDATED, "plant", "pump")
    assert parse(down.route.resource) == (Kind.CLOUD_UPDATED, "plant", "pump")


def test_fields_in_another_letter_case_and_unknown_ones_are_no_fault():
    message = Message(content=Raw(b'{"Event_ID":"x","TWIN":{"a":{"Actual":{"value":"1"},"more":1}}}'))
    assert contents.twins(message) == {"a": MsgTwin(actual=TwinValue("1"))}


def test_a_state():
    state = DeviceState("pump", "online", "2026-01-01T00:00:00Z")
    message = arrived(rows.state_update("plant/pump", state, 7, "41"))
    assert contents.state(message) == state
    assert message.header.msg_id == "41"


def test_a_membership():
    update = MembershipUpdate("e", 5, None, [MemberDevice("plant/pump", "pump")])
    assert contents.membership(arrived(rows.membership(update))) == update


def test_what_is_declared_at_the_edge():
    keys = ["Device/plant/pump", "DeviceModel/plant/pump-model"]
    listed = arrived(rows.declared(keys))
    assert contents.declared(listed) == keys
    assert listed.route.resource == DECLARED
    manifest = {"kind": "Device", "metadata": {"name": "pump"}}
    declaration = arrived(rows.declaration(Kind.DEVICE, "plant", "pump", manifest))
    assert contents.manifest(declaration) == manifest
    assert parse(declaration.route.resource) == (Kind.DEVICE, "plant", "pump")


def test_log_lines():
    lines = [LogLine(5, "INFO", "twinhub", "started"), LogLine(6, "ERROR", "mappers", "grün \x00")]
    message = arrived(rows.log_lines(lines))
    assert contents.log_lines(message) == lines
    assert message.route == Route("edgestream", "", "stream", "upload", LOG)


WRONG = [None, b"null", b"1", b'""', b'"x"', b'"\\ud800"', b"1e999", b"[1]", b"9" * 10_000]
WRONG_OBJECTS = [b"{}", b'{"twin":1}', b'{"twin":{"x":1}}', b'{"device":{"state":"online"}}']


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", WRONG)
def test_what_is_no_object_or_list_of_the_row_is_a_bad_frame(read, content):
    with pytest.raises(BadFrame):
        read(Message(content=Raw(content)) if content else Message())


@pytest.mark.parametrize("read", [contents.twins, contents.state, contents.membership])
@pytest.mark.parametrize("content", WRONG_OBJECTS)
def test_an_object_of_another_form_is_a_bad_frame(read, content):
    with pytest.raises(BadFrame):
        read(Message(content=Raw(content)))


@given(st.sampled_from(READERS), st.binary(max_size=80))
def test_any_content_is_read_or_a_bad_frame(read, content):
    with contextlib.suppress(BadFrame):
        read(Message(content=Raw(content)))
