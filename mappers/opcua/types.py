"""Which type a variable or an argument has: asked once for each connection, before the first write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from asyncua import ua

from mappers.mapper import Refused
from mappers.opcua.arguments import Shape
from mappers.opcua.session import Session
from mappers.opcua.structures import Structures
from mappers.opcua.values import name_of


class Definitions:
    """What a server says of its data types; the `Source` of `Structures`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def definitions(self, types: Sequence[ua.NodeId]) -> Sequence[Any]:
        return [_value(each) for each in await self._session.read(types, ua.AttributeIds.DataTypeDefinition)]

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


class Input(NamedTuple):
    """An input argument of a method."""

    name: str
    shape: Shape


class Types:
    """The shapes of variables and arguments, and the structures behind them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.structures = Structures(Definitions(session))
        self._shapes: dict[ua.NodeId, Shape] = {}
        self._inputs: dict[ua.NodeId, Sequence[Input]] = {}

    async def learn(self, variables: Sequence[ua.NodeId]) -> None:
        """Get to know the structures that these variables hold, so that their values can be read."""
        answers = await self._session.read(variables, ua.AttributeIds.DataType)
        types = {found for each in answers if isinstance(found := _value(each), ua.NodeId)}
        await self.structures.learn(list(types))

    async def shape(self, variable: ua.NodeId) -> Shape:
        """What it takes. Refused when the server does not say."""
        if variable not in self._shapes:
            self._shapes[variable] = await self._ask(variable)
        return self._shapes[variable]

    async def inputs(self, method: ua.NodeId) -> Sequence[Input]:
        """What a method takes; one without InputArguments takes nothing."""
        if method not in self._inputs:
            self._inputs[method] = [await self._input(each) for each in await self._declared(method)]
        return self._inputs[method]

    async def _declared(self, method: ua.NodeId) -> Sequence[ua.Argument]:
        step = ua.RelativePathElement(
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasProperty),
            IsInverse=False,
            IncludeSubtypes=True,
            TargetName=ua.QualifiedName("InputArguments", 0),
        )
        path = ua.BrowsePath(StartingNode=method, RelativePath=ua.RelativePath(Elements=[step]))
        [found] = await self._session.client.uaclient.translate_browsepaths_to_nodeids([path])
        if not found.StatusCode.is_good() or not found.Targets:
            return ()
        target = found.Targets[0].TargetId
        [data] = await self._session.read([ua.NodeId(target.Identifier, target.NamespaceIndex)])
        return _value(data) or ()

    async def _input(self, argument: ua.Argument) -> Input:
        await self.structures.learn([argument.DataType])
        kind = self.structures.builtin(argument.DataType)
        if kind is None or kind is ua.VariantType.Variant:
            raise Refused(f"the argument {argument.Name} may be of any type, which cannot be written")
        return Input(str(argument.Name), self._shape(kind, argument.DataType, array=argument.ValueRank >= 1))

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
