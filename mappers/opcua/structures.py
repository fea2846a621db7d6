"""Structures of a server's own, by the definitions it publishes (DataTypeDefinition, since OPC-UA 1.04).

They are kept for one session: two servers may use the same ids for different things, and a registry shared by
the process would read the values of one with the words of the other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import Primitives, pack_uatype, unpack_uatype

from mappers.opcua.arguments import scalar

LARGEST_BUILTIN = 25
"""Ids of namespace 0 up to this are the built-in types."""
UNDERSTOOD = (
    ua.StructureType.Structure,
    ua.StructureType.StructureWithOptionalFields,
    ua.StructureType.Union,
)
"""Those with subtyped values carry types inside that no definition names."""
LONGEST_ARRAY = 1_000_000
DEEPEST = 32


class Source(Protocol):
    """Where definitions come from."""

    async def definitions(self, types: Sequence[ua.NodeId]) -> Sequence[Any]:
        """The DataTypeDefinition of each data type; None where there is none."""

    async def supertype(self, type_: ua.NodeId) -> ua.NodeId | None:
        """What a data type is derived from."""


class Structures:
    """`learn` data types, then `decode` and `encode` structures of them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._builtin: dict[ua.NodeId, ua.VariantType] = {}
        """Simple types and enumerations, as the built-in type they travel in."""
        self._structures: dict[ua.NodeId, ua.StructureDefinition] = {}
        """By data type."""
        self._by_encoding: dict[ua.NodeId, ua.NodeId] = {}
        self._unknown: set[ua.NodeId] = set()

    async def learn(self, types: Sequence[ua.NodeId]) -> None:
        """Get to know these data types, and those of their fields."""
        wanted = {each for each in types if self._is_new(each)}
        while wanted:
            asked = list(wanted)
            wanted = set()
            for type_, definition in zip(asked, await self._source.definitions(asked), strict=True):
                if isinstance(definition, ua.StructureDefinition) and definition.StructureType in UNDERSTOOD:
                    self._structures[type_] = definition
                    self._by_encoding[definition.DefaultEncodingId] = type_
                    wanted |= {field.DataType for field in definition.Fields or ()}
                elif isinstance(definition, ua.EnumDefinition):
                    self._builtin[type_] = ua.VariantType.Int32
                else:
                    await self._learn_simple(type_)
            wanted = {each for each in wanted if self._is_new(each)}

    def builtin(self, type_: ua.NodeId) -> ua.VariantType | None:
        """The built-in type a data type travels in; None where it is abstract or unknown."""
        if _is_builtin(type_):
            return ua.VariantType(type_.Identifier)
        return ua.VariantType.ExtensionObject if type_ in self._structures else self._builtin.get(type_)

    def decode(self, value: ua.ExtensionObject) -> dict[str, Any]:
        """A structure as an object. ValueError when its definition is not known, or it is not as defined."""
        type_ = self._by_encoding.get(value.TypeId)
        if type_ is None:
            raise ValueError(f"the server does not say how the structure {value.TypeId.to_string()} is built")
        try:
            return self._read(type_, Buffer(value.Body or b""), 0)
        except (ua.UaError, struct.error, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a structure is not as the server defines it: {error}") from None

    def encode(self, type_: ua.NodeId, value: Any) -> ua.ExtensionObject:
        """An object as a structure of that data type. ValueError when it does not fit."""
        if type_ not in self._structures:
            raise ValueError("the server does not say how this structure is built")
        encoding = self._structures[type_].DefaultEncodingId
        return ua.ExtensionObject(TypeId=encoding, Body=self._written(type_, value, 0))

    def _is_new(self, type_: ua.NodeId) -> bool:
        known = _is_builtin(type_) or type_ in self._structures or type_ in self._builtin
        return not known and type_ not in self._unknown

    async def _learn_simple(self, type_: ua.NodeId) -> None:
        """A type without a definition travels in the built-in type it is derived from."""
        ancestor: ua.NodeId | None = type_
        for _ in range(DEEPEST):
            if ancestor is None:
                break
            if ancestor == ENUMERATION or _is_builtin(ancestor):
                simple = ua.VariantType.Int32 if ancestor == ENUMERATION else ua.VariantType(ancestor.Identifier)
                if simple is not ua.VariantType.ExtensionObject and simple is not ua.VariantType.Variant:
                    self._builtin[type_] = simple
                    return
                break
            ancestor = await self._source.supertype(ancestor)
        self._unknown.add(type_)

    # -- reading -------------------------------------------------------------------------------------------

    def _read(self, type_: ua.NodeId, data: Buffer, depth: int) -> dict[str, Any]:
        if depth > DEEPEST:
            raise ValueError("nested too deep")
        definition = self._structures[type_]
        fields = definition.Fields or []
        if definition.StructureType == ua.StructureType.Union:
            chosen = Primitives.UInt32.unpack(data)
            fields = [fields[chosen - 1]] if 0 < chosen <= len(fields) else []
            return {str(field.Name): self._field(field, data, depth) for field in fields}
        mask = Primitives.UInt32.unpack(data) if _has_mask(definition) else 0
        found: dict[str, Any] = {}
        for field, bit in _with_bits(fields):
            absent = _has_mask(definition) and field.IsOptional and not mask >> bit & 1
            found[str(field.Name)] = None if absent else self._field(field, data, depth)
        return found

    def _field(self, field: ua.StructureField, data: Buffer, depth: int) -> Any:
        if field.ValueRank < 1:
            return self._one(field.DataType, data, depth)
        if field.ValueRank > 1:
            dimensions = [Primitives.Int32.unpack(data) for _ in range(max(0, Primitives.Int32.unpack(data)))]
            count = 1
            for each in dimensions:
                count *= max(0, each)
            return self._many(field.DataType, count, data, depth)
        return self._many(field.DataType, Primitives.Int32.unpack(data), data, depth)

    def _many(self, type_: ua.NodeId, count: int, data: Buffer, depth: int) -> list[Any] | None:
        if count < 0:
            return None
        if count > min(LONGEST_ARRAY, len(data)):
            raise ValueError(f"an array of {count}")
        return [self._one(type_, data, depth) for _ in range(count)]

    def _one(self, type_: ua.NodeId, data: Buffer, depth: int) -> Any:
        if type_ in self._structures:
            return self._read(type_, data, depth + 1)
        return unpack_uatype(self._travels_as(type_), data)

    def _travels_as(self, type_: ua.NodeId) -> ua.VariantType:
        kind = self.builtin(type_)
        if kind is None:
            raise ValueError(f"the server does not say how the type {type_.to_string()} is built")
        return kind

    # -- writing -------------------------------------------------------------------------------------------

    def _written(self, type_: ua.NodeId, value: Any, depth: int) -> bytes:
        definition = self._structures[type_]
        fields = definition.Fields or []
        if not isinstance(value, Mapping):
            raise ValueError(f"the server wants an object with {_names(fields)}")  # noqa: TRY004
        unknown = set(value) - {field.Name for field in fields}
        if unknown or depth > DEEPEST:
            raise ValueError(f"the structure has no {', '.join(sorted(unknown))}; it has {_names(fields)}")
        if definition.StructureType == ua.StructureType.Union:
            return self._written_union(fields, value, depth)
        mask, parts = 0, []
        for field, bit in _with_bits(fields):
            if _has_mask(definition) and field.IsOptional and value.get(field.Name) is None:
                continue
            if field.Name not in value:
                raise ValueError(f"the structure needs {field.Name}; it has {_names(fields)}")
            mask |= 1 << bit if field.IsOptional else 0
            parts.append(self._written_field(field, value[field.Name], depth))
        return (Primitives.UInt32.pack(mask) if _has_mask(definition) else b"") + b"".join(parts)

    def _written_union(self, fields: Sequence[ua.StructureField], value: Mapping[str, Any], depth: int) -> bytes:
        if len(value) != 1:
            raise ValueError(f"write exactly one of {_names(fields)}")
        [(name, inner)] = value.items()
        place = next(number for number, field in enumerate(fields, 1) if field.Name == name)
        return bytes(Primitives.UInt32.pack(place)) + self._written_field(fields[place - 1], inner, depth)

    def _written_field(self, field: ua.StructureField, value: Any, depth: int) -> bytes:
        if field.ValueRank > 1:
            raise ValueError(f"{field.Name} is a matrix, which cannot be written")
        if field.ValueRank < 1:
            return self._written_one(field.DataType, value, depth)
        if not isinstance(value, list):
            raise ValueError(f"{field.Name} is an array")  # noqa: TRY004
        items = b"".join(self._written_one(field.DataType, each, depth) for each in value)
        return bytes(Primitives.Int32.pack(len(value))) + items

    def _written_one(self, type_: ua.NodeId, value: Any, depth: int) -> bytes:
        if type_ in self._structures:
            return self._written(type_, value, depth + 1)
        kind = self._travels_as(type_)
        return bytes(pack_uatype(kind, scalar(kind, value)))


ENUMERATION = ua.NodeId(ua.ObjectIds.Enumeration)


def _is_builtin(type_: ua.NodeId) -> bool:
    return type_.NamespaceIndex == 0 and isinstance(type_.Identifier, int) and 0 < type_.Identifier <= LARGEST_BUILTIN


def _has_mask(definition: ua.StructureDefinition) -> bool:
    return bool(definition.StructureType == ua.StructureType.StructureWithOptionalFields)


def _with_bits(fields: Sequence[ua.StructureField]) -> list[tuple[ua.StructureField, int]]:
    """Fields, and for optional ones their bit in the mask that goes before."""
    bits, numbered = 0, []
    for field in fields:
        numbered.append((field, bits))
        bits += bool(field.IsOptional)
    return numbered


def _names(fields: Sequence[ua.StructureField]) -> str:
    return ", ".join(str(field.Name) for field in fields)
