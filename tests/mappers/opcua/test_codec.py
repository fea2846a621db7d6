"""Values on their way in and out, without a server."""

from __future__ import annotations

import json
import math
import struct
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary, variant_to_binary
from hypothesis import given, settings
from hypothesis import strategies as some

from device_models import DataType
from mappers.mapper import Failure, Raw, Sample
from mappers.opcua.arguments import RANGES, Shape
from mappers.opcua.structures import Structures
from mappers.opcua.values import to_raw

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
NUMBERS = {ua.VariantType.Double: some.floats(allow_nan=False), ua.VariantType.Boolean: some.booleans()} | {
    kind: some.integers(low, high) for kind, (low, high) in RANGES.items()
}


def read(value: Any, kind: Any = None, wanted: DataType = DataType.STRING, **more: Any) -> Raw:
    return to_raw(ua.DataValue(ua.Variant(value, kind), **more), wanted, lambda _: {})


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("x", ua.VariantType.String, "x"),
        (True, ua.VariantType.Boolean, "true"),
        (b"\x01\x02", ua.VariantType.ByteString, "AQI="),
        (MOMENT, ua.VariantType.DateTime, "2026-01-02T03:04:05.678Z"),
        (uuid.UUID(int=1), ua.VariantType.Guid, "00000000-0000-0000-0000-000000000001"),
        (ua.LocalizedText("Kessel", "de"), ua.VariantType.LocalizedText, "Kessel"),
        (ua.QualifiedName("Level", 2), ua.VariantType.QualifiedName, "2:Level"),
        (ua.NodeId("Level", 2), ua.VariantType.NodeId, "ns=2;s=Level"),
        (ua.StatusCode(ua.StatusCodes.BadTimeout), ua.VariantType.StatusCode, "BadTimeout"),
        ([1.5, math.nan, -math.inf], ua.VariantType.Double, "[1.5,null,null]"),
        ([[1, 2], [3, 4]], ua.VariantType.Int32, "[[1,2],[3,4]]"),
        (["a", None], ua.VariantType.String, '["a",null]'),
        (ua.Range(Low=1.0, High=2.0), ua.VariantType.ExtensionObject, '{"Low":1.0,"High":2.0}'),
    ],
)
def test_types_have_a_text(value: Any, kind: Any, text: str) -> None:
    assert read(value, kind) == text


def test_numbers_stay_numbers_and_bytes_bytes() -> None:
    assert read(7, ua.VariantType.UInt16, DataType.INT) == 7
    assert read(True, ua.VariantType.Boolean, DataType.BOOLEAN) is True
    assert read(b"\x00\xff", ua.VariantType.ByteString, DataType.BYTES) == b"\x00\xff"


def test_time_and_quality_are_the_servers() -> None:
    later = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    assert read(1, wanted=DataType.INT, SourceTimestamp=MOMENT, ServerTimestamp=later) == Sample(1, 1767323045678)
    assert read(1, wanted=DataType.INT, ServerTimestamp=later) == Sample(1, 1767323046000)
    assert read(1, wanted=DataType.INT, SourceTimestamp=datetime(1601, 1, 1, tzinfo=UTC)) == 1
    doubt = ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
    said = read(1, wanted=DataType.INT, SourceTimestamp=MOMENT, StatusCode=doubt)
    assert said == Sample(1, 1767323045678, "uncertain", "UncertainLastUsableValue")
    assert read(1, StatusCode=ua.StatusCode(ua.StatusCodes.BadNoCommunication)) == Failure("BadNoCommunication")
    assert read(1, StatusCode=ua.StatusCode(ua.StatusCodes.BadTimeout | 0x480)) == Failure("BadTimeout")
    assert read(1, StatusCode=ua.StatusCode(0xC0000000)).__class__ is Failure
    assert read(None) == Failure("the server has no value for it")


@settings(max_examples=50, deadline=None)
@given(some.sampled_from(sorted(NUMBERS)).flatmap(lambda kind: some.tuples(some.just(kind), NUMBERS[kind])))
def test_what_is_written_is_read(pair: tuple[Any, Any]) -> None:
    kind, value = pair
    for shape, wish in ((Shape(kind), value), (Shape(kind, array=True), json.dumps([value, value]))):
        if isinstance(value, float) and not math.isfinite(value):
            continue
        sent = variant_from_binary(Buffer(variant_to_binary(shape.variant(wish))))
        assert sent.VariantType is kind
        assert sent.Value == ([value, value] if shape.array else value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, edge) for kind, (low, high) in RANGES.items() for edge in (low - 1, high + 1)),
        (ua.VariantType.Int32, 1.5),
        (ua.VariantType.Int32, "x"),
        (ua.VariantType.Int32, math.inf),
        (ua.VariantType.Int32, None),
        (ua.VariantType.Float, 1e39),
        (ua.VariantType.Double, True),
        (ua.VariantType.Double, {}),
        (ua.VariantType.Boolean, "perhaps"),
        (ua.VariantType.Boolean, 2),
        (ua.VariantType.DateTime, "yesterday"),
        (ua.VariantType.Guid, "1"),
        (ua.VariantType.NodeId, "Level"),
        (ua.VariantType.StatusCode, "BadMood"),
        (ua.VariantType.ByteString, "?"),
        (ua.VariantType.String, {}),
        (ua.VariantType.DiagnosticInfo, "x"),
        (ua.VariantType.ExtensionObject, "{}"),
    ],
)
def test_what_does_not_fit_is_a_sentence(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r"server|fit"):
        Shape(kind).variant_of_json(value)


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        (ua.VariantType.Boolean, "true", True),
        (ua.VariantType.DateTime, "2026-01-02T03:04:05.678Z", MOMENT),
        (ua.VariantType.DateTime, 1767323045678, MOMENT),
        (ua.VariantType.ByteString, "AQI=", b"\x01\x02"),
        (ua.VariantType.LocalizedText, "Kessel", ua.LocalizedText("Kessel")),
        (ua.VariantType.StatusCode, "BadTimeout", ua.StatusCode(ua.StatusCodes.BadTimeout)),
        (ua.VariantType.NodeId, "ns=2;s=Level", ua.NodeId("Level", 2)),
        (ua.VariantType.Int16, 3.0, 3),
        (ua.VariantType.String, 3, "3"),
    ],
)
def test_spellings_of_other_types(kind: Any, value: Any, sent: Any) -> None:
    assert Shape(kind).variant_of_json(value).Value == sent


# -- structures ---------------------------------------------------------------------------------------------

PLAIN, UNION, OPTIONAL = (ua.NodeId(number, 5) for number in (1, 2, 3))
ENCODINGS = {type_: ua.NodeId(type_.Identifier + 100, 5) for type_ in (PLAIN, UNION, OPTIONAL)}
SIMPLE, MYSTERY = ua.NodeId(50, 5), ua.NodeId(60, 5)


def field(name: str, type_: Any, rank: int = -1, *, optional: bool = False) -> Any:
    node = ua.NodeId(type_) if isinstance(type_, int) else type_
    return ua.StructureField(Name=name, DataType=node, ValueRank=rank, IsOptional=optional)


KNOWN = {
    PLAIN: (ua.StructureType.Structure, [field("N", 7), field("Words", 12, 1), field("Kind", SIMPLE)]),
    UNION: (ua.StructureType.Union, [field("A", 6), field("B", PLAIN)]),
    OPTIONAL: (
        ua.StructureType.StructureWithOptionalFields,
        [field("Must", 11), field("May", 12, optional=True), field("Inner", PLAIN, 1, optional=True)],
    ),
}


class Server:
    """A `Source` of definitions."""

    async def definitions(self, types: Any) -> list[Any]:
        return [
            ua.StructureDefinition(
                DefaultEncodingId=ENCODINGS[type_], StructureType=KNOWN[type_][0], Fields=KNOWN[type_][1]
            )
            if type_ in KNOWN
            else None
            for type_ in types
        ]

    async def supertype(self, type_: Any) -> Any:
        return ua.NodeId(ua.ObjectIds.Enumeration) if type_ == SIMPLE else None


async def structures() -> Structures:
    made = Structures(Server())
    await made.learn([UNION, OPTIONAL, MYSTERY])
    return made


def _holding(encoding: Any, body: bytes) -> Any:
    structure = ua.ExtensionObject(TypeId=encoding, Body=body)
    return ua.DataValue(ua.Variant(structure, ua.VariantType.ExtensionObject))


plain = some.fixed_dictionaries(
    {"N": some.integers(0, 2**32 - 1), "Words": some.lists(some.text()), "Kind": some.integers(-9, 9)}
)
values = some.one_of(
    some.tuples(some.just(PLAIN), plain),
    some.tuples(
        some.just(UNION), some.one_of(some.fixed_dictionaries({"A": some.just(5)}), plain.map(lambda p: {"B": p}))
    ),
    some.tuples(
        some.just(OPTIONAL),
        some.fixed_dictionaries(
            {"Must": some.floats(allow_nan=False), "May": some.none() | some.text()}
            | {"Inner": some.none() | some.lists(plain, max_size=3)}
        ),
    ),
)


@settings(max_examples=50, deadline=None)
@given(values)
async def test_structures_are_read_as_they_were_written(pair: tuple[Any, Any]) -> None:
    made = await structures()
    assert made.decode(made.encode(*pair)) == pair[1]


@settings(max_examples=50, deadline=None)
@given(some.sampled_from(sorted(ENCODINGS, key=str)), some.binary(max_size=60))
async def test_noise_is_a_structure_or_a_sentence(type_: Any, noise: bytes) -> None:
    made = await structures()
    raw = to_raw(_holding(ENCODINGS[type_], noise), DataType.STRING, made.decode)
    assert raw.__class__ is str or (isinstance(raw, Failure) and "structure" in raw.reason)


async def test_a_length_below_nothing_is_a_sentence() -> None:
    made = await structures()
    body = struct.pack("<IIII", 3, 0, 0, 1 << 31)
    for encoding in ENCODINGS.values():
        raw = to_raw(_holding(encoding, body), DataType.STRING, made.decode)
        assert raw.__class__ is str or (isinstance(raw, Failure) and "structure" in raw.reason)


async def test_the_bytes_of_a_structure_are_the_standards() -> None:
    made = await structures()
    body = made.encode(PLAIN, {"N": 7, "Words": ["a"], "Kind": 2}).Body
    assert body == struct.pack("<Iii1si", 7, 1, 1, b"a", 2)
    assert made.encode(OPTIONAL, {"Must": 1.0, "Inner": []}).Body == struct.pack("<Idi", 0b10, 1.0, 0)


@pytest.mark.parametrize(
    ("type_", "value", "why"),
    [
        (PLAIN, [], "wants an object with N, Words, Kind"),
        (PLAIN, {"N": 1, "Words": []}, "needs Kind"),
        (PLAIN, {"N": 1, "Words": [], "Kind": 1, "More": 2}, "has no More"),
        (PLAIN, {"N": -1, "Words": [], "Kind": 1}, "-1 does not fit"),
        (PLAIN, {"N": 1, "Words": "x", "Kind": 1}, "Words is an array"),
        (UNION, {}, "exactly one of A, B"),
        (MYSTERY, {}, "does not say how this structure is built"),
    ],
)
async def test_what_is_no_such_structure_is_a_sentence(type_: Any, value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        (await structures()).encode(type_, value)


async def test_an_unknown_structure_is_bad_with_that_reason() -> None:
    made = await structures()
    unknown = ua.DataValue(
        ua.Variant(ua.ExtensionObject(TypeId=ua.NodeId(9, 9), Body=b"x"), ua.VariantType.ExtensionObject)
    )
    raw = to_raw(unknown, DataType.STRING, made.decode)
    assert raw == Failure("the server does not say how the structure ns=9;i=9 is built")
