"""One spelling for what others write in many."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from msgspec import Struct

from mappers.spelling import Spelling, parity_word, timeout_word


class Inner(Struct):
    size: int


class Form(Struct, rename="camel", kw_only=True):
    host_name: str = ""
    speed: int = 1
    inner: Inner | None = None


SPELLING = Spelling(Form, {"ip": "hostName"}, frozenset({"tcp", "common"}), frozenset({"colour"}))


@pytest.mark.parametrize(
    ("raw", "tidy"),
    [
        ({"hostName": "a", "speed": 2}, {"hostName": "a", "speed": 2}),
        ({"HOSTNAME": "a"}, {"hostName": "a"}),
        ({"Ip": "a", "colour": "red", "speed": None}, {"hostName": "a"}),
        ({"common": {"tcp": {"IP": "a"}}, "speed": "3"}, {"hostName": "a", "speed": "3"}),
        ({"ip": "a", "hostname": "a"}, {"hostName": "a"}),
        ({"inner": {"size": 1}}, {"inner": {"size": 1}}),
        ({"other": 1}, {"other": 1}),
    ],
)
def test_everything_is_put_into_our_spelling(raw: dict[str, Any], tidy: dict[str, Any]) -> None:
    assert SPELLING.tidy(raw) == tidy


def test_two_spellings_of_one_field_must_agree() -> None:
    with pytest.raises(ValueError, match="hostName is said twice, as 'a' and as 'b'"):
        SPELLING.tidy({"ip": "a", "tcp": {"hostName": "b"}})


@pytest.mark.parametrize(
    ("raw", "valid"),
    [
        ({"hOsTnAmE": "a", "speed": "7", "inner": {"size": 1}}, True),
        ({"ip": "a", "tcp": {}, "colour": ["any"]}, True),
        ({"speed": [1]}, False),
        ({"other": 1}, False),
    ],
)
def test_the_schema_takes_what_tidy_takes(raw: dict[str, Any], valid: bool) -> None:
    assert Draft202012Validator(SPELLING.schema()).is_valid(raw) == valid


@pytest.mark.parametrize(
    ("written", "seconds"), [(1, 1), (60, 60), (1500, 1.5), (2_000_000_000, 2.0), ("1500", "1500"), (True, True)]
)
def test_timeouts_in_three_units(written: Any, seconds: Any) -> None:
    assert timeout_word(written) == seconds


@pytest.mark.parametrize(("written", "word"), [("E", "even"), ("None", "none"), ("odd", "odd"), (1, 1)])
def test_parities(written: Any, word: Any) -> None:
    assert parity_word(written) == word
