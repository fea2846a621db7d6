from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.modbus.codec import ORDERS, Format, Order, bit_decoder, decoder, swap

RANGES = {("int", n): (-(2 ** (16 * n - 1)), 2 ** (16 * n - 1) - 1) for n in (1, 2, 4)}
RANGES |= {("uint", n): (0, 2 ** (16 * n) - 1) for n in (1, 2, 4)}
ORDER = st.sampled_from(ORDERS)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Format, int | float]:
    if draw(st.booleans()):
        count = draw(st.sampled_from([2, 4]))
        value = draw(st.floats(width=32 if count == 2 else 64, allow_nan=False))
        return Format("float", count, draw(ORDER)), value
    kind, count = draw(st.sampled_from(sorted(RANGES)))
    return Format(kind, count, draw(ORDER)), draw(st.integers(*RANGES[kind, count]))  # type: ignore[arg-type]


@given(numbers())
def test_numbers_come_back_as_they_were_written(case: tuple[Format, int | float]) -> None:
    form, value = case
    if isinstance(value, float) and math.isinf(value):
        assert form.decode(form.encode(value)) == value
        return
    data = form.encode(value)
    assert len(data) == 2 * form.count
    assert form.decode(data) == value


@given(ORDER, st.binary(max_size=10).filter(lambda raw: not raw.endswith(b"\0")))
def test_bytes_come_back_as_they_were_written_in_every_order(order: Order, raw: bytes) -> None:
    form = Format("bytes", 5, order)
    assert form.decode(form.encode(raw)) == raw.ljust(10, b"\0")


@given(ORDER, st.text(max_size=3))
def test_text_comes_back_without_its_padding(order: Order, text: str) -> None:
    form = Format("string", 6, order)
    assert form.decode(form.encode(text)) == text.rstrip("\0 ")


@pytest.mark.parametrize(
    ("order", "wire"), [("ABCD", "0a0b0c0d"), ("DCBA", "0d0c0b0a"), ("BADC", "0b0a0d0c"), ("CDAB", "0c0d0a0b")]
)
def test_an_order_names_the_bytes_on_the_wire(order: Order, wire: str) -> None:
    assert Format("uint", 2, order).decode(bytes.fromhex(wire)) == 0x0A0B0C0D
    assert Format("uint", 2, order).encode(0x0A0B0C0D).hex() == wire


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "0102030405060708"),
        ("DCBA", "0807060504030201"),
        ("BADC", "0201040306050807"),
        ("CDAB", "0708050603040102"),
    ],
)
def test_64_bits_follow_the_same_rule(order: Order, wire: str) -> None:
    assert Format("uint", 4, order).decode(bytes.fromhex(wire)) == 0x0102030405060708
    assert Format("bytes", 4, order).decode(bytes.fromhex(wire)) == bytes.fromhex("0102030405060708")


@pytest.mark.parametrize(("order", "value"), [("ABCD", 258), ("CDAB", 258), ("BADC", 513), ("DCBA", 513)])
def test_one_register_has_only_bytes_to_swap(order: Order, value: int) -> None:
    assert Format("uint", 1, order).decode(b"\x01\x02") == value


def test_a_known_float() -> None:
    assert Format("float", 2, "CDAB").decode(bytes.fromhex("999a41a9")) == pytest.approx(21.2, rel=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 20), numbers()), min_size=1, max_size=12), st.binary(min_size=48, max_size=48)
)
def test_a_block_decodes_like_its_parts_alone(parts: list[tuple[int, tuple[Format, float]]], data: bytes) -> None:
    asked = [(register, form) for register, (form, _) in parts]
    together = decoder(asked, len(data))(data)
    for value, (register, form) in zip(together, asked, strict=True):
        alone = form.decode(data[2 * register : 2 * (register + form.count)])
        assert struct.pack(">d", value) == struct.pack(">d", alone)


@given(st.integers(0, 65535), st.integers(0, 15), st.booleans())
def test_single_bits_of_a_register(word: int, bit: int, truth: bool) -> None:
    value = Format("bit", 1, bit=bit, truth=truth).decode(word.to_bytes(2, "big"))
    assert value == bool(word >> bit & 1)
    assert type(value) is (bool if truth else int)


def test_many_bits_of_one_register_and_the_register_itself() -> None:
    parts = [(0, Format("bit", 1, bit=bit)) for bit in range(16)] + [(0, Format("uint", 1))]
    assert decoder(parts, 2)(b"\x80\x01") == [1, *[0] * 14, 1, 0x8001]


def test_a_truth_is_anything_but_zero() -> None:
    assert Format("uint", 1, truth=True).decode(b"\x01\x00") is True
    assert Format("uint", 1, truth=True).decode(b"\x00\x00") is False
    assert Format("uint", 1, truth=True).encode(True) == b"\x00\x01"


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 5))
def test_coils_are_packed_lowest_first(bits: list[bool], count: int) -> None:
    data = sum(bit << place for place, bit in enumerate(bits)).to_bytes((len(bits) + 7) // 8, "little")
    decode = bit_decoder([(place, 1, True) for place in range(len(bits))])
    assert decode(data) == bits
    [number] = bit_decoder([(0, min(count, len(bits)), False)])(data)
    assert number == sum(bit << place for place, bit in enumerate(bits[:count]))


@pytest.mark.parametrize(
    ("form", "value", "words"),
    [
        (Format("uint", 1), 70000, "does not fit into a uint of 16 bits"),
        (Format("uint", 1), -1, "does not fit"),
        (Format("int", 1), 40000, "does not fit"),
        (Format("float", 2), 1e300, "does not fit into a float of 32 bits"),
        (Format("uint", 1), math.nan, "no number"),
        (Format("uint", 1), math.inf, "no number"),
        (Format("string", 1), "abc", "3 bytes do not fit into 1 registers"),
    ],
)
def test_what_does_not_fit_is_refused(form: Format, value: float | str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        form.encode(value)


def test_a_fraction_of_a_step_goes_to_the_nearest() -> None:
    assert Format("uint", 1).encode(212.99999999999997) == b"\x00\xd5"
    assert Format("uint", 1).encode(213.4) == b"\x00\xd5"


def test_registers_without_text_are_an_error_and_cost_the_others_nothing() -> None:
    values = decoder([(0, Format("string", 1)), (1, Format("uint", 1))], 4)(b"\xff\xfe\x00\x07")
    assert isinstance(values[0], ValueError)
    assert values[1] == 7
    with pytest.raises(ValueError, match="no text"):
        Format("string", 1).decode(b"\xff\xfe")


def test_impossible_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="a float cannot have 1 registers"):
        Format("float", 1)


@given(st.binary(max_size=20).filter(lambda raw: len(raw) % 2 == 0))
def test_swapping_twice_changes_nothing(data: bytes) -> None:
    assert swap(swap(data)) == data
