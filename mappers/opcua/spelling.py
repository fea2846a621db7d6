"""The spellings of OPC-UA fields that users have: KubeEdge's names and nesting, any case, numbers as text.

Everything is put into the one spelling of `config`; the schemas accept all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mappers.opcua.config import OpcuaConfig, OpcuaVisitor
from mappers.spelling import Spelling, timeout_word

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


def _node_id_counts(visitor: Mapping[str, Any]) -> Mapping[str, Any]:
    """KubeEdge writes both a nodeID and the browseName that goes with it: then the node id counts."""
    names = {str(name).lower() for name, value in visitor.items() if value}
    if "nodeid" not in names:
        return visitor
    return {name: value for name, value in visitor.items() if str(name).lower() != "browsename"}


def _config_word(name: str, value: Any) -> Any:
    if name == "timeout":
        return timeout_word(value)
    if name == "securitypolicy" and isinstance(value, str):
        word = re.sub("[^a-z0-9]", "", value.rpartition("#")[2].lower())
        return _POLICIES.get(word, value) if word else "None"
    if name == "securitymode" and isinstance(value, str):
        return _MODES.get(re.sub("[^a-z]", "", value.lower()), value)
    return value.lower() if name == "subscribe" and isinstance(value, str) else value


CONFIG = Spelling(OpcuaConfig, CONFIG_NAMES, NESTED, UNUSED_CONFIG, _config_word, secret=frozenset({"password"}))
VISITOR = Spelling(OpcuaVisitor, VISITOR_NAMES, frozenset({"opcua"}), UNUSED_VISITOR, before=_node_id_counts)
