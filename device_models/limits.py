"""What a property allows: the declared type, limits and access mode, as sentences for people."""

from __future__ import annotations

from device_models import values
from device_models.model import DataType, Property

__all__ = ["refusal", "remark"]

_LONGEST_SHOWN = 40
_NUMBERS = frozenset({DataType.INT, DataType.FLOAT, DataType.DOUBLE})
_ANY_TEXT = frozenset({DataType.STRING, DataType.STREAM})


def refusal(prop: Property, text: str) -> str | None:
    """Why this desired value may not be set, or None when it may."""
    if not prop.writable:
        return "the property is read-only"
    return remark(prop, text)


def remark(prop: Property, text: str) -> str | None:
    """Why this reading is doubtful, by its type or its limits, or None when it is not."""
    if prop.type in _ANY_TEXT:
        return None
    try:
        value = values.parse(prop.type, text)
    except ValueError as reason:
        return str(reason)
    if prop.minimum is None and prop.maximum is None:
        return None
    return _outside(prop, value, text) if prop.type in _NUMBERS else None


def _outside(prop: Property, value: values.Value, text: str) -> str | None:
    assert isinstance(value, int | float)
    if value != value:
        return f"{text} is not within limits"
    if prop.minimum is not None and value < prop.minimum:
        return f"{_with_unit(text, prop)} is below the minimum of {_with_unit(f'{prop.minimum:.15g}', prop)}"
    if prop.maximum is not None and value > prop.maximum:
        return f"{_with_unit(text, prop)} is above the maximum of {_with_unit(f'{prop.maximum:.15g}', prop)}"
    return None


def _with_unit(number: str, prop: Property) -> str:
    number = number if len(number) <= _LONGEST_SHOWN else f"{number[:_LONGEST_SHOWN]}…"
    return f"{number} {prop.unit}" if prop.unit else number
