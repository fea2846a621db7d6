"""What is sent, with the value in its place and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.serial.template import Template, pattern


@pytest.mark.parametrize(
    ("text", "value", "sent"),
    [
        ("SET {value}", 21, b"SET 21"),
        ("SET {value:.1f}", 21, b"SET 21.0"),
        ("SET {value:05d}", 21.4, b"SET 00021"),
        ("SET {value:04X}", 255, b"SET 00FF"),
        ("SET {value:+.2e}", 1234.5, b"SET +1.23e+03"),
        ("OUT {value:d}", True, b"OUT 1"),
        ("OUT {value}", False, b"OUT 0"),
        ("NAME {value:s}", "pump", b"NAME pump"),
        ("#{address}:{value:.0f};", 7.4, b"#07:7;"),
        ("{{{value}}}", 1, b"{1}"),
        ("SI", 0, b"SI"),
        ("\x01\x10{value:int16 little}", -2, b"\x01\x10\xfe\xff"),
        ("{value:float32}", 21.5, b"\x41\xac\x00\x00"),
        ("{value:uint24}", 3.6, b"\x00\x00\x04"),
        ("{value:text:4}", "ab", b"ab\x00\x00"),
        ("{value:bytes:2}", b"\x00\x01", b"\x00\x01"),
    ],
)
def test_messages(text: str, value: Any, sent: bytes) -> None:
    assert Template(text, "07").render(value) == sent


@pytest.mark.parametrize(
    "text",
    [
        "{value", "value}", "{}", "{0}", "{value.__class__}", "{value[0]}", "{value!r}", "{other}", "{value:{value}}",
        "{value:>999999999d}", "{value:.999f}", "{value:zz}", "{address:x}", "{value:int12}", "\u20ac",
    ],
)  # fmt: skip
def test_nothing_else_is_looked_up(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|is no format|are no bytes"):
        Template(text, "07")


def test_an_address_must_be_there() -> None:
    with pytest.raises(ValueError, match=r"needs address in protocol.configData"):
        Template("{address}?")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{value:d}", "x"),
        ("{value:.1f}", "x"),
        ("{value:d}", float("nan")),
        ("{value:d}", float("inf")),
        ("{value:uint8}", 256),
        ("{value:uint8}", -1),
        ("{value:int8}", float("nan")),
        ("{value:float32}", 1e300),
        ("{value:text:2}", "abc"),
        ("{value:int8}", "a"),
        ("NAME {value}", "a\r\nDELETE ALL"),
        ("NAME {value}", "a\x03"),
        ("NAME {value}", "\u20ac"),
    ],
)
def test_values_that_cannot_be_sent(text: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Template(text).render(value)


@given(st.text(max_size=40))
def test_any_text_is_a_template_or_a_value_error(text: str) -> None:
    try:
        Template(text, "1").render(1)
    except ValueError:
        return


@given(
    st.one_of(st.floats(), st.integers(), st.text(), st.binary(), st.booleans()),
    st.sampled_from(
        ["{value}", "{value:.1f}", "{value:d}", "{value:x}", "{value:int16}", "{value:float16}", "{value:text:3}"]
    ),
)
def test_any_value_is_sent_or_refused(value: Any, text: str) -> None:
    try:
        sent = Template(text).render(value)
    except ValueError:
        return
    assert b"\r" not in sent or text.endswith(("16}", "text:3}"))


def test_an_address_in_a_pattern_is_text() -> None:
    assert pattern("^{address}:", "1.").search("1.:x")
    assert not pattern("^{address}:", "1.").search("12:x")
    assert pattern(r"\d{2}").search("12")
