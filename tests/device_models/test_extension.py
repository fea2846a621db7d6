"""The key `twinhub`: conversion and deadband of a property."""

from __future__ import annotations

from typing import Any

import pytest

from device_models import Conversion, DataType, Deadband
from device_models.extension import read


@pytest.mark.parametrize(
    ("data", "conversion", "deadband"),
    [
        ({}, None, None),
        ({"scale": 0.1, "offset": -40}, Conversion(scale=0.1, offset=-40), None),
        ({"mask": 0x0FFF, "shift": 4, "base": 2}, Conversion(mask=0x0FFF, shift=4, base=2), None),
        ({"mask": "4095", "scale": "0.5"}, Conversion(mask=4095, scale=0.5), None),
        ({"deadband": 0.5}, None, Deadband(absolute=0.5)),
        ({"deadband": 0}, None, Deadband(absolute=0)),
        ({"deadband": "1%"}, None, Deadband(percent=1.0)),
        ({"deadband": "2.5 %", "longestSilence": 60}, None, Deadband(percent=2.5, longest_silence=60)),
        ({"longestSilence": "60"}, None, Deadband(longest_silence=60)),
    ],
)
def test_what_it_says(data: dict[str, Any], conversion: Conversion | None, deadband: Deadband | None) -> None:
    extension = read(data, DataType.FLOAT)
    assert extension.findings == ()
    assert (extension.conversion, extension.deadband) == (conversion, deadband)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"scale": 0}, "0 is not allowed; write a number that is not 0"),
        ({"base": 1}, "1 is not allowed; write a number above 0 that is not 1"),
        ({"base": -2}, "-2 is not above 0; write a number above 0 that is not 1"),
        ({"mask": 0}, "0 is below 1; write a whole number above 0, such as 0x0fff"),
        ({"mask": 1.5}, "1.5 is not a whole number; write a whole number above 0, such as 0x0fff"),
        ({"shift": 64}, "64 is above 63; write the bits to shift right, or, if negative, left"),
        ({"deadband": -1}, "-1 is below 0; write a number such as 0.5, or a percentage such as '1%'"),
        ({"deadband": "1"}, "'1' is not possible here; write a number such as 0.5, or a percentage such as '1%'"),
        ({"longestSilence": 0}, "0 is not above 0; write seconds above 0, such as 60"),
        ({"skale": 1}, "this key is not known here; did you mean scale?"),
        ("x", "'x' is not a mapping (key: value); write a mapping (key: value)"),
    ],
)
def test_what_cannot_be(data: Any, sentence: str) -> None:
    (finding,) = read(data, DataType.INT).findings
    assert f"{finding.message}; {finding.advice}" == sentence


@pytest.mark.parametrize(
    ("type_", "data", "wrong"),
    [
        (DataType.BOOLEAN, {"mask": 1, "shift": 3}, []),
        (DataType.BOOLEAN, {"mask": 1, "scale": 2}, ["scale"]),
        (DataType.STRING, {"mask": 1, "deadband": 1, "longestSilence": 5}, ["mask", "deadband"]),
        (DataType.STRING, {"longestSilence": 5}, []),
        (DataType.BYTES, {"offset": 1}, ["offset"]),
    ],
)
def test_what_a_type_cannot_have(type_: DataType, data: dict[str, Any], wrong: list[str]) -> None:
    assert [finding.path for finding in read(data, type_).findings] == [(key,) for key in wrong]
