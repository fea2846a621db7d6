"""The spellings of Modbus fields that users have: KubeEdge's names and nesting, any case, numbers as text.

Everything is put into the one spelling of `config`; the schemas accept all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mappers.modbus.config import ModbusConfig, ModbusVisitor

CONFIG_NAMES = {
    "ip": "host",
    "address": "host",
    "slaveid": "unit",
    "slave": "unit",
    "unitid": "unit",
    "serialname": "serialPort",
    "communicatemode": "mode",
}
"""KubeEdge's (and common) names in `protocol.configData`, in small letters, and ours."""
VISITOR_NAMES = {"offset": "address", "limit": "count", "datatype": "type"}
"""The same in `visitors.configData`."""
NESTED = frozenset({"tcp", "com", "common", "modbus"})
"""Objects whose fields are taken as if they stood one level higher (v1alpha2)."""
UNUSED_CONFIG = frozenset({
    "commtype", "reconntimeout", "reconnretrytimes", "collecttimeout", "collectretrytimes", "collecttype",
    "customizedvalues", "rs485enabled", "serialtype",
})  # fmt: skip
"""Accepted in `protocol.configData`, without effect: the framework decides these."""
UNUSED_VISITOR = frozenset({"max", "min", "value"})
"""Accepted in `visitors.configData`, without effect: limits belong to the model."""

_CONFIG_NAMES = {field.lower(): field for field in ModbusConfig.__struct_encode_fields__} | CONFIG_NAMES
_VISITOR_NAMES = {field.lower(): field for field in ModbusVisitor.__struct_encode_fields__} | VISITOR_NAMES


def tidy_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """KubeEdge's and other spellings of `protocol.configData` in ours. ValueError when two say the same thing."""
    flat: dict[str, Any] = {}
    for name, value in raw.items():
        word = str(name).lower()
        if word in NESTED and isinstance(value, Mapping):
            for inner, its_value in tidy_config(value).items():
                _put(flat, inner, its_value)
        elif value is not None and word not in UNUSED_CONFIG:
            _put(flat, _CONFIG_NAMES.get(word, str(name)), _config_word(word, value))
    if flat.get("mode") == "rtu" and flat.get("host"):
        flat["mode"] = "rtuovertcp"
    return flat


def tidy_visitor(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `visitors.configData`."""
    flat: dict[str, Any] = {}
    for name, value in raw.items():
        word = str(name).lower()
        if word == "modbus" and isinstance(value, Mapping):
            for inner, its_value in tidy_visitor(value).items():
                _put(flat, inner, its_value)
        elif value is not None and word not in UNUSED_VISITOR:
            _put(flat, _VISITOR_NAMES.get(word, str(name)), _visitor_word(word, value))
    if flat.get("count") == 0:  # KubeEdge's samples have limit: 0 where they mean a single one
        del flat["count"]
    return flat


def _put(flat: dict[str, Any], name: str, value: Any) -> None:
    if name in flat and flat[name] != value:
        raise ValueError(f"{name} is said twice, as {flat[name]!r} and as {value!r}")
    flat[name] = value


def _config_word(name: str, value: Any) -> Any:
    if name == "timeout" and isinstance(value, (int, float)) and not isinstance(value, bool) and value > 60:
        return value / (1e9 if value >= 1e6 else 1e3)  # KubeEdge's are integers: milliseconds, or Go's nanoseconds
    if name in ("communicatemode", "mode") and isinstance(value, str):
        return re.sub("[^a-z]", "", value.lower())
    if name == "parity" and isinstance(value, str):
        word = value.lower()
        return {"n": "none", "e": "even", "o": "odd"}.get(word, word)
    if name == "forbidden" and isinstance(value, list):
        return [_range_words(item) if isinstance(item, Mapping) else item for item in value]
    return value.upper() if name == "order" and isinstance(value, str) else value


def _visitor_word(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name == "register":
        return _table_word(value)
    if name in ("type", "datatype"):
        word = value.lower()
        return {"boolean": "bool"}.get(word, word)
    return value.upper() if name == "order" else value


def _range_words(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _visitor_word(name, value) for name, value in raw.items()}


def _table_word(word: str) -> str:
    """CoilRegister, coils, Discrete Input, holding_register, …"""
    bare = re.sub("[^a-z]", "", word.lower())
    bare = re.sub("registers?$|s$", "", bare)
    return {"discreteinput": "discrete"}.get(bare, bare) or word


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `protocol.configData` in all its spellings."""
    return _lenient(ModbusConfig, CONFIG_NAMES, NESTED, UNUSED_CONFIG)


def visitor_schema() -> dict[str, Any]:
    """The JSON Schema of `visitors.configData` in all its spellings."""
    return _lenient(ModbusVisitor, VISITOR_NAMES, ("modbus",), UNUSED_VISITOR)


def _lenient(
    form: type[Struct], others: Mapping[str, str], nested: Iterable[str], unused: Iterable[str]
) -> dict[str, Any]:
    """Which fields there are and of what JSON type; how they fit together is checked where they are used."""
    schema = msgspec.json.schema(form)
    definitions = schema["$defs"]
    fields = definitions.pop(form.__name__)["properties"]
    patterns = {}
    for name, field in fields.items():
        spellings = "|".join([name, *(other for other, own in others.items() if own == name)])
        patterns[f"^(?i:{spellings})$"] = _also_as_text(field)
    patterns[f"^(?i:{'|'.join(sorted(nested))})$"] = {"type": "object"}
    patterns[f"^(?i:{'|'.join(sorted(unused))})$"] = {}
    return {
        "type": "object",
        "properties": {name: {} for name in fields},
        "patternProperties": patterns,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _also_as_text(field: dict[str, Any]) -> dict[str, Any]:
    """Numbers, truths and choices may come as text, and 0 or null where KubeEdge leaves a field empty."""
    return {} if field.get("type") == "array" else {"type": ["string", "number", "boolean", "null"]}
