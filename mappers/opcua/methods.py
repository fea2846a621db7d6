"""Methods: a property whose desired value is the arguments of a call, and properties that show what it answered.

The value is a JSON array of the input arguments, or a bare scalar for a method with a single one. An object
`{"arguments": [...], "call": ANYTHING}` says the same, and another ANYTHING calls again with the same arguments.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncua import ua

from mappers.mapper import Failure, Point, Raw, Refused, Sample, Value
from mappers.opcua.config import OpcuaConfig, OpcuaVisitor
from mappers.opcua.session import Session
from mappers.opcua.types import Input, Types
from mappers.opcua.values import name_of, to_raw

OpcuaPoint = Point[OpcuaConfig, OpcuaVisitor]

NOT_CALLED = Failure("not called yet")
NEVER = frozenset({
    "BadArgumentsMissing", "BadTooManyArguments", "BadInvalidArgument", "BadTypeMismatch", "BadOutOfRange",
    "BadMethodInvalid", "BadNotSupported", "BadNotImplemented", "BadUserAccessDenied", "BadNotExecutable",
})  # fmt: skip
"""What a server says to calls that it will never carry out."""


class Answer(NamedTuple):
    """What the last call came to."""

    wish: Value
    """As it was written."""
    outputs: Sequence[ua.Variant]
    time: int
    """When it was answered, Unix milliseconds by this machine's clock."""


class Calls:
    """The calls of one link: they outlive its connections, for what was called stays called."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], Answer] = {}
        self._unanswered: dict[tuple[str, str, str], Value] = {}

    def show(self, point: OpcuaPoint, types: Types) -> Raw:
        """What a property of a method shows: the call itself, or one of its outputs."""
        answer = self._answers.get(_key(point))
        if answer is None:
            return NOT_CALLED
        output = point.visitor.output
        if output is None:
            return Sample(answer.wish, answer.time)
        if output >= len(answer.outputs):
            return Failure(f"the method has {len(answer.outputs)} outputs, counted from 0")
        data = ua.DataValue(answer.outputs[output])
        raw = to_raw(data, point.property.type, types.structures.decode)
        return raw if isinstance(raw, (Failure, Sample)) else Sample(raw, answer.time)

    async def call(
        self, session: Session, types: Types, point: OpcuaPoint, place: tuple[ua.NodeId, ua.NodeId], wish: Value
    ) -> None:
        """Call it. ValueError when the arguments do not fit or the server never will, Refused when it does not now.

        A call whose answer was lost may have been carried out: it is not repeated by itself.
        """
        key = _key(point)
        if self._unanswered.get(key) == wish:
            raise ValueError("it was called, and the answer was lost; to call again, write it with another `call`")
        arguments = await _arguments(types, place[1], wish)
        self._unanswered[key] = wish
        request = ua.CallMethodRequest(ObjectId=place[0], MethodId=place[1], InputArguments=arguments)
        [result] = await session.client.uaclient.call([request])
        del self._unanswered[key]
        if not result.StatusCode.is_good():
            raise _refusal(result)
        self._answers[key] = Answer(wish, result.OutputArguments or (), time.time_ns() // 1_000_000)


async def _arguments(types: Types, method: ua.NodeId, wish: Value) -> list[ua.Variant]:
    declared = await types.inputs(method)
    given = _given(wish, declared)
    if len(given) != len(declared):
        names = ", ".join(each.name for each in declared) or "none"
        raise ValueError(f"the method takes {len(declared)} arguments ({names}), {len(given)} are given")
    return [_variant(each, value) for each, value in zip(declared, given, strict=True)]


def _variant(declared: Input, value: Any) -> ua.Variant:
    try:
        return declared.shape.variant_of_json(value)
    except ValueError as error:
        raise ValueError(f"argument {declared.name}: {error}") from None


def _given(wish: Value, declared: Sequence[Input]) -> list[Any]:
    value = _parsed(wish)
    if isinstance(value, dict) and "arguments" in value and set(value) <= {"arguments", "call"}:
        value = value["arguments"]
    if isinstance(value, list):
        bare = len(declared) == 1 and declared[0].shape.array and not (len(value) == 1 and isinstance(value[0], list))
        return [value] if bare else value
    text = len(declared) == 1 and declared[0].shape.type is ua.VariantType.String
    return [wish if text else value]


def _parsed(wish: Value) -> Any:
    if not isinstance(wish, str):
        return wish
    try:
        return json.loads(wish)
    except ValueError:
        return wish


def _refusal(result: ua.CallMethodResult) -> Exception:
    name = name_of(result.StatusCode)
    wrong = [place for place, each in enumerate(result.InputArgumentResults or ()) if not each.is_good()]
    which = f" (argument {', '.join(map(str, wrong))})" if wrong else ""
    return ValueError(f"{name}{which}") if name in NEVER else Refused(f"{name}{which}")


def _key(point: OpcuaPoint) -> tuple[str, str, str]:
    return point.device_id, point.visitor.owner, point.visitor.method
