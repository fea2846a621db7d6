"""The spellings of OPC-UA fields that users have: KubeEdge's names and nesting, any case, numbers as text.

Everything is put into the one spelling of `config`; the schemas accept all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from mappers.opcua.config import OpcuaConfig, OpcuaVisitor

CONFIG_NAMES = {"endpoint": "url", "user": "userName"}
"""Other names in `protocol.configData`, in small letters, and ours."""
VISITOR_NAMES = {"browsename": "browsePath", "node": "nodeId", "samplinginterval": "sampling"}
"""The same in `visitors.configData`."""
NESTED = frozenset({"opcua", "common"})
"""Objects whose fields are taken as if they stood one level higher (v1alpha2)."""
UNUSED_CONFIG = frozenset({
    "commtype", "reconntimeout", "reconnretrytimes", "collecttimeout", "collectretrytimes", "collecttype",
    "customizedvalues", "remotecertificate",
})  # fmt: skip
"""Accepted in `protocol.configData`, without effect: the framework decides these."""
UNUSED_VISITOR = frozenset({"datatype"})
"""Accepted in `visitors.configData`, without effect: the server knows its types."""

_CONFIG_NAMES = {field.lower(): field for field in OpcuaConfig.__struct_encode_fields__} | CONFIG_NAMES
_VISITOR_NAMES = {field.lower(): field for field in OpcuaVisitor.__struct_encode_fields__} | VISITOR_NAMES

_POLICIES = {
    re.sub("[^a-z0-9]", "", name.lower()): name
    for name in ("None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
}
_MODES = {
    "": "None",
    "none": "None",
    "sign": "Sign",
    "signandencrypt": "SignAndEncrypt",
    "signencrypt": "SignAndEncrypt",
}


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
    return flat


def tidy_visitor(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same for `visitors.configData`. KubeEdge writes both a nodeID and the browseName that goes with it: then
    the node id counts."""
    flat: dict[str, Any] = {}
    only_a_name = None
    for name, value in raw.items():
        word = str(name).lower()
        if word == "opcua" and isinstance(value, Mapping):
            for inner, its_value in tidy_visitor(value).items():
                _put(flat, inner, its_value)
        elif word == "browsename":
            only_a_name = value
        elif value is not None and word not in UNUSED_VISITOR:
            _put(flat, _VISITOR_NAMES.get(word, str(name)), value)
    if only_a_name and not flat.get("nodeId"):
        _put(flat, "browsePath", only_a_name)
    return flat


def _put(flat: dict[str, Any], name: str, value: Any) -> None:
    if name in flat and flat[name] != value:
        raise ValueError(f"{name} is said twice, as {_shown(name, flat[name])} and as {_shown(name, value)}")
    flat[name] = value


def _shown(name: str, value: Any) -> str:
    return "one secret" if name == "password" else repr(value)


def _config_word(name: str, value: Any) -> Any:
    if name == "timeout" and isinstance(value, (int, float)) and not isinstance(value, bool) and value > 60:
        return value / (1e9 if value >= 1e6 else 1e3)  # KubeEdge's are integers: milliseconds, or Go's nanoseconds
    if name == "securitypolicy" and isinstance(value, str):
        word = re.sub("[^a-z0-9]", "", value.rpartition("#")[2].lower())
        return _POLICIES.get(word, value) if word else "None"
    if name == "securitymode" and isinstance(value, str):
        return _MODES.get(re.sub("[^a-z]", "", value.lower()), value)
    return value.lower() if name == "subscribe" and isinstance(value, str) else value


def config_schema() -> dict[str, Any]:
    """The JSON Schema of `protocol.configData` in all its spellings."""
    return _lenient(OpcuaConfig, CONFIG_NAMES, NESTED, UNUSED_CONFIG)


def visitor_schema() -> dict[str, Any]:
    """The JSON Schema of `visitors.configData` in all its spellings."""
    return _lenient(OpcuaVisitor, VISITOR_NAMES, frozenset({"opcua"}), UNUSED_VISITOR)


def _lenient(
    form: type[Struct], others: Mapping[str, str], nested: frozenset[str], unused: frozenset[str]
) -> dict[str, Any]:
    """Which fields there are; how they fit together is checked where they are used."""
    fields = msgspec.json.schema(form)["$defs"][form.__name__]["properties"]
    patterns: dict[str, Any] = {}
    for name in fields:
        spellings = "|".join([name, *(other for other, own in others.items() if own == name)])
        patterns[f"^(?i:{spellings})$"] = {"type": ["string", "number", "boolean", "null"]}
    patterns[f"^(?i:{'|'.join(sorted(nested))})$"] = {"type": "object"}
    patterns[f"^(?i:{'|'.join(sorted(unused))})$"] = {}
    return {
        "type": "object",
        "properties": {name: {} for name in fields},
        "patternProperties": patterns,
        "additionalProperties": False,
    }
