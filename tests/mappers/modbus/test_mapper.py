"""The Modbus mapper against slaves of three makes, over TCP, RTU and RTU over TCP."""

from __future__ import annotations

from typing import Any

import pytest

from device_models import Conversion, DataType

D = "default/d"


async def test_all_tables_are_read(any_slave: Any, make_device: Any, plant: Any, stage: Any) -> None:
    device = make_device(
        any_slave,
        holding={"register": "HoldingRegister", "offset": 7, "limit": 1},
        wide={"register": "holding", "address": 2, "type": "uint32"},
        swapped={"register": "holding", "address": 2, "type": "uint32", "order": "CDAB"},
        float=(DataType.FLOAT, {"register": "holding", "address": 100, "type": "float32"}),
        input={"register": "InputRegister", "address": 150},
        on=(DataType.BOOLEAN, {"register": "CoilRegister", "offset": 3}),
        off=(DataType.BOOLEAN, {"register": "coil", "address": 4}),
        four={"register": "coil", "address": 0, "count": 4},
        discrete={"register": "DiscreteInputRegister", "offset": 9},
        bit=(DataType.BOOLEAN, {"register": "holding", "address": 6, "bit": 2}),
        scaled=(DataType.FLOAT, {"register": "input", "address": 15, "limit": 1, "scale": 0.1}),
    )
    async with plant.run(device):
        await stage.until(lambda: len({r.property for _, report in stage.side.reports for r in report}) == 11)
    expected = {
        "holding": "7", "wide": "131075", "swapped": "196610", "float": "21.5", "input": "1150", "on": "true",
        "off": "false", "four": "10", "discrete": "1", "bit": "true", "scaled": "101.5",
    }  # fmt: skip
    assert {name: stage.side.value(D, name) for name in expected} == expected
    assert all(stage.side.quality(D, name) == "good" for name in expected)


async def test_all_that_can_be_written_is_written_and_read_back(
    any_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    tenths = {"conversion": Conversion(scale=0.1)}
    device = make_device(
        any_slave,
        period=0.2,
        word={"register": "holding", "address": 10},
        negative={"register": "holding", "address": 11, "type": "int16"},
        wide={"register": "holding", "address": 12, "type": "int64", "order": "DCBA"},
        float=(DataType.DOUBLE, {"register": "holding", "address": 20, "type": "float32", "order": "BADC"}),
        text=(DataType.STRING, {"register": "holding", "address": 30, "count": 4}),
        bytes=(DataType.BYTES, {"register": "holding", "address": 40, "count": 2}),
        coil=(DataType.BOOLEAN, {"register": "coil", "address": 10}),
        coils={"register": "coil", "address": 20, "count": 5},
        bit=(DataType.BOOLEAN, {"register": "holding", "address": 50, "bit": 15}),
        beside={"register": "holding", "address": 50},
        scaled=(DataType.FLOAT, {"register": "holding", "address": 60, "type": "int16"}, tenths),
    )
    wishes = {
        "word": "40000", "negative": "-3", "wide": "-1234567890123", "float": "21.3", "text": "pump A",
        "bytes": "AQIDBA==", "coil": "true", "coils": "21", "bit": "true", "scaled": "12.30",
    }  # fmt: skip
    async with plant.run(device):
        stage.side.wish(D, **wishes)
        await stage.until(lambda: all(stage.side.value(D, name) == text for name, text in wishes.items()))
        await stage.until(lambda: stage.side.value(D, "beside") == str(0x8000 | 50))


@pytest.mark.parametrize(
    ("visitor", "words"),
    [
        ({"register": "input", "address": 1}, "input registers can only be read"),
        ({"register": "discrete", "address": 1}, "discrete registers can only be read"),
        ({"register": "holding", "address": 1}, "70000 does not fit into a uint of 16 bits"),
        ({"register": "coil", "address": 1}, "70000 does not fit into 1 bits"),
    ],
)
async def test_what_cannot_be_written_is_said_once(
    hand_slave: Any,
    make_device: Any,
    plant: Any,
    stage: Any,
    caplog: pytest.LogCaptureFixture,
    visitor: dict[str, Any],
    words: str,
) -> None:
    async with hand_slave().serving() as slave:
        device = make_device({"host": "127.0.0.1", "port": slave.port}, x=visitor)
        async with plant.run(device):
            for _ in range(3):
                stage.side.wish(D, x="70000")
                await stage.until(lambda: words in caplog.text)
    assert caplog.text.count(words) == 1
    assert not [asked for asked in slave.asked if asked.function in (5, 6, 15, 16)]


async def test_thirty_registers_are_one_request(hand_slave: Any, make_device: Any, plant: Any, stage: Any) -> None:
    async with hand_slave().serving() as slave:
        visitors = {f"p{n}": {"register": "holding", "address": n} for n in range(30)}
        async with plant.run(make_device({"host": "127.0.0.1", "port": slave.port}, **visitors)):
            await stage.until(lambda: len(slave.asked) >= 3)
    assert {(asked.address, asked.count) for asked in slave.asked} == {(0, 30)}
    assert stage.side.value(D, "p29") == "29"


async def test_an_illegal_address_costs_only_its_own_property(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    def refuse(asked: Any) -> int:
        return 2 if asked.address <= 11 < asked.address + asked.count else 0

    async with hand_slave(refuse=refuse).serving() as slave:
        visitors = {f"p{n}": {"register": "holding", "address": n} for n in range(16)}
        async with plant.run(make_device({"host": "127.0.0.1", "port": slave.port}, **visitors)):
            await stage.until(
                lambda: stage.side.quality(D, "p15") == "good" and stage.side.quality(D, "p11") == "bad"
            )
            slave.asked.clear()
            await stage.until(lambda: len(slave.asked) >= 20)
        assert stage.side.last(D, "p11").reason == "illegal data address (exception 2)"
        assert [n for n in range(16) if stage.side.quality(D, f"p{n}") != "good"] == [11]
        assert stage.side.state_of(D) == "online"
        assert max(asked.count for asked in slave.asked) == 8


async def test_a_hole_that_must_not_be_read_is_left_out(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    def refuse(asked: Any) -> int:
        return 2 if asked.address <= 3 < asked.address + asked.count else 0

    async with hand_slave(refuse=refuse).serving() as slave:
        visitors = {f"p{n}": {"register": "holding", "address": n} for n in (0, 1, 2, 4, 5, 6)}
        async with plant.run(make_device({"host": "127.0.0.1", "port": slave.port}, **visitors)):
            await stage.until(lambda: all(stage.side.quality(D, name) == "good" for name in visitors))


async def test_a_slave_that_refuses_everything_is_not_flooded(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    async with hand_slave(refuse=lambda _asked: 4).serving() as slave:
        visitors = {f"p{n}": {"register": "holding", "address": n} for n in range(30)}
        async with plant.run(make_device({"host": "127.0.0.1", "port": slave.port}, period=0.02, **visitors)):
            await stage.until(lambda: stage.side.quality(D, "p29") == "bad")
            await stage.until(lambda: len(slave.asked) >= 4)
            assert {asked.count for asked in slave.asked} == {30}
            assert stage.side.last(D, "p0").reason == "device failure (exception 4)"
            assert stage.side.state_of(D) == "online"
            slave.refuse = lambda _asked: 0
            await stage.until(lambda: stage.side.quality(D, "p29") == "good")


async def test_a_slave_without_function_6_is_written_with_16(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    async with hand_slave(refuse=lambda asked: asked.function == 6).serving() as slave:
        device = make_device({"host": "127.0.0.1", "port": slave.port}, x={"register": "holding", "address": 5})
        async with plant.run(device):
            for wish in ("77", "78"):
                stage.side.wish(D, x=wish)
                await stage.until(lambda wish=wish: stage.side.value(D, "x") == wish)
    assert [asked.function for asked in slave.asked if asked.function in (6, 16)] == [6, 16, 16]


async def test_a_masked_field_is_written_without_touching_its_neighbours(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    async with hand_slave(units={1: {5: 0xABCD}}).serving() as slave:
        field = {"conversion": Conversion(mask=0x0FF0, shift=4)}
        device = make_device(
            {"host": "127.0.0.1", "port": slave.port}, x=(DataType.INT, {"register": "holding", "address": 5}, field)
        )
        async with plant.run(device):
            await stage.until(lambda: stage.side.value(D, "x") == str(0xBC))
            stage.side.wish(D, x=str(0x12))
            await stage.until(lambda: stage.side.value(D, "x") == str(0x12))
    assert slave.units[1][5] == 0xA12D
