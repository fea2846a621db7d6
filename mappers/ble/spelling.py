"""The spellings of Bluetooth fields that users have: KubeEdge's names and nesting, any case, numbers as text."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from mappers.ble.config import BleConfig, BleVisitor
from mappers.ble.converter import DataConverter, Operation
from mappers.spelling import Spelling

CONFIG_NAMES = {"macaddress": "address", "mac": "address"}
"""Other names in `protocol.configData`, in small letters, and ours."""
UNUSED_CONFIG = frozenset({
    "commtype", "reconntimeout", "reconnretrytimes", "collecttimeout", "collectretrytimes", "collecttype",
    "customizedvalues",
})  # fmt: skip
"""KubeEdge's common fields: accepted in `protocol.configData`, without effect."""
VISITOR_NAMES = {"characteristicuuid": "characteristicUUID", "serviceuuid": "serviceUUID", "datatype": "type"}
"""Other names in `visitors.configData`, in small letters, and ours."""
NESTED = frozenset({"bluetooth"})
"""An object whose fields are taken as if they stood one level higher (v1alpha2)."""


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
    flat = dict(_CONVERTER.tidy(value))
    steps = flat.get("orderOfOperations")
    if isinstance(steps, list):
        flat["orderOfOperations"] = [_operation(step) if isinstance(step, Mapping) else step for step in steps]
    return flat


def _operation(step: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(_OPERATION.tidy(step))
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
    "characteristicuuid": _uuid, "serviceuuid": _uuid, "servicedata": _uuid, "manufacturerdata": _company,
    "type": _type, "datatype": _type, "notify": _notify, "dataconverter": _converter, "datawrite": _labels,
}  # fmt: skip
_CONVERTER, _OPERATION = Spelling(DataConverter), Spelling(Operation)


def _config_word(name: str, value: Any) -> Any:
    if name in ("address", "macaddress", "mac") and isinstance(value, str):
        return value.strip().upper().replace("-", ":")
    return value


def _visitor_word(name: str, value: Any) -> Any:
    return _VALUES[name](value) if name in _VALUES else value


CONFIG = Spelling(BleConfig, CONFIG_NAMES, NESTED, UNUSED_CONFIG, _config_word)
VISITOR = Spelling(BleVisitor, VISITOR_NAMES, NESTED, word=_visitor_word)
