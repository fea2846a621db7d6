"""A compiled JSON Schema that brings scalars into shape, validates, and speaks plainly."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from jsonschema import Draft202012Validator, ValidationError, validators

from device_models import schemas
from device_models.advice import Finding, explain

__all__ = ["Schema", "schema_of"]

_REMEMBERED = 4096
_LONGEST_NUMBER = 40
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TRUE, _FALSE = frozenset({"true", "yes", "on"}), frozenset({"false", "no", "off"})


class Schema:
    """One JSON Schema, draft 2020-12, compiled once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        Draft202012Validator.check_schema(schema)
        self._schema = schema
        self._known_good = _KnownGood()
        validator_class = validators.extend(Draft202012Validator, {"items": self._known_good.items})
        self._validator = validator_class(schema)

    def soften(self, data: Any) -> Any:
        """Bring scalars to the type the schema wants, in place, where nothing is lost by it.

        A number or true/false becomes text; text that is a number in JSON's notation becomes a number; text
        like yes and off becomes true or false; a declared key without a value is left out. Subschemas behind
        `$ref`, `allOf` and the like are not looked into.
        """
        return _softened(data, self._schema)

    def findings(self, data: Any) -> tuple[Finding, ...]:
        """Everything that is wrong with the data, by its path in it."""
        if self._known_good.remembers(self._schema, data):
            return ()
        found = {finding: None for error in self._validator.iter_errors(data) for finding in explain(error)}
        if not found:
            self._known_good.remember(self._schema, data)
        return tuple(found)


@cache
def schema_of(name: str) -> Schema:
    """The schema of a kind of manifest, by the name of its file."""
    return Schema(schemas.read(name))


class _KnownGood:
    """What was valid already: a fleet repeats itself, and validating costs a hundred times the remembering."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, bytes]] = set()

    def remembers(self, schema: Any, data: Any) -> bool:
        return _key(schema, data) in self._seen

    def remember(self, schema: Any, data: Any) -> None:
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen.add(_key(schema, data))

    def items(self, validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        """JSON Schema's `items`, which skips what is known to be good."""
        if not validator.is_type(instance, "array"):
            return
        for index in range(len(schema.get("prefixItems", ())), len(instance)):
            if self.remembers(items, instance[index]):
                continue
            errors = list(validator.descend(instance[index], items, path=index))
            if not errors:
                self.remember(items, instance[index])
            yield from errors


def _key(schema: Any, data: Any) -> tuple[int, bytes]:
    return id(schema), blake2b(msgspec.json.encode(data), digest_size=16).digest()


def _softened(data: Any, schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return data
    if isinstance(data, dict):
        _soften_mapping(data, schema)
    elif isinstance(data, list):
        data[:] = [_softened(item, schema.get("items")) for item in data]
    else:
        wanted = schema.get("type")
        return _SOFTENERS[wanted](data) if isinstance(wanted, str) and wanted in _SOFTENERS else data
    return data


def _soften_mapping(data: dict[str, Any], schema: Mapping[str, Any]) -> None:
    declared = schema.get("properties", {})
    for key, value in list(data.items()):
        if value is None and key in declared and not _may_be_null(declared[key]):
            del data[key]
        else:
            data[key] = _softened(value, declared.get(key, schema.get("additionalProperties")))


def _may_be_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return True
    return "type" not in schema or "null" in schema["type"]


def _to_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else value


def _to_integer(value: Any) -> Any:
    number = _to_number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _to_number(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER or not _JSON_NUMBER.fullmatch(value):
        return value
    number = json.loads(value)
    fits = math.isfinite(number) if isinstance(number, float) else -(2**63) <= number < 2**64
    return number if fits else value


def _to_boolean(value: Any) -> Any:
    word = value.lower() if isinstance(value, str) else value
    if not isinstance(word, str):
        return value
    return True if word in _TRUE else False if word in _FALSE else value


_SOFTENERS = {"string": _to_text, "integer": _to_integer, "number": _to_number, "boolean": _to_boolean}
