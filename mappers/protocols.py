"""The protocols there are: those built in, and those of installed packages, by the entry point `twinhub.mappers`.

A mapper is imported when it is used: a library that nobody needs costs nothing, and a package that is broken harms
only who asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType, ModuleType
from typing import Any

from mappers.mapper import Mapper

GROUP = "twinhub.mappers"
"""The entry point of packages: `protocolName = package.mapper:Class`."""


class BrokenMapper(Exception):
    """A protocol is known, but its mapper cannot be imported; says why and what to install or mend."""


@dataclass(frozen=True)
class Protocol:
    """A protocol by its `protocolName`."""

    name: str
    path: str
    """Where its mapper is: `package.mapper:Class`. Beside it lie `simulator` and `rig`."""

    @cached_property
    def mapper(self) -> type[Mapper[Any, Any]]:
        """The mapper class; imports it. BrokenMapper when that fails."""
        module, _, name = self.path.partition(":")
        mapper: type[Mapper[Any, Any]] = getattr(self._import(module), name)
        return mapper

    @property
    def package(self) -> str:
        """Where its mapper, simulator and rig lie."""
        return self.path.partition(":")[0].rpartition(".")[0]

    def part(self, name: str) -> ModuleType:
        """A module beside the mapper: `simulator`, `rig`. BrokenMapper when it is not there."""
        return self._import(f"{self.package}.{name}")

    def config_schema(self) -> dict[str, Any]:
        """The JSON Schema of `protocol.configData`."""
        return self.mapper.config_schema()

    def visitor_schema(self) -> dict[str, Any]:
        """The JSON Schema of `visitors.configData`."""
        return self.mapper.visitor_schema()

    def _import(self, module: str) -> ModuleType:
        try:
            return import_module(module)
        except Exception as error:
            raise BrokenMapper(
                f"the mapper for {self.name} cannot be loaded: {module}: {type(error).__name__}: {error}"
            ) from error


_BUILT_IN = (Protocol("modbus", "mappers.modbus.mapper:ModbusMapper"),)


def _installed() -> dict[str, Protocol]:
    """What packages bring. A name that is built in stays ours."""
    return {entry.name: Protocol(entry.name, entry.value) for entry in entry_points(group=GROUP)}


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(_installed() | {p.name: p for p in _BUILT_IN})
