"""What lines and slaves do to a mapper: cut, stall, garbage, late and foreign answers. It recovers and never lies."""

from __future__ import annotations

import asyncio
import itertools
import random
import struct
from typing import Any

import pytest

D = "default/d"
pytestmark = pytest.mark.usefixtures("quick")


def blocks(port: int, **config: Any) -> dict[str, Any]:
    """Two blocks of equal length, far apart: an answer to one would fit the other."""
    return {"host": "127.0.0.1", "port": port, "timeout": 0.1, "maxGap": 0} | config


LOW = {f"low{n}": {"register": "holding", "address": n} for n in range(3)}
HIGH = {f"high{n}": {"register": "holding", "address": 1000 + n} for n in range(3)}
TRUTH = {f"low{n}": str(n) for n in range(3)} | {f"high{n}": str(1000 + n) for n in range(3)}


def lies(side: Any) -> list[Any]:
    """Readings with a value that its register never held, or bad ones with a value or a time."""
    readings = [reading for _, report in side.reports for reading in report]
    wrong = [r for r in readings if r.value is not None and r.value != TRUTH[r.property]]
    return wrong + [r for r in readings if r.quality == "bad" and (r.value is not None or r.time)]


def garbled(asked: Any, pdu: bytes) -> list[Any]:
    """One of many ways to answer wrongly, or rightly."""
    other = struct.pack(">BB3H", asked.function, 6, 7, 8, 9)
    wrong_transaction = b"\xff\xf0" + struct.pack(">HHB", 0, len(other) + 1, asked.unit) + other
    ways: list[Any] = [
        [(0, pdu)],
        [(0, pdu)],
        [(0, pdu)],
        [(0.15, pdu)],  # later than the timeout
        [],
        [(0, pdu), (0, pdu)],
        [wrong_transaction, (0, pdu)],
        [wrong_transaction],
        [b"\x00"],
        [bytes(range(40))],
        [(0, pdu[:-2])],  # fewer bytes than it says
        [(0, pdu[:1] + b"\x02" + pdu[2:4])],  # fewer registers than asked for
        [(0, bytes([4]) + pdu[1:])],  # another function
        [(0, bytes([asked.function | 0x80, 6]))],
        [(0, bytes([asked.function | 0x80]))],
        [(0, b"")],
    ]
    return random.choice(ways)


@pytest.mark.parametrize("rtu", [False, True])
async def test_whatever_a_slave_says_no_reading_lies(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any, rtu: bool
) -> None:
    random.seed(20)
    async with hand_slave(rtu=rtu).serving() as slave:
        config = blocks(slave.port, **({"mode": "rtuOverTcp"} if rtu else {}))
        async with plant.run(make_device(config, period=0.02, **LOW, **HIGH)):
            await stage.until(lambda: stage.side.value(D, "high2"))
            slave.twist = noisy if rtu else garbled
            await asyncio.sleep(2)
            slave.twist = lambda _asked, pdu: [(0, pdu)]
            await stage.until(lambda: all(stage.side.quality(D, name) == "good" for name in TRUTH))
    assert lies(stage.side) == []
    assert sum(reading.quality == "bad" for _, report in stage.side.reports for reading in report) > 5


def noisy(asked: Any, pdu: bytes) -> list[Any]:
    """A serial line has no transaction numbers; noise is caught by its checksum."""
    good = bytes([asked.unit]) + pdu
    ways: list[Any] = [
        [(0, pdu)],
        [(0, pdu)],
        [(0.15, pdu)],
        [],
        [b"\x00\xff", (0.01, pdu)],
        [bytes(range(60))],
        [good + b"\x00\x00"],
        [good[:5]],
        [(0, bytes([asked.function | 0x80, 6]))],
    ]
    return random.choice(ways)


async def test_a_late_answer_is_not_taken_for_the_next_one(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    delays = itertools.cycle([0.12, 0.0])
    async with hand_slave().serving() as slave:
        slave.twist = lambda _asked, pdu: [(next(delays), pdu)]
        async with plant.run(make_device(blocks(slave.port), period=0.02, **LOW, **HIGH)):
            await stage.until(lambda: len(slave.asked) > 12)
    assert lies(stage.side) == []


@pytest.mark.parametrize("line", ["tcp", "tcp without transactions", "rtu", "rtu, among others"])
async def test_an_answer_that_comes_with_the_next_one_is_not_taken_for_it(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any, line: str
) -> None:
    held: list[bytes] = []
    mixed = 0

    def late(asked: Any, pdu: bytes) -> list[Any]:
        nonlocal mixed
        if line == "tcp without transactions":
            asked.transaction = b"\0\0"
        if asked.address >= 1000:
            held.append(slave.frame(asked, pdu))
            return []
        if asked.unit == 2 and line != "rtu, among others":
            return [(0, pdu)]
        mixed += bool(held)
        old, held[:] = held[:1], []
        return [*old, (0, pdu)]

    slave = hand_slave(rtu="rtu" in line, twist=late)
    config = blocks(slave.port, timeout=0.05, mode="rtuOverTcp" if "rtu" in line else "tcp")
    other = make_device(config | {"unit": 2}, "other", 0.02, **LOW)
    slave.units[2] = {}
    async with slave.serving(), plant.run(make_device(config, period=0.02, **LOW, **HIGH), other):
        await stage.until(lambda: mixed >= 2, 20)
    assert lies(stage.side) == []
    assert slave.connections == 1 or line == "tcp without transactions"  # there only a new one can tell


@pytest.mark.parametrize("forbidden", [[], [{"register": "holding", "first": 1001, "last": 1001}]])
async def test_single_registers_on_a_line_are_not_mixed_up_nor_forbidden_ones_read(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any, forbidden: list[Any]
) -> None:
    """Every other answer comes with the next one; both are of one register."""
    held: list[bytes] = []
    turn = itertools.count()

    def late(asked: Any, pdu: bytes) -> list[Any]:
        if next(turn) % 2:
            held.append(slave.frame(asked, pdu))
            return []
        old, held[:] = held[:1], []
        return [*old, (0, pdu)]

    slave = hand_slave(rtu=True, twist=late)
    one = {"low0": LOW["low0"], "high0": HIGH["high0"]}
    config = blocks(slave.port, timeout=0.05, mode="rtuOverTcp", forbidden=forbidden)
    async with slave.serving(), plant.run(make_device(config, period=0.02, **one)):
        await stage.until(lambda: len(slave.asked) > 15, 20)
    assert lies(stage.side) == []
    assert stage.side.value(D, "low0") == "0"
    if forbidden:
        assert not [asked for asked in slave.asked if asked.address <= 1001 < asked.address + asked.count]


async def test_an_answer_of_another_length_is_said_in_words(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    short = bytes([3, 2, 0, 7])
    slave = hand_slave(twist=lambda _asked, _pdu: [(0, short)])
    async with slave.serving(), plant.run(make_device(blocks(slave.port), **LOW)):
        await stage.until(lambda: stage.side.last(D, "low0"))
    assert stage.side.last(D, "low0").reason == "the answer has 2 bytes, 6 were asked for"


async def test_a_slave_that_never_says_the_transaction_is_understood(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    def anonymous(asked: Any, pdu: bytes) -> list[Any]:
        return [b"\0\0" + struct.pack(">HHB", 0, len(pdu) + 1, 255) + pdu]

    async with hand_slave(twist=anonymous).serving() as slave, plant.run(make_device(blocks(slave.port), **LOW)):
        await stage.until(lambda: stage.side.value(D, "low2") == "2")


async def test_a_cut_connection_is_noticed_at_once_and_made_again(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    async with hand_slave().serving() as slave, plant.run(make_device(blocks(slave.port, timeout=30), **LOW)):
        await stage.until(lambda: stage.side.value(D, "low2"))
        slave.twist = lambda _asked, _pdu: []  # a request is under way when the cut comes
        asked = len(slave.asked)
        await stage.until(lambda: len(slave.asked) > asked)
        slave.twist = lambda _asked, pdu: [(0, pdu)]
        slave.hang_up()
        await stage.until(lambda: "bad" in [reading.quality for reading in stage.side.readings(D, "low2")])
        await stage.until(lambda: stage.side.quality(D, "low2") == "good")
        assert slave.connections == 2


async def test_a_slave_that_restarts_is_read_again(hand_slave: Any, make_device: Any, plant: Any, stage: Any) -> None:
    slave = hand_slave()
    async with plant.run(make_device(blocks(slave.port), **LOW)):
        for _ in range(3):
            await stage.until(lambda: stage.side.quality(D, "low0") == "bad")
            async with slave.serving():
                await stage.until(lambda: stage.side.quality(D, "low0") == "good")
    assert lies(stage.side) == []


async def test_a_stalled_connection_is_replaced(hand_slave: Any, make_device: Any, plant: Any, stage: Any) -> None:
    """The cable was out long enough for the slave to forget the connection: it only answers on a new one."""
    async with hand_slave().serving() as slave, plant.run(make_device(blocks(slave.port), **LOW)):
        await stage.until(lambda: stage.side.value(D, "low2"))
        forgotten = slave.connections
        slave.twist = lambda _asked, pdu: [(0, pdu)] if slave.connections > forgotten else []
        await stage.until(lambda: (D, "offline") in stage.side.states)
        await stage.until(lambda: stage.side.quality(D, "low2") == "good" and stage.side.state_of(D) == "online")


async def test_a_serial_line_that_is_unplugged_comes_back(
    slave_program: Any, cable: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    slave: list[Any] = [slave_program, "rtu", str(cable.ends[1]), "1"]

    async def serve() -> Any:
        process = await asyncio.create_subprocess_exec(
            *slave, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert await process.stdout.readline() == b"ready\n"
        return process

    config = {"serialPort": str(cable.ends[0]), "baudRate": 115200, "timeout": 0.1}
    process = await serve()
    async with plant.run(make_device(config, **LOW)):
        await stage.until(lambda: stage.side.value(D, "low2") == "2")
        cable.unplug()
        process.stdin.close()
        await process.wait()
        await stage.until(lambda: stage.side.state_of(D) == "offline")
        cable.plug_in()
        process = await serve()
        await stage.until(lambda: stage.side.quality(D, "low2") == "good")
    process.stdin.close()
    await process.wait()
    assert lies(stage.side) == []


async def test_a_port_that_is_not_there_is_said_in_words(
    make_device: Any, plant: Any, stage: Any, tmp_path: Any
) -> None:
    config = {"serialPort": str(tmp_path / "ttyNONE")}
    async with plant.run(make_device(config, **LOW)):
        await stage.until(lambda: stage.side.quality(D, "low0") == "bad")
    assert "no such file" in stage.side.last(D, "low0").reason.lower()


async def test_black_holes_delay_nobody_else(hand_slave: Any, make_device: Any, plant: Any, stage: Any) -> None:
    holes = [hand_slave(twist=lambda _asked, _pdu: []) for _ in range(3)]
    good = hand_slave()
    async with good.serving(), holes[0].serving(), holes[1].serving(), holes[2].serving():
        devices = [make_device(blocks(s.port, timeout=0.5), f"hole{n}", 0.02, **LOW) for n, s in enumerate(holes)]
        async with plant.run(make_device(blocks(good.port), "good", 0.02, **LOW), *devices):
            await stage.until(lambda: len(good.asked) >= 80)
    gaps = sorted(later.at - earlier.at for earlier, later in itertools.pairwise(good.asked[1:]))
    assert gaps[len(gaps) * 9 // 10] < 0.06


@pytest.mark.parametrize("gateway_says", [None, 11])
async def test_a_dead_slave_behind_a_gateway_takes_a_bounded_share_of_it(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any, gateway_says: int | None
) -> None:
    def gateway(asked: Any, pdu: bytes) -> list[Any]:
        if asked.unit == 1:
            return [(0, pdu)]
        return [] if gateway_says is None else [(0.08, bytes([asked.function | 0x80, gateway_says]))]

    async with hand_slave(units={1: {}, 2: {}}, twist=gateway).serving() as slave:
        good = make_device(blocks(slave.port, unit=1), "good", 0.02, **LOW)
        dead = make_device(blocks(slave.port, unit=2), "dead", 0.02, **LOW)
        async with plant.run(good, dead):
            await stage.until(lambda: stage.side.state_of("default/dead") == "offline")
            slave.asked.clear()
            await asyncio.sleep(2)
            waited = 0.1 * sum(asked.unit == 2 for asked in slave.asked)
            assert waited < 0.3 * 2
            assert sum(asked.unit == 1 for asked in slave.asked) > 50
            assert slave.connections == 1
        reason = stage.side.last("default/dead", "low0").reason
        assert reason == (
            "no answer within 0.1 s" if gateway_says is None else "gateway target does not respond (exception 11)"
        )


async def test_garbage_on_tcp_costs_the_connection_not_the_truth(
    hand_slave: Any, make_device: Any, plant: Any, stage: Any
) -> None:
    async with hand_slave().serving() as slave, plant.run(make_device(blocks(slave.port, timeout=30), **LOW)):
        await stage.until(lambda: stage.side.value(D, "low2"))
        slave.twist = lambda _asked, _pdu: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
        await stage.until(lambda: stage.side.quality(D, "low2") == "bad")
        assert "no Modbus TCP frame" in stage.side.last(D, "low2").reason
        slave.twist = lambda _asked, pdu: [(0, pdu)]
        await stage.until(lambda: stage.side.quality(D, "low2") == "good")
