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
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any

from device_models.protocols import ProtocolSchema, UnusableProtocol
from mappers.mapper import Mapper

GROUP = "twinhub.mappers"
"""The entry point of packages: `protocolName = package.mapper:Class`."""


class BrokenMapper(UnusableProtocol):
    """A protocol is known, but its mapper cannot be imported; says why and what to install or mend."""


@dataclass(frozen=True)
class Protocol:
    """A protocol by its `protocolName`."""

    name: str
    path: str
    """Where its mapper is: `package.mapper:Class`. Beside it lie `simulator` and `rig`."""
    also: tuple[str, ...] = ()
    """Other names by which it goes: what they name is one protocol, and shares its links."""

    @property
    def names(self) -> tuple[str, ...]:
        """All `protocolName`s that mean it."""
        return self.name, *self.also

    @cached_property
    def mapper(self) -> type[Mapper[Any, Any]]:
        """The mapper class; imports it. BrokenMapper when that fails."""
        module, _, name = self.path.partition(":")
        mapper: object = getattr(self._import(module), name, None)
        if not (isinstance(mapper, type) and issubclass(mapper, Mapper)):
            raise self._broken(f"{self.path} is no Mapper; mend the entry point of its package")
        return mapper

    @cached_property
    def schema(self) -> ProtocolSchema:
        """What `protocol.configData` and `visitors.configData` may be. BrokenMapper as with `mapper`."""
        try:
            return ProtocolSchema(self.config_schema(), self.visitor_schema())
        except (TypeError, ValueError, AttributeError) as error:
            raise self._broken(f"its forms of configuration: {error}") from error

    @property
    def package(self) -> str:
        """Where its mapper, simulator and rig lie."""
        return self.path.partition(":")[0].rpartition(".")[0]

    def part(self, name: str) -> ModuleType:
        """A module beside the mapper: `simulator`, `rig`. BrokenMapper when it cannot be imported."""
        return self._import(f"{self.package}.{name}")

    def has(self, part: str) -> bool:
        """Whether that module is there; it is not imported."""
        try:
            return find_spec(f"{self.package}.{part}") is not None
        except Exception:  # noqa: BLE001 - the package around it is imported, and may be broken in any way
            return False

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
            raise self._broken(f"{module}: {type(error).__name__}: {error}") from error

    def _broken(self, why: str) -> BrokenMapper:
        return BrokenMapper(f"the mapper for {self.name} cannot be loaded: {why}")


_BUILT_IN = (
    Protocol("ble", "mappers.ble.mapper:BleMapper", also=("bluetooth",)),  # which is KubeEdge's name
    Protocol("modbus", "mappers.modbus.mapper:ModbusMapper"),
    Protocol("opcua", "mappers.opcua.mapper:OpcuaMapper"),
    Protocol("replay", "mappers.replay.mapper:ReplayMapper"),
    Protocol("serial", "mappers.serial.mapper:SerialMapper"),
    Protocol("satellite", "mappers.satellite.mapper:SatelliteMapper"),
)


def _installed() -> dict[str, Protocol]:
    """What packages bring. A name that is built in stays ours."""
    return {entry.name: Protocol(entry.name, f"{entry.module}:{entry.attr}") for entry in entry_points(group=GROUP)}


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    _installed() | {name: protocol for protocol in _BUILT_IN for name in protocol.names}
)
"""By each of their names."""
