"""Which type a variable or an argument has: asked once for each connection, before the first write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from asyncua import ua

from mappers.mapper import Refused
from mappers.opcua.arguments import Shape
from mappers.opcua.session import Session
from mappers.opcua.structures import Structures
from mappers.opcua.values import name_of

IN_ONE_REQUEST = 500


class Definitions:
    """What a server says of its data types; the `Source` of `Structures`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def definitions(self, types: Sequence[ua.NodeId]) -> Sequence[Any]:
        found: list[Any] = []
        for start in range(0, len(types), IN_ONE_REQUEST):
            chunk = types[start : start + IN_ONE_REQUEST]
            values = await self._session.read(chunk, ua.AttributeIds.DataTypeDefinition)
            found += [_value(each) for each in values]
        return found

    async def supertype(self, type_: ua.NodeId) -> ua.NodeId | None:
        asked = ua.BrowseDescription(
            NodeId=type_,
            BrowseDirection=ua.BrowseDirection.Inverse,
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasSubtype),
            IncludeSubtypes=True,
        )
        [result] = await self._session.client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[asked]))
        parents = result.References or []
        return ua.NodeId(parents[0].NodeId.Identifier, parents[0].NodeId.NamespaceIndex) if parents else None


class Types:
    """The shapes of variables, and the structures behind them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.structures = Structures(Definitions(session))
        self._shapes: dict[ua.NodeId, Shape] = {}

    async def learn(self, variables: Sequence[ua.NodeId]) -> None:
        """Get to know the structures that these variables hold, so that their values can be read."""
        types: set[ua.NodeId] = set()
        for start in range(0, len(variables), IN_ONE_REQUEST):
            chunk = variables[start : start + IN_ONE_REQUEST]
            answers = await self._session.read(chunk, ua.AttributeIds.DataType)
            types |= {found for each in answers if isinstance(found := _value(each), ua.NodeId)}
        await self.structures.learn(list(types))

    async def shape(self, variable: ua.NodeId) -> Shape:
        """What it takes. Refused when the server does not say."""
        if variable not in self._shapes:
            self._shapes[variable] = await self._ask(variable)
        return self._shapes[variable]

    async def of_argument(self, argument: ua.Argument) -> Shape:
        """What a method takes in that place."""
        await self.structures.learn([argument.DataType])
        kind = self.structures.builtin(argument.DataType)
        if kind is None or kind is ua.VariantType.Variant:
            raise Refused(f"the argument {argument.Name} may be of any type, which cannot be written")
        return self._shape(kind, argument.DataType, array=argument.ValueRank >= 1)

    async def _ask(self, variable: ua.NodeId) -> Shape:
        asked = [
            ua.ReadValueId(NodeId=variable, AttributeId=attribute)
            for attribute in (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank, ua.AttributeIds.Value)
        ]
        answers = await self._session.client.uaclient.read(ua.ReadParameters(NodesToRead=asked))
        type_, rank, present = (_value(each) for each in answers)
        if not isinstance(type_, ua.NodeId):
            raise Refused(f"the server does not say its type: {name_of(answers[0].StatusCode or ua.StatusCode())}")
        await self.structures.learn([type_])
        kind = self.structures.builtin(type_)
        variant = answers[2].Value
        if kind is None or kind is ua.VariantType.Variant:  # an abstract type: what is there now is the measure
            kind = None if variant is None else variant.VariantType
        if kind is None or kind is ua.VariantType.Null:
            raise Refused("the server does not say its type, and there is no value to take it from")
        return self._shape(kind, type_, array=isinstance(present, list) or (isinstance(rank, int) and rank >= 0))

    def _shape(self, kind: ua.VariantType, type_: ua.NodeId, *, array: bool) -> Shape:
        structure = partial(self.structures.encode, type_) if kind is ua.VariantType.ExtensionObject else None
        return Shape(kind, array, structure)


def _value(data: ua.DataValue) -> Any:
    if data.StatusCode is not None and not data.StatusCode.is_good():
        return None
    return None if data.Value is None else data.Value.Value
