"""What is sent, with the value in its place: `SET {value:.1f}`. Nothing but `{value}`, `{value:format}` and
`{address}` is looked up; `{{` and `}}` stand for braces. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mappers.mapper import Value
from mappers.serial.binary import layout_of

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TEXT_FORMAT = re.compile(r"[<>^]?[+ ]?0?\d{0,2}(\.\d{1,2})?[dfFeEgGxXs]?")
_CONTROL = re.compile("[\x00-\x1f\x7f]")

Part = bytes | Callable[[Value], bytes]


class Template:
    """A message with a place for a value. ValueError for anything but a good template."""

    __slots__ = ("_parts", "takes_value")

    def __init__(self, text: str, address: str = "") -> None:
        self._parts = _parts(text, address)
        self.takes_value = any(callable(part) for part in self._parts)

    def render(self, value: Value = "") -> bytes:
        """The message. ValueError when the value cannot be written so."""
        return b"".join(part(value) if callable(part) else part for part in self._parts)


def _parts(text: str, address: str) -> Sequence[Part]:
    parts: list[Part] = []
    at = 0
    for place in _PLACE.finditer(text):
        parts.append(_bytes(text[at : place.start()]))
        parts.append(_part(place, address))
        at = place.end()
    parts.append(_bytes(text[at:]))
    return tuple(part for part in parts if part)


def _part(place: re.Match[str], address: str) -> Part:
    if place[0] in ("{{", "}}"):
        return place[0][:1].encode()
    name, _, form = (place[1] or "").partition(":")
    if name == "address" and not form:
        if not address:
            raise ValueError("{address} needs address in protocol.configData")
        return _bytes(address)
    if name != "value":
        raise ValueError(f"{place[0]} is unknown; there are {{value}}, {{value:format}} and {{address}}")
    return _writer(form)


def _writer(form: str) -> Callable[[Value], bytes]:
    if _TEXT_FORMAT.fullmatch(form):
        return lambda value: _formatted(value, form)
    try:
        layout = layout_of(form)
    except ValueError:
        raise ValueError(
            f"{form!r} is no format; write one like .1f, 05d, 04X, or a layout like int16 little"
        ) from None
    return layout.encode


def _formatted(value: Value, form: str) -> bytes:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, bool):
        value = int(value)
    try:
        whole = form[-1:] in ("d", "x", "X") and isinstance(value, float)
        text = format(round(value) if whole else value, form)  # type: ignore[arg-type]
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value!r} cannot be written as {form}: {error}") from error
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} holds control characters, which could be a second command")
    return _bytes(text)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} has characters above U+00FF, which are no bytes") from error


def pattern(text: str, address: str = "") -> re.Pattern[str]:
    """A regular expression over a message as Latin-1 text, `{address}` filled in. ValueError when it is none."""
    if "{address}" in text and not address:
        raise ValueError("{address} needs address in protocol.configData")
    try:
        return re.compile(text.replace("{address}", re.escape(address)), re.DOTALL)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
