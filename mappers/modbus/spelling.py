"""The spellings of Modbus fields that users have: KubeEdge's names and nesting, any case, numbers as text.

Everything is put into the one spelling of `config`; the schemas accept all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mappers.modbus.config import ModbusConfig, ModbusVisitor
from mappers.spelling import Spelling, parity_word, timeout_word

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


def _frames_over_tcp(config: Mapping[str, Any]) -> Mapping[str, Any]:
    both = config.get("mode") == "rtu" and config.get("host")
    return {**config, "mode": "rtuovertcp"} if both else config


def _no_count_of_none(visitor: Mapping[str, Any]) -> Mapping[str, Any]:
    """KubeEdge's samples have limit: 0 where they mean a single one."""
    return {name: value for name, value in visitor.items() if (name, value) != ("count", 0)}


def _config_word(name: str, value: Any) -> Any:
    if name == "timeout":
        return timeout_word(value)
    if name in ("communicatemode", "mode") and isinstance(value, str):
        return re.sub("[^a-z]", "", value.lower())
    if name == "parity":
        return parity_word(value)
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


CONFIG = Spelling(ModbusConfig, CONFIG_NAMES, NESTED, UNUSED_CONFIG, _config_word, after=_frames_over_tcp)
VISITOR = Spelling(
    ModbusVisitor, VISITOR_NAMES, frozenset({"modbus"}), UNUSED_VISITOR, _visitor_word, after=_no_count_of_none
)
