"""A twin as rows of a table, as `get` and `watch` show it. Pure."""

from __future__ import annotations

import argparse

from twin.documents import MsgTwin, TwinValue, ValueMetadata
from twinhub.text import age

__all__ = ["HEADER", "RIGHT", "device_id", "is_met", "row"]

HEADER = ("PROPERTY", "VALUE", "UNIT", "DESIRED", "QUALITY", "AGE")
RIGHT = ("VALUE", "DESIRED", "AGE")
_NOTHING = TwinValue()
_UNKNOWN = ValueMetadata()


def row(name: str, twin: MsgTwin, now: float) -> tuple[str, ...]:
    """The cells under `HEADER`; `now` in Unix seconds."""
    reported, metadata = _side(twin.actual)
    unit = twin.metadata.unit if twin.metadata else ""
    quality = f"{metadata.quality}: {metadata.reason}" if metadata.reason else metadata.quality
    if reported is None:
        return name, "-", unit, _desired(twin), quality if metadata.reason else "no reading yet", ""
    measured = metadata.sourceTimestamp or metadata.timestamp
    return name, reported, unit, _desired(twin), quality, age(now - measured / 1000) if measured else ""


def is_met(desired: str, reported: str | None) -> bool:
    """Whether the reported value is what was wished, be it written `1500` or `1500.0`."""
    if desired == reported:
        return True
    try:
        return reported is not None and float(desired) == float(reported)
    except ValueError:
        return False


def device_id(text: str) -> str:
    """`pump` and `default/pump` both name default/pump."""
    levels = text.split("/")
    if len(levels) > 2 or not all(levels) or set(text) & set("+#"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a device: write NAME or NAMESPACE/NAME")
    return text if len(levels) == 2 else f"default/{text}"


def _desired(twin: MsgTwin) -> str:
    """The wish, marked while it is open."""
    wish, _ = _side(twin.expected)
    if wish is None:
        return ""
    return wish if is_met(wish, _side(twin.actual)[0]) else f"→ {wish}"


def _side(value: TwinValue | None) -> tuple[str | None, ValueMetadata]:
    value = value or _NOTHING
    return value.value, value.metadata or _UNKNOWN
