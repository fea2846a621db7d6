"""The spellings that users have: KubeEdge's names and nesting, any case, numbers as text.

A protocol says once how others call its fields; everything is then put into the one spelling of its forms, and the
schema accepts all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

LONGEST_TIMEOUT = 60
"""Seconds; a larger number is meant in a smaller unit."""


def _as_it_is(_name: str, value: Any) -> Any:
    return value


def _as_they_are(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields


@dataclass(frozen=True)
class Spelling:
    """How the fields of a form may be written. Names in small letters."""

    form: type[Struct]
    names: Mapping[str, str] = field(default_factory=dict)
    """Other names, and ours as manifests have it."""
    nested: frozenset[str] = frozenset()
    """Objects whose fields are taken as if they stood one level higher (v1alpha2)."""
    unused: frozenset[str] = frozenset()
    """Accepted, without effect."""
    word: Callable[[str, Any], Any] = _as_it_is
    """A value as our form has it, by the name that was written, in small letters."""
    before: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_they_are
    """The fields of one level as they were written, without those that do not count."""
    after: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_they_are
    """The fields in our spelling, made to fit together."""
    secret: frozenset[str] = frozenset()
    """Our names of fields whose values are not for everybody's eyes."""

    def tidy(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields in our spelling. ValueError when two say the same thing differently."""
        names = {own.lower(): own for own in self.form.__struct_encode_fields__} | dict(self.names)
        flat: dict[str, Any] = {}
        for name, value in self.before(raw).items():
            written = str(name).lower()
            if written in self.nested and isinstance(value, Mapping):
                for inner, its_value in self.tidy(value).items():
                    self._put(flat, inner, its_value)
            elif value is not None and written not in self.unused:
                self._put(flat, names.get(written, str(name)), self.word(written, value))
        return self.after(flat)

    def _put(self, flat: dict[str, Any], name: str, value: Any) -> None:
        if name in flat and flat[name] != value:
            both = "differently" if name in self.secret else f"as {flat[name]!r} and as {value!r}"
            raise ValueError(f"{name} is said twice, {both}")
        flat[name] = value

    def schema(self) -> dict[str, Any]:
        """The JSON Schema: which fields there are and of what JSON type; how they fit together is checked where
        they are used."""
        schema = msgspec.json.schema(self.form)
        definitions = schema["$defs"]
        fields = definitions.pop(self.form.__name__)["properties"]
        patterns = {}
        for name, declared in fields.items():
            spellings = "|".join([name, *(other for other, own in self.names.items() if own == name)])
            patterns[f"^(?i:{spellings})$"] = _also_as_text(declared)
        if self.nested:
            patterns[f"^(?i:{'|'.join(sorted(self.nested))})$"] = {"type": "object"}
        if self.unused:
            patterns[f"^(?i:{'|'.join(sorted(self.unused))})$"] = {}
        return {
            "type": "object",
            "properties": {name: {} for name in fields},
            "patternProperties": patterns,
            "additionalProperties": False,
            "$defs": definitions,
        }


def timeout_word(value: Any) -> Any:
    """KubeEdge's are integers: milliseconds, or Go's nanoseconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > LONGEST_TIMEOUT:
        return value / (1e9 if value >= 1e6 else 1e3)
    return value


def parity_word(value: Any) -> Any:
    """Even, E, even."""
    if not isinstance(value, str):
        return value
    word = value.lower()
    return {"n": "none", "e": "even", "o": "odd", "m": "mark", "s": "space"}.get(word, word)


def _also_as_text(declared: dict[str, Any]) -> dict[str, Any]:
    """Numbers, truths and choices may come as text, and 0 or null where KubeEdge leaves a field empty."""
    structured = declared.get("type") in ("array", "object") or "$ref" in str(declared) or "object" in str(declared)
    return {} if structured else {"type": ["string", "number", "boolean", "null"]}
