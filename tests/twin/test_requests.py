"""Requests, well-formed and hostile."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin import requests
from twin.documents import MsgTwin, TwinValue, TypeMetadata
from twin.refused import BadRequest


def test_an_update_is_read() -> None:
    update, twin = requests.decode_update(
        b'{"event_id":"e","timestamp":1,"twin":{"a":{"actual":{"value":"1"}},"b":null}}'
    )
    assert update.event_id == "e"
    assert twin == {"a": MsgTwin(actual=TwinValue("1")), "b": None}


def test_letter_case_and_unknown_fields_do_not_matter() -> None:
    payload = b'{"EVENT_ID":"e","x":[1],"Twin":{"A":{"ACTUAL":{"Value":"1","q":2},"MetaData":{"TYPE":"int"},"u":1}}}'
    update, twin = requests.decode_update(payload)
    assert update.event_id == "e"
    assert twin == {"A": MsgTwin(actual=TwinValue("1"), metadata=TypeMetadata("int"))}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"not json",
        b"[]",
        b"42",
        b'"text"',
        b'{"twin":[]}',
        b'{"twin":{"a":"1"}}',
        b'{"twin":{"a":{"actual":"1"}}}',
        b'{"twin":{"a":{"actual":{"value":1}}}}',
        b'{"event_id":17,"twin":{}}',
        b'{"timestamp":"0","twin":{}}',
        b'{"timestamp":0.5,"twin":{}}',
        b'{"timestamp":1e999,"twin":{}}',
        b'{"twin":{"a":{"metadata":{"type":"%s"}}}}' % (b"t" * 129),
        b'{"timestamp":9223372036854775808,"twin":{}}',
        b'{"twin":{"a":{"actual_version":{"cloud":0,"edge":%s}}}}' % (b"9" * 4300),
        b'{"twin":{}} trailing',
        b'\xef\xbb\xbf{"twin":{}}',
        b'{"twin":{"a":{"actual":{"value":"\xff"}}}}',
        b'{"twin":{"a":{"actual":{"value":"\\ud800"}}}}',
        b'{"twin":{"a":' * 50_000,
        b"[" * 100_000,
        b'{"twin":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
    ],
)
def test_what_is_not_the_form_is_a_bad_request(payload: bytes) -> None:
    with pytest.raises(BadRequest, match="please check the request"):
        requests.decode_update(payload)


@pytest.mark.parametrize("payload", [b"null", b"{}", b'{"twin":null}', b'{"event_id":"e"}'])
def test_an_update_without_twin_says_so(payload: bytes) -> None:
    with pytest.raises(BadRequest, match="key:twin does not exist"):
        requests.decode_update(payload)


def test_the_event_id_of_a_bad_request_is_kept_where_it_can_be_read() -> None:
    with pytest.raises(BadRequest) as bad:
        requests.decode_update(b'{"event_id":"mine","twin":{"a":1}}')
    assert bad.value.event_id == "mine"


@pytest.mark.parametrize("payload", [b"null", b"{}", b'{"extra":1}'])
def test_a_get_may_be_empty_json(payload: bytes) -> None:
    assert requests.decode_get(payload) == requests.Get()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["twin", "a", "actual", "value", "metadata", "event_id", "TYPE"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_read_or_refused(value: object) -> None:
    payload = json.dumps(value).encode()
    for decode in (requests.decode_update, requests.decode_get, requests.decode_state):
        try:
            decode(payload)
        except BadRequest as bad:
            assert bad.reason  # noqa: PT017


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for decode in (requests.decode_update, requests.decode_get, requests.decode_state):
        try:
            decode(payload)
        except BadRequest as bad:
            assert bad.reason  # noqa: PT017
