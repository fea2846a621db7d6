"""Frames in and out, and frames that are meant to hurt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from link import rows
from link.limits import BATCH_MESSAGES, FRAME_BYTES, RESOURCE_CHARACTERS
from link.message import (
    BadFrame,
    Header,
    Message,
    Route,
    content_json,
    decode,
    decode_content,
    encode,
    encode_batch,
    new_message,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
messages = st.builds(
    Message,
    st.builds(Header, texts, texts, st.integers(-(2**63), 2**63 - 1), texts, st.booleans(), texts),
    st.builds(Route, texts, texts, texts, texts, texts),
    st.just(UNSET) | values.map(lambda value: Raw(json.dumps(value, separators=(",", ":")).encode())),
)


def same(one: Message, other: Message) -> bool:
    contents = [known.content if known.content is UNSET else bytes(known.content) for known in (one, other)]
    return (one.header, one.route, contents[0]) == (other.header, other.route, contents[1])


@given(messages)
def test_a_message_comes_back_as_it_was(message):
    frame = encode(message)
    assert frame.endswith(b"\n")
    assert frame.count(b"\n") == 1
    for form in (frame, frame.decode()):
        [back] = decode(form)
        assert same(back, message)


@given(st.lists(messages, min_size=1, max_size=5))
def test_a_batch_comes_back_in_order(batch):
    back = decode(encode_batch(batch))
    assert len(back) == len(batch)
    assert all(same(one, other) for one, other in zip(back, batch, strict=True))


def test_what_is_empty_is_left_out():
    assert encode(new_message("a", "b", "c", "d", msg_id="m", now=5)) == (
        b'{"header":{"msg_id":"m","timestamp":5},"route":{"source":"a","group":"b","operation":"c","resource":"d"}}\n'
    )


def test_a_new_message_has_an_id_of_its_own_and_the_time_of_now():
    one, other = rows.keepalive(), rows.keepalive()
    assert one.header.msg_id != other.header.msg_id
    assert one.header.timestamp > 1_700_000_000_000


# ---- hostile frames

HOSTILE = {
    "nothing": b"",
    "blank": b" \n",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "an empty batch": b"[]",
    "a batch of null": b"[null]",
    "a batch in a batch": b"[[{}]]",
    "not JSON": b"hello",
    "two messages": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "no UTF-8": b'{"route":{"resource":"\xff"}}',
    "no UTF-8 at all": b"\xff\xfe\x00",
    "a lone surrogate": b'{"header":{"msg_id":"\\ud800"}}',
    "a lone surrogate in the content": b'{"content":"\\ud800"}',
    "a lone surrogate in a str": '{"content":"\ud800"}',
    "a null header": b'{"header":null}',
    "a list as route": b'{"route":[]}',
    "a null id": b'{"header":{"msg_id":null}}',
    "a number as id": b'{"header":{"msg_id":1}}',
    "a text as time": b'{"header":{"timestamp":"1"}}',
    "a fraction as time": b'{"header":{"timestamp":1.5}}',
    "an endless time": b'{"header":{"timestamp":1e999}}',
    "a time past 64 bits": b'{"header":{"timestamp":9223372036854775808}}',
    "a time of many digits": b'{"header":{"timestamp":' + b"9" * 10_000 + b"}}",
    "a number as sync": b'{"header":{"sync":1}}',
    "NaN": b'{"content":NaN}',
    "NaN as time": b'{"header":{"timestamp":NaN}}',
    "Infinity": b'{"content":-Infinity}',
    "deep lists": b'{"content":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"content":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "deep where nobody looks": b'{"else":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep batches": b"[" * 100_000,
    "a long id": b'{"header":{"msg_id":"' + b"x" * (RESOURCE_CHARACTERS + 1) + b'"}}',
    "a long group": b'{"route":{"group":"' + b"x" * (RESOURCE_CHARACTERS + 1) + b'"}}',
    "a huge frame": b'{"content":"' + b"x" * FRAME_BYTES + b'"}',
    "a huge batch": b"[" + b"{}," * BATCH_MESSAGES + b"{}]",
}


@pytest.mark.parametrize("frame", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_frame_is_a_bad_frame(frame):
    with pytest.raises(BadFrame) as refused:
        decode(frame)
    assert len(str(refused.value)) < 300


@given(messages, st.data())
def test_a_frame_cut_at_any_byte_is_a_bad_frame(message, data):
    frame = encode(message).rstrip(b"\n")
    end = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(BadFrame):
        decode(frame[:end])


def test_a_batch_cut_at_any_byte_is_a_bad_frame():
    frame = encode_batch([rows.keepalive(), rows.edge_updated("default/pömp", '{"x":null}', 1)]).rstrip(b"\n")
    for end in range(len(frame)):
        with pytest.raises(BadFrame):
            decode(frame[:end])


@given(st.binary(max_size=60) | st.text(max_size=60) | values.map(json.dumps))
def test_anything_at_all_is_messages_or_a_bad_frame(frame):
    try:
        messages = decode(frame)
    except BadFrame:
        return
    for message in messages:
        for form in (object, dict, list[str], str):
            try:
                decode_content(message, form)
            except BadFrame:
                continue


# ---- content


def test_a_text_that_holds_json_is_read_as_that_json():
    as_object = Message(content=Raw(b'{"a":[1]}'))
    as_text = Message(content=Raw(b'"{\\"a\\":[1]}"'))
    assert decode_content(as_object) == decode_content(as_text) == {"a": [1]}
    assert content_json(as_object) == content_json(as_text) == b'{"a":[1]}'
    assert decode_content(as_text, str) == '{"a":[1]}'


@pytest.mark.parametrize(
    "content",
    [
        b'"plain"',
        b'"\\ud800"',
        b'"\xff"',
        b"1e999",
        b"9" * 10_000,
        b'"' + b"[" * 100_000 + b'"',
        b'"\\"[]\\""',
        b"null",
        b"[1]",
    ],
)
def test_hostile_content_is_a_bad_frame_that_names_its_resource(content):
    message = Message(route=Route(resource="default/device/pump-01"), content=Raw(content))
    with pytest.raises(BadFrame, match="default/device/pump-01"):
        decode_content(message, dict[str, int])


def test_no_content_is_a_bad_frame():
    for form in (str, dict):
        with pytest.raises(BadFrame, match="no content"):
            decode_content(Message(), form)
