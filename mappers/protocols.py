"""The protocols there are. A mapper is imported when it is used: a library that nobody needs costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any

from mappers.mapper import Mapper


@dataclass(frozen=True)
class Protocol:
    """A protocol by its `protocolName`."""

    name: str
    path: str
    """Where its mapper is: `package.module:Class`."""

    @cached_property
    def mapper(self) -> type[Mapper[Any, Any]]:
        """The mapper class; imports it."""
        module, _, name = self.path.partition(":")
        mapper: type[Mapper[Any, Any]] = getattr(import_module(module), name)
        return mapper

    def config_schema(self) -> dict[str, Any]:
        """The JSON Schema of `protocol.configData`."""
        return self.mapper.config_schema()

    def visitor_schema(self) -> dict[str, Any]:
        """The JSON Schema of `visitors.configData`."""
        return self.mapper.visitor_schema()


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (Protocol("modbus", "mappers.modbus.mapper:ModbusMapper"),)}
)
