"""The spellings of Bluetooth fields that users have: KubeEdge's names and nesting, any case, numbers as text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mappers.ble.config import BleConfig, BleVisitor
from mappers.ble.converter import DataConverter, Operation

CONFIG_NAMES = {"macaddress": "address", "mac": "address"}
"""Other names in `protocol.configData`, in small letters, and ours."""
UNUSED_CONFIG = frozenset({
    "commtype", "reconntimeout", "reconnretrytimes", "collecttimeout", "collectretrytimes", "collecttype",
    "customizedvalues",
})  # fmt: skip
"""KubeEdge's common fields: accepted in `protocol.configData`, without effect."""
VISITOR_NAMES = {"characteristicuuid": "characteristicUUID", "serviceuuid": "serviceUUID", "datatype": "type"}
"""Other names in `visitors.configData`, in small letters, and ours."""
NESTED = "bluetooth"
"""An object whose fields are taken as if they stood one level higher (v1alpha2)."""


def tidy_config(raw: Mapping[str, Any]) -> dict[str, Any]:
    """KubeEdge's and other spellings of `protocol.configData` in ours. ValueError when two say the same thing."""
    flat = _rename(raw, _fields(BleConfig) | CONFIG_NAMES, UNUSED_CONFIG)
    if isinstance(flat.get("address"), str):
        flat["address"] = flat["address"].strip().upper().replace("-", ":")
    return flat


def tidy_visitor(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `visitors.configData`."""
    flat = _rename(raw, _fields(BleVisitor) | VISITOR_NAMES)
    for name, tidy in _VALUES.items():
        if name in flat:
            flat[name] = tidy(flat[name])
    return flat


def _rename(raw: Mapping[str, Any], names: Mapping[str, str], unused: frozenset[str] = frozenset()) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in raw.items():
        word = str(name).lower()
        if word == NESTED and isinstance(value, Mapping):
            for inner, its_value in _rename(value, names, unused).items():
                _put(flat, inner, its_value)
        elif value is not None and word not in unused:
            _put(flat, names.get(word, str(name)), value)
    return flat


def _put(flat: dict[str, Any], name: str, value: Any) -> None:
    if name in flat and flat[name] != value:
        raise ValueError(f"{name} is said twice, as {flat[name]!r} and as {value!r}")
    flat[name] = value


def _fields(form: type[Struct]) -> dict[str, str]:
    return {field.lower(): field for field in form.__struct_encode_fields__}


def _company(value: Any) -> Any:
    """`0x0499` too."""
    return int(value, 0) if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]+|\d+", value) else value


_TYPES = {"sint8": "int8", "sint16": "int16", "sint32": "int32", "string": "utf8", "boolean": "bool"}


def _type(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    word = value.lower()
    return _TYPES.get(word, word)


def _uuid(value: Any) -> Any:
    """YAML takes 2902 for a number."""
    return f"{value:04d}" if isinstance(value, int) and not isinstance(value, bool) else value


def _notify(value: Any) -> Any:
    return {True: "auto", False: "never"}.get(value, value) if isinstance(value, bool) else value


def _converter(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    flat = _rename(value, _fields(DataConverter))
    steps = flat.get("orderOfOperations")
    if isinstance(steps, list):
        flat["orderOfOperations"] = [_operation(step) if isinstance(step, Mapping) else step for step in steps]
    return flat


def _operation(step: Mapping[str, Any]) -> dict[str, Any]:
    flat = _rename(step, _fields(Operation))
    word = flat.get("operationType")
    return flat | {"operationType": word.capitalize()} if isinstance(word, str) else flat


def _labels(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {_label(label): _bytes(str(label), data) for label, data in value.items()}


def _label(label: Any) -> str:
    """YAML takes ON and OFF for truths."""
    return {True: "ON", False: "OFF"}[label] if isinstance(label, bool) else str(label)


def _bytes(label: str, data: Any) -> bytes:
    try:
        if isinstance(data, str):  # as Kubernetes writes bytes
            return base64.b64decode(data, validate=True)
        return bytes(data if isinstance(data, (list, bytes)) else [data])
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError(f"dataWrite.{label}: write the bytes as a list such as [1, 255], or in base64") from error


_VALUES = {
    "characteristicUUID": _uuid, "serviceUUID": _uuid, "serviceData": _uuid, "manufacturerData": _company,
    "type": _type, "notify": _notify, "dataConverter": _converter, "dataWrite": _labels,
}  # fmt: skip


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `protocol.configData` in all its spellings."""
    return _schema([*_fields(BleConfig), *CONFIG_NAMES, *UNUSED_CONFIG], BleConfig)


def visitor_schema() -> dict[str, Any]:
    """The JSON Schema of `visitors.configData` in all its spellings."""
    return _schema([*_fields(BleVisitor), *VISITOR_NAMES], BleVisitor)


def _schema(names: list[str], form: type[Struct]) -> dict[str, Any]:
    """Which fields there are; what may stand in them is checked where they are used."""
    return {
        "type": "object",
        "properties": {name: {} for name in form.__struct_encode_fields__},
        "patternProperties": {f"^(?i:{'|'.join(sorted({*names, NESTED}))})$": {}},
        "additionalProperties": False,
    }
