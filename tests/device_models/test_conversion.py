"""Conversion: the fixed order, its inverse, and what is impossible."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from device_models import Conversion
from device_models.conversion import apply, invert

SCALES = st.floats(1e-3, 1e3).map(lambda scale: round(scale, 4)).filter(bool)
OFFSETS = st.floats(-1e4, 1e4).map(lambda offset: round(offset, 4))


def test_the_order_is_mask_shift_base_scale_offset() -> None:
    conversion = Conversion(mask=0x0FF0, shift=4, base=2, scale=10, offset=-1)
    assert apply(conversion, 0xF03F) == 2**3 * 10 - 1
    assert invert(conversion, 79) == 0x0030


def test_integers_stay_exact() -> None:
    large = 2**62 + 1
    assert apply(Conversion(offset=1), large) == large + 1
    assert invert(Conversion(scale=2), 2 * large) == large
    assert isinstance(invert(Conversion(scale=2), 4), int)


def test_without_steps_nothing_changes() -> None:
    assert apply(Conversion(), 7) == invert(Conversion(), 7) == 7
    assert math.isnan(apply(Conversion(scale=2.0), math.nan))


@given(st.integers(-(2**31), 2**32), SCALES, OFFSETS)
def test_scaling_comes_back(raw: int, scale: float, offset: float) -> None:
    conversion = Conversion(scale=scale, offset=offset)
    assert math.isclose(invert(conversion, apply(conversion, raw)), raw, rel_tol=1e-9, abs_tol=1e-6)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 63))
def test_a_bit_field_comes_back(raw: int, mask: int, shift: int) -> None:
    mask = mask >> shift << shift
    conversion = Conversion(mask=mask, shift=shift)
    assert invert(conversion, apply(conversion, raw)) == raw & mask


@given(st.integers(-(2**15), 2**15), st.integers(-16, 0))
def test_a_left_shift_comes_back(raw: int, shift: int) -> None:
    assert invert(Conversion(shift=shift), apply(Conversion(shift=shift), raw)) == raw


@given(st.floats(-50, 50), st.floats(1.1, 20), SCALES)
def test_a_base_comes_back(raw: float, base: float, scale: float) -> None:
    conversion = Conversion(base=base, scale=scale)
    assert math.isclose(invert(conversion, apply(conversion, raw)), raw, rel_tol=1e-6, abs_tol=1e-6)


@given(
    st.integers(0, 2**16 - 1),
    st.sampled_from([0xFFFF, 0x0FF0, 0x00F0]),
    st.sampled_from([0, 4]),
    st.sampled_from([None, 2.0, 10.0]),
    SCALES,
    OFFSETS,
)
def test_all_steps_together_come_back(
    raw: int, mask: int, shift: int, base: float | None, scale: float, offset: float
) -> None:
    conversion = Conversion(mask, shift, base, scale, offset)
    field = (raw & mask) >> shift
    assume(base is None or field < 20)  # beyond that the offset swallows small powers, and large ones overflow
    assume(base is None or base**field * scale > abs(offset) * 1e-9)
    assert invert(conversion, apply(conversion, raw)) == field << shift


@pytest.mark.parametrize(
    ("conversion", "raw", "reason"),
    [
        (Conversion(mask=1), 1.5, "a mask needs an integer, and the raw value is 1.5"),
        (Conversion(shift=1), 1.0, "a shift needs an integer"),
        (Conversion(base=10.0), 400, "10.0 to the power of 400 is too large"),
        (Conversion(base=-2.0), 0.5, "-2.0 cannot be a base"),
        (Conversion(scale=1e300), 1e300, "becomes too large"),
    ],
)
def test_what_cannot_be_applied_is_refused(conversion: Conversion, raw: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        apply(conversion, raw)


@pytest.mark.parametrize(
    ("conversion", "value", "reason"),
    [
        (Conversion(scale=0), 1, "a scale of 0 cannot be undone"),
        (Conversion(base=1.0), 2.0, "cannot be undone as a base"),
        (Conversion(base=2.0), -8, "-8 is no power of 2.0"),
        (Conversion(base=2.0), math.nan, "is no power"),
        (Conversion(mask=0x0F), 20, "20 does not fit under the mask 0xf: it would be 0x14"),
        (Conversion(mask=0xF0, shift=4), 16, "16 does not fit under the mask 0xf0: it would be 0x100"),
        (Conversion(mask=0x0F), -1, "does not fit under the mask"),
        (Conversion(shift=1), math.inf, "inf cannot be written into bits"),
        (Conversion(scale=1e-300), 1e300, "becomes too large"),
    ],
)
def test_what_cannot_be_inverted_is_refused(conversion: Conversion, value: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        invert(conversion, value)
