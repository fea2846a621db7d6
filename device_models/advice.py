"""JSON Schema's errors → sentences: what is wrong at which path, and what to write instead.

Where the violated subschema has a `description`, it is quoted as what to write: "write <description>".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from jsonschema.exceptions import ValidationError

from device_models.problem import Path, suggestion

__all__ = ["Finding", "explain"]

_LONGEST_SHOWN = 60
_SECRET = re.compile(r"pass|secret|token|credential|private", re.IGNORECASE)
_TYPES = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


class Finding(NamedTuple):
    """One violation, at a path relative to what was validated."""

    path: Path
    message: str
    advice: str


def explain(error: ValidationError) -> Iterator[Finding]:
    """Translate one error; a schema that is violated in several ways at one place gives several findings."""
    translate = _TRANSLATIONS.get(error.validator, _anything_else)
    yield from translate(error, tuple(error.absolute_path))


def _required(error: ValidationError, path: Path) -> Iterator[Finding]:
    for key in error.validator_value:
        if key not in error.instance:
            wanted = _description(error.schema.get("properties", {}).get(key))
            yield Finding(path, f"'{key}' is missing", f"add {key}: {wanted}" if wanted else f"add '{key}'")


def _unknown_keys(error: ValidationError, path: Path) -> Iterator[Finding]:
    known = list(error.schema.get("properties", {}))
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key not in known and not any(re.search(pattern, key) for pattern in patterns):
            yield Finding((*path, key), "this key is not known here", suggestion(key, known))


def _type(error: ValidationError, path: Path) -> Iterator[Finding]:
    wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    expected = " or ".join(_TYPES[name] for name in wanted if name != "null" or len(wanted) == 1)
    yield Finding(path, f"{_shown(error)} is not {expected}", _write(error) or f"write {expected}")


def _enum(error: ValidationError, path: Path) -> Iterator[Finding]:
    choices = [str(choice) for choice in error.validator_value]
    yield Finding(path, f"{_shown(error)} is not one of the choices", suggestion(str(error.instance), choices))


def _const(error: ValidationError, path: Path) -> Iterator[Finding]:
    yield Finding(path, f"{_shown(error)} is not possible here", f"write {_json(error.validator_value)}")


def _not(error: ValidationError, path: Path) -> Iterator[Finding]:
    yield Finding(path, f"{_shown(error)} is not allowed", _write(error) or "write something else")


def _forbidden(_error: ValidationError, path: Path) -> Iterator[Finding]:
    yield Finding(path, "this is not allowed here", "remove it")


def _compared(wrong: str, right: str) -> Callable[[ValidationError, Path], Iterator[Finding]]:
    def translate(error: ValidationError, path: Path) -> Iterator[Finding]:
        limit = _json(error.validator_value)
        yield Finding(path, f"{_shown(error)} is {wrong} {limit}", _write(error) or f"write {right} {limit}")

    return translate


def _sized(relation: str, things: str) -> Callable[[ValidationError, Path], Iterator[Finding]]:
    def translate(error: ValidationError, path: Path) -> Iterator[Finding]:
        limit = f"{relation} {error.validator_value} {things}"
        yield Finding(path, f"this has {len(error.instance)} {things}", _write(error) or f"write {limit}")

    return translate


def _pattern(error: ValidationError, path: Path) -> Iterator[Finding]:
    wanted = _write(error) or f"write a text that matches {error.validator_value}"
    yield Finding(path, f"{_shown(error)} is not possible here", wanted)


def _dependent(error: ValidationError, path: Path) -> Iterator[Finding]:
    for key, needed in error.validator_value.items():
        for other in needed if key in error.instance else ():
            if other not in error.instance:
                yield Finding(path, f"'{other}' is missing, which '{key}' needs", f"add '{other}'")


def _alternatives(error: ValidationError, path: Path) -> Iterator[Finding]:
    """anyOf and oneOf: a choice between keys is told as one; otherwise the branch that came nearest speaks."""
    if all(isinstance(branch, dict) and branch.keys() == {"required"} for branch in error.validator_value):
        yield _choice_of_keys(error, path, [branch["required"] for branch in error.validator_value])
    elif not error.context:
        yield Finding(path, "this fits more than one of the forms that exclude each other", _write(error))
    else:
        yield from _nearest_branch(error)


def _choice_of_keys(error: ValidationError, path: Path, choices: list[list[str]]) -> Finding:
    names = [" and ".join(f"'{key}'" for key in keys) for keys in choices]
    if error.context:
        return Finding(path, f"one of {', '.join(names)} is missing", f"add {' or '.join(names)}")
    return Finding(path, f"{' and '.join(names)} exclude each other", "keep one of them")


def _nearest_branch(error: ValidationError) -> Iterator[Finding]:
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    best = min(branches.values(), key=lambda inners: (-max(len(one.absolute_path) for one in inners), len(inners)))
    for inner in best:
        yield from explain(inner)


def _anything_else(error: ValidationError, path: Path) -> Iterator[Finding]:
    message = "this does not fit" if _is_secret(path) else _shortened(error.message)
    yield Finding(path, message, _write(error))


_TRANSLATIONS: dict[str | None, Callable[[ValidationError, Path], Iterator[Finding]]] = {
    None: _forbidden,
    "required": _required,
    "additionalProperties": _unknown_keys,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "not": _not,
    "minimum": _compared("below", "at least"),
    "maximum": _compared("above", "at most"),
    "exclusiveMinimum": _compared("not above", "more than"),
    "exclusiveMaximum": _compared("not below", "less than"),
    "multipleOf": _compared("no multiple of", "a multiple of"),
    "minLength": _sized("at least", "characters"),
    "maxLength": _sized("at most", "characters"),
    "minItems": _sized("at least", "entries"),
    "maxItems": _sized("at most", "entries"),
    "minProperties": _sized("at least", "keys"),
    "maxProperties": _sized("at most", "keys"),
    "pattern": _pattern,
    "dependentRequired": _dependent,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
}


def _write(error: ValidationError) -> str:
    wanted = _description(error.schema)
    return f"write {wanted}" if wanted else ""


def _description(schema: Any) -> str:
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""


def _shown(error: ValidationError) -> str:
    if _is_secret(tuple(error.absolute_path)):
        return "the value"
    if error.instance is None:
        return "nothing"
    if isinstance(error.instance, dict | list):
        return "a mapping" if isinstance(error.instance, dict) else "a list"
    return _shortened(_json(error.instance))


def _is_secret(path: Path) -> bool:
    return any(isinstance(step, str) and _SECRET.search(step) for step in path)


def _json(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
