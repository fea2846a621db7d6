"""What the mappers of this installation say of their protocols' settings, for checking manifests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from device_models import ProtocolSchema
from mappers.protocols import PROTOCOLS

__all__ = ["protocol_schemas"]


@cache
def protocol_schemas() -> Mapping[str, ProtocolSchema]:
    """By `protocolName`. Imports the mappers."""
    schemas = {name: ProtocolSchema(p.config_schema(), p.visitor_schema()) for name, p in PROTOCOLS.items()}
    return MappingProxyType(schemas)
