"""One property on its way up: raw value → conversion → text → quality → is it worth a report? No I/O.

A failed read becomes a change of quality, said once; it never becomes a value and never a fresh time.
"""

from __future__ import annotations

import math
from typing import Any

from device_models.conversion import apply, invert
from device_models.deadband import is_worth_reporting
from device_models.limits import remark
from device_models.model import Conversion, DataType
from device_models.values import to_text
from eventbus.device_side import Reading
from mappers.mapper import Failure, Point, Raw, Sample, Value

TOLERANCE = 1e-6
"""Relative; a number this close to a wish is the wish: what a 32-bit float or a scaled register can tell apart."""
LARGEST_TEXT = 64 * 1024
"""Bytes of a value, as far as a hub takes them unless told otherwise. It refuses a report as a whole: one value that
is too long, or no text, would silence all others of its device."""
LATEST_TIME = 253_370_764_800_000
"""The year 9999 in Unix milliseconds: OPC-UA's word for no time, and beyond any calendar here."""
LONGEST_REASON = 500
"""Characters; libraries quote whole values in their errors, and a hub takes no reason of any length."""


class Channel:
    """`accept` what was read or `fail`; both give the reading to report, or None when there is nothing to say."""

    __slots__ = (
        "_conversion",
        "_deadband",
        "_last_time",
        "_last_value",
        "_limited",
        "_maximum",
        "_minimum",
        "_property",
        "_sample",
        "_type",
        "_wish",
        "_wish_text",
        "name",
        "point",
        "quality",
        "reason",
        "text",
    )

    def __init__(self, point: Point[Any, Any], conversion: Conversion | None) -> None:
        prop = point.property
        self.point = point
        self.name = prop.name
        self.text: str | None = None
        """The value last reported."""
        self.quality = ""
        """The quality last reported; empty before the first."""
        self.reason = ""
        self._property = prop
        self._type = prop.type
        self._conversion = conversion
        self._deadband = prop.deadband is not None
        self._minimum = -math.inf if prop.minimum is None else prop.minimum
        self._maximum = math.inf if prop.maximum is None else prop.maximum
        self._limited = prop.minimum is not None or prop.maximum is not None
        self._last_value: Any = None
        """The number last reported, and when; kept for the deadband alone."""
        self._last_time = 0
        self._sample: Sample | None = None
        """The sample last accepted."""
        self._wish: Value | None = None
        self._wish_text = ""

    def accept(self, raw: Raw | ValueError, time: int, *, always: bool = False) -> Reading | None:
        """What came at `time` (Unix milliseconds). A sample keeps its own time, and is said once: the same sample,
        read again, is no news.

        With `always` it is reported even within the deadband, or again.
        """
        if isinstance(raw, (Failure, ValueError)):
            return self.fail(raw.reason if isinstance(raw, Failure) else str(raw))
        if isinstance(raw, Sample):
            return self._accept_sample(raw, time, always=always)
        return self._accept(raw, time, "", always=always)

    def fail(self, reason: str) -> Reading | None:
        """It cannot be read, for that reason; said once."""
        reason = _plain(reason)
        if self.quality == "bad" and self.reason == reason:
            return None
        self.quality, self.reason = "bad", reason
        return Reading(self.name, None, 0, "bad", reason)

    def _accept_sample(self, sample: Sample, time: int, *, always: bool) -> Reading | None:
        known = sample == self._sample and self.quality != "bad"
        said = None if sample.time is None or sample.time >= LATEST_TIME else sample.time
        if known and said is not None and not always:
            return None
        self._sample = sample
        doubt = (sample.reason or "the device calls it uncertain") if sample.quality == "uncertain" else ""
        return self._accept(sample.value, time if said is None else said, doubt, always=always)

    def _accept(self, raw: Value, time: int, doubt: str, *, always: bool) -> Reading | None:
        try:
            value: Any = raw if self._conversion is None else apply(self._conversion, raw)  # type: ignore[arg-type]
            text = self._text_of(value)
            reason = _plain(doubt) or (self._doubt(value, text) if self._limited else "")
        except (ValueError, TypeError, ArithmeticError) as error:
            return self.fail(str(error))
        quality = "uncertain" if reason else "good"
        if self._deadband and not self._is_news(value, time, always=always or quality != self.quality):
            return None
        self.text, self.quality, self.reason = text, quality, reason
        return Reading(self.name, text, time, quality, reason)  # type: ignore[arg-type]

    def raw_of(self, value: Value) -> Value:
        """The raw value to write for a desired one; ValueError when there is none."""
        if self._conversion is None or isinstance(value, (str, bytes)):
            return value
        return invert(self._conversion, value)

    def wish(self, value: Value, text: str) -> None:
        """A desired value. From now on a reading that equals it is spelled like it, because the hub compares
        texts: 21.50 is then met by 21.5."""
        self._wish, self._wish_text = value, text

    def shows(self, text: str) -> bool:
        """Whether that value was reported last and can be trusted."""
        return self.text == text and self.quality in ("good", "uncertain")

    def _text_of(self, value: Any) -> str:
        if self._wish is not None and self._is_wish(value):
            return self._wish_text
        if type(value) is float and not math.isfinite(value):
            raise ValueError(f"the device says {value}")
        if value is None:
            raise ValueError("no value")
        text = to_text(self._type, value)
        if self._type in _TEXTS:
            _refuse_unfit(text)
        return text

    def _is_wish(self, value: Any) -> bool:
        if self._type is DataType.INT:
            return to_text(DataType.INT, value) == str(self._wish)
        if isinstance(value, (int, float)) and isinstance(self._wish, float):
            return math.isclose(value, self._wish, rel_tol=TOLERANCE, abs_tol=1e-12)
        return bool(value == self._wish)

    def _doubt(self, value: Any, text: str) -> str:
        """Why a value that was read properly is not to be trusted; empty when it is."""
        if isinstance(value, (str, bytes)) or self._minimum <= value <= self._maximum:
            return ""
        return remark(self._property, text) or ""

    def _is_news(self, value: Any, time: int, *, always: bool) -> bool:
        silence = (time - self._last_time) / 1000
        if not always and not is_worth_reporting(self._property, self._last_value, value, silence):
            return False
        self._last_value, self._last_time = value, time
        return True


_TEXTS = (DataType.STRING, DataType.BYTES)


def _refuse_unfit(text: str) -> None:
    """ValueError for a text that cannot be reported."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise ValueError("the text of the device is no UTF-8") from None
    if size > LARGEST_TEXT:
        raise ValueError(f"the value has {size} bytes, more than the {LARGEST_TEXT} that a twin holds")


def _plain(reason: str) -> str:
    """A reason of bounded length, in one line."""
    if reason.isascii() and reason.isprintable() and len(reason) <= LONGEST_REASON:
        return reason
    clipped = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in clipped)
