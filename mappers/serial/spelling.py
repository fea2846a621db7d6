"""The spellings of a serial line's fields that users have: KubeEdge's `com`, `tcp` and `common`, any case, numbers
as text, and the short forms `framing: nmea` and `checksum: xor`."""

from __future__ import annotations

from typing import Any

from mappers.serial.config import SerialConfig, SerialVisitor
from mappers.spelling import Spelling, parity_word, timeout_word

UNUSED_CONFIG = frozenset({
    "commtype", "reconntimeout", "reconnretrytimes", "collecttimeout", "collectretrytimes", "collecttype",
    "customizedvalues", "serialtype",
})  # fmt: skip
"""Accepted in `protocol.configData`, without effect: the framework decides these."""


def _config_word(name: str, value: Any) -> Any:
    match name:
        case "timeout":
            return timeout_word(value)
        case "parity":
            return parity_word(value)
        case "flowcontrol" if isinstance(value, str):
            word = value.lower()
            return {"rtscts": "hardware", "rts/cts": "hardware", "xonxoff": "software", "xon/xoff": "software"}.get(
                word, word
            )
        case "framing" | "checksum" if isinstance(value, str):
            return {"type": value.lower()}
        case "address" if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return value


def _visitor_word(name: str, value: Any) -> Any:
    if name == "binary" and isinstance(value, str):
        return value.lower()
    return value


CONFIG = Spelling(
    SerialConfig,
    {"ip": "host", "serialname": "serialPort", "device": "serialPort"},
    frozenset({"tcp", "com", "common", "serial"}),
    UNUSED_CONFIG,
    _config_word,
)
VISITOR = Spelling(SerialVisitor, nested=frozenset({"serial"}), word=_visitor_word)
