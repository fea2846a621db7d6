"""Values as text and back: on the wire and in the journal every value is text, whatever its declared type.

What counts as an integer or a float is Go's grammar, because KubeEdge's clients were written against it; only
the underscores that it allows between the digits of a float are refused, as no other reader knows them.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from device_models.model import DataType

__all__ = ["Value", "check", "parse", "to_text"]

Value = bool | int | float | str | bytes

NOT_INT = "the value is not int or integer"
NOT_FLOAT = "the value is not float"
NOT_BOOLEAN = "the bool value must be true or false"
NOT_BYTES = "the value is not base64"

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_INT = re.compile(r"[+-]?0*([0-9]{1,19})", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+", re.ASCII)
_NOT_FINITE = re.compile(r"[nN][aA][nN]|[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?", re.ASCII)
_FLOAT32 = struct.Struct("<f")


def check(type: DataType, text: str) -> None:  # noqa: A002
    """Raise ValueError, with KubeEdge's words as the reason, when the text is no value of the type."""
    _PARSERS[type](text)


def parse(type: DataType, text: str) -> Value:  # noqa: A002
    """The value that the text stands for; ValueError with a reason when it stands for none."""
    return _PARSERS[type](text)


def to_text(type: DataType, value: Any) -> str:  # noqa: A002
    """The text of a value.

    INT is decimal, a fraction rounded to the nearest; FLOAT has as few digits as give the same 32-bit float
    again, DOUBLE the same 64-bit float, both with a point or an exponent (`21.0`); BOOLEAN is `true` or
    `false`; BYTES is base64. ValueError when the value does not fit the type.
    """
    return _WRITERS[type](value)


def _parse_int(text: str) -> int:
    match = _INT.fullmatch(text)
    if match is None:
        raise ValueError(NOT_INT)
    number = -int(match[1]) if text[0] == "-" else int(match[1])
    if not _INT64_MIN <= number <= _INT64_MAX:
        raise ValueError(NOT_INT)
    return number


def _parse_float(text: str) -> float:
    if _DECIMAL.fullmatch(text):
        number = float(text)
    elif _NOT_FINITE.fullmatch(text):
        return float(text)
    elif _HEXADECIMAL.fullmatch(text):
        number = _from_hexadecimal(text)
    else:
        raise ValueError(NOT_FLOAT)
    if math.isinf(number):  # too large for 64 bits: Go calls it out of range
        raise ValueError(NOT_FLOAT)
    return number


def _from_hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError(NOT_FLOAT) from error


def _parse_boolean(text: str) -> bool:
    if text == "true":
        return True
    if text == "false":
        return False
    raise ValueError(NOT_BOOLEAN)


def _parse_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(NOT_BYTES) from error


def _write_int(value: Any) -> str:
    if type(value) is not int:
        value = _rounded(value)
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"{value} does not fit into 64 bits")
    return str(value)


def _rounded(value: Any) -> int:
    try:
        number: int = round(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise ValueError(f"{value!r} is not a number that could be rounded to an integer") from error
    return number


def _write_float(value: Any) -> str:
    value = _as_float(value)
    text = repr(value)
    if len(text) < 8 and "e" not in text:  # at most six digits: they are exact in 32 bits already
        return text
    return _shortest_float32(value)


def _shortest_float32(value: float) -> str:
    try:
        packed = _FLOAT32.pack(value)
    except OverflowError as error:
        raise ValueError(f"{value!r} does not fit into a 32-bit float") from error
    for digits in (".6g", ".7g", ".8g"):
        shorter = float(format(value, digits))
        if _FLOAT32.pack(shorter) == packed:
            return repr(shorter)
    return repr(float(format(value, ".9g")))


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a number") from error


def _write_double(value: Any) -> str:
    return repr(_as_float(value))


def _write_boolean(value: Any) -> str:
    return "true" if value else "false"


def _write_bytes(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


_PARSERS: dict[DataType, Callable[[str], Value]] = {
    DataType.INT: _parse_int,
    DataType.FLOAT: _parse_float,
    DataType.DOUBLE: _parse_float,
    DataType.STRING: str,
    DataType.BOOLEAN: _parse_boolean,
    DataType.BYTES: _parse_bytes,
    DataType.STREAM: str,
}

_WRITERS: dict[DataType, Callable[[Any], str]] = {
    DataType.INT: _write_int,
    DataType.FLOAT: _write_float,
    DataType.DOUBLE: _write_double,
    DataType.STRING: str,
    DataType.BOOLEAN: _write_boolean,
    DataType.BYTES: _write_bytes,
    DataType.STREAM: str,
}
