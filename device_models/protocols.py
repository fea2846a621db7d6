"""What a protocol contributes: the form of its configuration, for a device and for a property."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from device_models.problem import nearest
from device_models.schema import Schema

__all__ = ["EXTERNAL", "ProtocolSchema", "Protocols", "UnusableProtocol"]

EXTERNAL = "external"
"""The protocol of a device whose mapper lives elsewhere: it needs no driver, and any configuration is allowed."""


class UnusableProtocol(Exception):
    """The protocol is known, but cannot be used here; says why, and what to do."""


@dataclass(frozen=True, eq=False)
class ProtocolSchema:
    """JSON Schemas, draft 2020-12, of a protocol's `protocol.configData` and `visitors.configData`.

    They are applied after the model's defaults were merged under the instance's values, and after scalars were
    brought to the wanted type (text `"502"` to the number 502 where a number is wanted, and so on; not behind
    `$ref` and `allOf`). A subschema's `description` is quoted in messages: "write <description>". Schemas that
    are no valid JSON Schema raise jsonschema's SchemaError when they are first used.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    visitor: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def of_config(self) -> Schema:
        return Schema(self.config)

    @cached_property
    def of_visitor(self) -> Schema:
        return Schema(self.visitor)


_EXTERNAL = ProtocolSchema()


class Protocols:
    """The protocols that devices may name, found whatever their capitals; `external` is always among them."""

    def __init__(self, protocols: Mapping[str, ProtocolSchema]) -> None:
        """The value of a protocol is looked up when a device names it, and may be an UnusableProtocol then."""
        self._protocols = protocols
        self._names = {name.casefold(): name for name in (EXTERNAL, *protocols)}

    def find(self, name: str) -> tuple[str, ProtocolSchema] | None:
        """The protocol's own spelling of its name, and its schemas. UnusableProtocol comes through."""
        known = self._names.get(name.casefold())
        if known is None:
            return None
        return known, self._protocols.get(known, _EXTERNAL)

    def advice(self, name: str) -> str:
        """What to write instead of a name that is not known."""
        names = sorted(self._names.values())
        meant = nearest(name, names)
        start = f"did you mean {meant}? " if meant else ""
        return f"{start}known are: {', '.join(names)} ({EXTERNAL}: the device's mapper lives elsewhere)"
