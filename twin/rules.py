"""What a property's name, value and type may be.

By default any text is a value, up to a size. `strict` brings back KubeEdge's rules: 512 characters of a small
set, and no types but its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from device_models import DataType, values

KUBEEDGE_TYPES = {
    "": None,
    "string": None,
    "int": DataType.INT,
    "integer": DataType.INT,
    "float": DataType.FLOAT,
    "boolean": DataType.BOOLEAN,
}
TYPES = KUBEEDGE_TYPES | {"double": DataType.DOUBLE, "bytes": DataType.BYTES, "stream": None}

_NAME = re.compile(r"[a-zA-Z0-9\-_.,:/@#]{1,128}", re.ASCII)
_STRICT_VALUE = re.compile(r"[a-zA-Z0-9\-_.,:/@#]{0,512}", re.ASCII)
_CHARACTERS = "only include upper or lowercase letters, number, english, and special letter - _ . , : / @ # and the"
NAME_REASON = f"The key of twin must {_CHARACTERS} length of key should be less than 128 bytes"
STRICT_VALUE_REASON = f"The value of twin must {_CHARACTERS} length of value should be less than 512 bytes"


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits of this hub."""

    strict: bool = False
    value_bytes: int = 64 * 1024
    """The largest value, in bytes of UTF-8."""
    properties: int = 2_000
    """How many properties one device may have."""

    @property
    def unsuspicious(self) -> int:
        """Texts of up to so many characters need no `value_fault`."""
        return 0 if self.strict else self.value_bytes // 4

    def name_fault(self, name: str) -> str | None:
        """Why this is no name for a property; None when it is one."""
        return None if _NAME.fullmatch(name) else NAME_REASON

    def value_fault(self, text: str) -> str | None:
        """Why this text is no value of any type; None when it may be one."""
        if self.strict:
            return None if _STRICT_VALUE.fullmatch(text) else STRICT_VALUE_REASON
        # a character is at most four bytes: the exact count is needed only for large values
        if len(text) * 4 > self.value_bytes and len(text.encode("utf-8", "surrogatepass")) > self.value_bytes:
            return (
                f"The value of twin must not be longer than {self.value_bytes} bytes; it has {len(text)} characters"
            )
        return None

    def type_fault(self, type_name: str, text: str) -> str | None:
        """Why the text is no value of this type, in KubeEdge's words; None when it is one."""
        try:
            data_type = (KUBEEDGE_TYPES if self.strict else TYPES)[type_name]
        except KeyError:
            return "the value type is not allowed"
        if data_type is None:
            return None
        try:
            values.check(data_type, text)
        except ValueError as fault:
            return str(fault)
        return None

    def type_of(self, declared: DataType) -> str:
        """The twin type of a declared property, as it stands in `metadata.type`."""
        name = declared.value.lower()
        if not self.strict or name in KUBEEDGE_TYPES:
            return name
        return "float" if declared is DataType.DOUBLE else "string"
