"""Instruments at the far end of real pseudo terminals and sockets, served by the real framework."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from device_models import AccessMode, Conversion, DataType, Device, Property
from mappers.serial.checksum import Checksum
from mappers.serial.framing import Lines
from mappers.serial.mapper import NOISE, QUIET
from mappers.serial.simulator import Balance, Gnss, Sensor
from mappers.serial.simulator.far_end import FarEnd, Instrument, pseudo_terminal, serve, tcp_server
from mappers.testing.running import running
from mappers.testing.side import MemorySide

D = "default/d"


class Scripted(Instrument):
    """Says what a test tells it to say to each message."""

    speaks: ClassVar[bool] = False

    def __init__(self, script: Callable[[str], Sequence[str]]) -> None:
        super().__init__()
        self.framer = Lines(b"\r\n", Checksum())
        self.heard: list[str] = []
        self._script = script

    def answer(self, message: bytes) -> Sequence[bytes]:
        self.heard.append(message.decode("latin-1"))
        return [word.encode("latin-1") for word in self._script(self.heard[-1])]

    def speak(self) -> Sequence[bytes]:
        return ()


@asynccontextmanager
async def living(instrument: Instrument, far_end: FarEnd) -> AsyncIterator[None]:
    task = asyncio.create_task(serve(instrument, far_end))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def device(port: str, config: dict[str, Any] | None = None, name: str = "d", **visitors: Any) -> Device:
    """Properties are visitors (DOUBLE) or (type, visitor); those with `write` can be written."""
    properties = []
    for each, declared in visitors.items():
        type_, visitor, *more = declared if isinstance(declared, tuple) else (DataType.DOUBLE, declared)
        access = AccessMode.READ_WRITE if "write" in visitor else AccessMode.READ_ONLY
        extra = more[0] if more else {}
        properties.append(Property(each, type_, access, visitor=visitor, collect_cycle=0.05, **extra))
    where = {"host": "127.0.0.1", "port": port} if port.isdigit() else {"serialPort": port}
    return Device("default", name, "m", "serial", {**where, "timeout": 0.3, **(config or {})}, tuple(properties))


BALANCE = {
    "weight": {"request": "SI", "regex": "^S [SD] +(-?[0-9.]+) g", "doubt": "^S D"},
    "tare": {"request": "TA", "regex": "([0-9.]+) g", "write": "TA {value:.2f} g", "expect": "^TA A"},
    "zero": (DataType.INT, {"write": "Z", "expect": "^Z A"}),
    "unknown": {"request": "XX"},
}


# -- a GNSS receiver ---------------------------------------------------------------------------------------


async def test_a_receiver_is_heard() -> None:
    receiver = Gnss(20)
    receiver.fix = True
    paths = {"lat": "GGA.latitude", "speed": "GNRMC.speed", "kmh": "VTG.kilometresPerHour", "sats": "GGA.satellites"}
    async with pseudo_terminal() as end, living(receiver, end):
        declared = device(end.address, {"framing": "nmea"}, **{name: {"nmea": path} for name, path in paths.items()})
        async with running("serial", [declared]) as side:
            await side.until(lambda: side.value(D, "kmh") == "36.0" and side.value(D, "speed") == "19.4")
            assert 48.13 < float(side.value(D, "lat") or 0) < 48.15
            assert side.state_of(D) == "online"
            receiver.fix = False
            await side.until(lambda: side.quality(D, "lat") == "bad" and side.value(D, "sats") == "0.0")
            last = side.last(D, "speed")
            assert last is not None
            assert (last.value, last.reason) == (None, "the receiver has no fix")
            receiver.fix = True
            await side.until(lambda: side.quality(D, "lat") == "good")


async def test_a_value_has_the_time_of_the_sentence(tmp_path: Path) -> None:
    async with pseudo_terminal() as end:
        declared = device(end.address, {"framing": "nmea"}, speed={"nmea": "RMC.speed"})
        async with running("serial", [declared]) as side:
            await hearing(side, end)
            end.say(b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n")
            await side.until(lambda: side.value(D, "speed") == "22.4")
            [reading] = side.readings(D, "speed")
            assert reading.time == 764426119000


async def hearing(side: MemorySide, end: FarEnd) -> None:
    """The mapper has the port open, beside the far end itself, and nobody was speaking then: what is said now is
    heard, and counts."""
    await side.until(lambda: [_target(file) for file in Path("/proc/self/fd").iterdir()].count(end.address) == 2)
    await asyncio.sleep(1.2 * QUIET)


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""


async def test_of_a_burst_no_value_is_left_out() -> None:
    async with pseudo_terminal() as end, running("serial", [device(end.address, n={})]) as side:
        await hearing(side, end)
        end.say(b"".join(b"%d\n" % n for n in range(200)))
        await side.until(lambda: side.value(D, "n") == "199.0")
        assert [reading.value for reading in side.readings(D, "n")] == [f"{n}.0" for n in range(200)]


async def test_messages_of_several_kinds() -> None:
    async with pseudo_terminal() as end:
        declared = device(end.address, t={"match": "^T", "csv": 2}, h={"match": "^H", "csv": 2}, j={"json": "/x"})
        async with running("serial", [declared]) as side:
            await hearing(side, end)
            end.say(b'T,21.5\nboot\nH,40\n{"x":3}\nT,22\n')
            await side.until(lambda: side.value(D, "j") and side.value(D, "t") == "22.0")
            assert [reading.value for reading in side.readings(D, "h")] == ["40.0"]
            assert {reading.quality for reading in side.readings(D, "t")} == {"good"}


async def test_who_falls_silent_is_offline_and_comes_back() -> None:
    async with pseudo_terminal() as end, running("serial", [device(end.address, {"silence": 1}, n={})]) as side:
        await hearing(side, end)
        end.say(b"1\n")
        await side.until(lambda: side.value(D, "n") == "1.0")
        await side.until(lambda: side.state_of(D) == "offline" and side.quality(D, "n") == "bad")
        while side.state_of(D) == "offline":
            end.say(b"2\n")
            await asyncio.sleep(0.05)
        await side.until(lambda: side.value(D, "n") == "2.0")


async def test_who_answers_is_not_silent_though_it_says_nothing_by_itself() -> None:
    instrument = Scripted(lambda _: ["T=1"])
    visitors = {"t": {"request": "T?", "regex": "T=(.*)"}, "button": {"match": "^B"}}
    async with pseudo_terminal() as end, living(instrument, end):
        declared = device(end.address, {"silence": 0.1}, **visitors)
        async with running("serial", [declared]) as side:
            await side.until(lambda: len(instrument.heard) > 12)
            assert [state for _, state in side.states] == ["online"]


async def test_noise_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "mappers")
    async with pseudo_terminal() as end:
        async with running("serial", [device(end.address, {"framing": "nmea"}, n={"nmea": "GGA.altitude"})]) as side:
            await hearing(side, end)
            for _ in range(2 * NOISE // 1000 + 2):
                end.say(os.urandom(990) + b"\r\n")
                await asyncio.sleep(0.02)
            await side.until(lambda: caplog.records)
        assert [
            record.getMessage().count("are baudRate, parity and framing right?") for record in caplog.records
        ] == [1]


# -- a binary sensor ---------------------------------------------------------------------------------------


async def test_a_binary_sensor_is_heard() -> None:
    sensor = Sensor(20)
    sensor.temperature = -3.25
    framing = {"type": "length", "sync": "AA55", "header": 1}
    async with pseudo_terminal() as end, living(sensor, end):
        declared = device(
            end.address,
            {"framing": framing, "checksum": "crc16-modbus", "match": "^\x01"},
            temperature=(DataType.DOUBLE, {"binary": "int16", "offset": 1}, {"conversion": Conversion(scale=0.01)}),
            pressure=(DataType.DOUBLE, {"binary": "uint16", "offset": 3}, {"conversion": Conversion(scale=0.1)}),
            counter=(DataType.INT, {"binary": "uint32", "offset": 5}),
            door=(DataType.BOOLEAN, {"binary": "uint8", "offset": 9}, {"conversion": Conversion(mask=1)}),
        )
        async with running("serial", [declared]) as side:
            await side.until(lambda: int(side.value(D, "counter") or 0) > 3)
            assert side.value(D, "temperature") == "-3.25"
            assert side.value(D, "door") == "true"
            assert float(side.value(D, "pressure") or 0) == pytest.approx(1013.2)


# -- a balance ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", ["a pseudo terminal", "TCP"])
async def test_a_balance_is_asked_and_set(over: str) -> None:
    balance = Balance()
    where = pseudo_terminal() if over == "a pseudo terminal" else tcp_server("127.0.0.1:0")
    async with where as end, living(balance, end):
        port = end.address if over == "a pseudo terminal" else end.address.rpartition(":")[2]
        async with running("serial", [device(port, {"checksum": "xor"}, **BALANCE)]) as side:
            await side.until(lambda: side.value(D, "weight") == "100.0" and side.quality(D, "unknown") == "bad")
            assert side.last(D, "unknown").reason == "the instrument says 'ES'"  # type: ignore[union-attr]
            side.wish(D, tare="12.5")
            await side.until(lambda: side.value(D, "tare") == "12.5" and side.value(D, "weight") == "87.5")
            assert balance.tare == 12.5
            side.wish(D, tare="12.5", zero="1")
            await side.until(lambda: side.value(D, "zero") == "1")
            assert balance.zero == 100.0
            await side.until(lambda: side.value(D, "weight") == "0.0")
            balance.stable = False
            await side.until(lambda: side.quality(D, "weight") == "uncertain")


async def test_a_write_that_is_refused_says_what_came(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        pseudo_terminal() as end,
        living(Balance(), end),
        running("serial", [device(end.address, {"checksum": "xor"}, **BALANCE)]) as side,
    ):
        await side.until(lambda: side.value(D, "tare") == "0.0")
        side.wish(D, tare="5000")
        await side.until(lambda: "the instrument answered 'TA L'" in caplog.text)
        assert side.value(D, "tare") == "0.0"


async def test_an_answer_to_a_write_can_be_the_reading() -> None:
    instrument = Scripted(lambda said: [f"SP={float(said[3:]) // 1}"])
    visitor = {"write": "SP {value:.2f}", "expect": "^SP=", "regex": "SP=(.*)"}
    async with (
        pseudo_terminal() as end,
        living(instrument, end),
        running("serial", [device(end.address, setpoint=visitor)]) as side,
    ):
        await hearing(side, end)
        side.wish(D, setpoint="7")
        await side.until(lambda: side.value(D, "setpoint") == "7")
        assert instrument.heard == ["SP 7.00"]


async def test_a_talkative_instrument_answers_among_its_talk() -> None:
    instrument = Scripted(lambda said: ["21.5", "ACK " + said, "21.6"])
    visitors = {"t": {"regex": r"^[\d.]+$"}, "rate": (DataType.INT, {"write": "RATE {value}", "expect": "^ACK RATE"})}
    async with (
        pseudo_terminal() as end,
        living(instrument, end),
        running("serial", [device(end.address, {"match": "^[0-9A]"}, **visitors)]) as side,
    ):
        await hearing(side, end)
        side.wish(D, rate="5")
        await side.until(lambda: side.value(D, "rate") == "5")
        assert [reading.value for reading in side.readings(D, "t")] == ["21.5", "21.6"]


# -- several on one line, and late answers -----------------------------------------------------------------


async def test_devices_of_a_line_are_asked_in_turn_and_one_that_is_silent_harms_none() -> None:
    silent: set[str] = {"3"}
    instrument = Scripted(lambda said: [] if said[1] in silent else [f"{said[1]}>{said[1]}.5"])
    line = {"request": "#{address}?", "match": "^{address}>", "timeout": 0.1}
    async with pseudo_terminal() as end, living(instrument, end):
        devices = [device(end.address, line | {"address": n}, f"d{n}", x={"regex": ">(.*)"}) for n in ("1", "2", "3")]
        async with running("serial", devices) as side:
            await side.until(lambda: side.state_of("default/d3") == "offline")
            await side.until(
                lambda: side.value("default/d1", "x") == "1.5" and side.value("default/d2", "x") == "2.5"
            )
            assert side.value("default/d3", "x") is None
            silent.clear()
            await side.until(lambda: side.value("default/d3", "x") == "3.5")
            assert [state for id_, state in side.states if id_ == "default/d1"] == ["online"]


@pytest.mark.parametrize("look", [False, True])
async def test_a_late_answer_is_never_taken_for_another(look: bool) -> None:
    """Its first answers come after three time-outs; with a look of their own, or without."""
    timeout = 0.1
    asked: list[bytes] = []
    async with pseudo_terminal() as end:

        def slow(data: bytes) -> None:
            asked.append(data)
            answer = (data[:1] + b"=" if look else b"") + {b"A": b"1", b"B": b"2"}[data[:1]] + b"\r\n"
            asyncio.get_running_loop().call_later(3 * timeout if len(asked) < 6 else 0, end.say, answer)

        end.hears = slow
        visitors = {name.lower(): {"request": f"{name}?", "regex": f"^{name}=(.*)" if look else ""} for name in "AB"}
        async with running("serial", [device(end.address, {"timeout": timeout}, **visitors)]) as side:
            await side.until(lambda: len(asked) > 5)
            assert {reading.value for reading in side.readings(D, "a")} <= {"1.0", None}
            assert {reading.value for reading in side.readings(D, "b")} <= {"2.0", None}


async def test_a_device_that_recovers_is_asked_everything_again() -> None:
    quiet = [True]
    instrument = Scripted(lambda said: [] if quiet[0] else ["A=1" if said == "A?" else "B=2"])
    visitors = {name.lower(): {"request": f"{name}?", "regex": f"^{name}=(.*)"} for name in "AB"}
    async with pseudo_terminal() as end, living(instrument, end):
        declared = device(end.address, {"timeout": 0.05}, **visitors)
        async with running("serial", [declared]) as side:
            await side.until(lambda: side.state_of(D) == "offline")
            quiet[0] = False
            await side.until(lambda: side.value(D, "a") == "1.0" and side.value(D, "b") == "2.0")


# -- the plug ----------------------------------------------------------------------------------------------


async def test_a_port_that_is_unplugged_and_comes_back_as_another(tmp_path: Path) -> None:
    """The name stays, the device file behind it is another, as with /dev/serial/by-id."""
    name = str(tmp_path / "by-id")
    async with pseudo_terminal(name) as end, living(Balance(), end):
        declared = device(name, {"checksum": "xor"}, **BALANCE)
        mappers = running("serial", [declared])
        side = await mappers.__aenter__()
        await side.until(lambda: side.state_of(D) == "online")
        before = Path(name).readlink()
    try:
        await side.until(lambda: side.state_of(D) == "offline")
        spare = os.openpty()  # takes the number that is free now
        async with pseudo_terminal(name) as end, living(Balance(), end):
            assert Path(name).readlink() != before
            await side.until(lambda: side.state_of(D) == "online" and side.value(D, "weight") == "100.0")
        for file in spare:
            os.close(file)
    finally:
        await mappers.__aexit__(None, None, None)


async def test_an_unplugged_port_is_noticed_at_once(tmp_path: Path) -> None:
    inner, outer = os.openpty()
    tty.setraw(outer)
    declared = device(os.ttyname(outer), {"silence": 3600}, n={})
    async with running("serial", [declared]) as side:
        while side.value(D, "n") is None:
            os.write(inner, b"1\n")
            await asyncio.sleep(0.02)
        began = time.monotonic()
        os.close(outer)
        os.close(inner)
        await side.until(lambda: side.state_of(D) == "offline")
        assert time.monotonic() - began < 5
        reason = side.readings(D, "n")[-1].reason
        assert "port is gone" in reason or "plugged in" in reason


async def test_reasons_that_help(tmp_path: Path, unused_tcp_port: int) -> None:
    gone = device(str(tmp_path / "nowhere"), {}, "gone", n={})
    refused = device(str(unused_tcp_port), {}, "refused", n={})
    async with pseudo_terminal() as end:
        first = running("serial", [device(end.address, n={})])
        taken = await first.__aenter__()
        await hearing(taken, end)
        async with running("serial", [gone, refused, device(end.address, {}, "taken", n={})]) as side:
            reason = {
                name: lambda name=name: getattr(side.last(f"default/{name}", "n"), "reason", "")
                for name in ("gone", "refused", "taken")
            }
            await side.until(lambda: all(look() for look in reason.values()))
            assert reason["gone"]() == "it is not there: is it plugged in?"
            assert "connect call failed" in reason["refused"]() or "refused" in reason["refused"]()
            assert reason["taken"]() == "another program has it"
        await first.__aexit__(None, None, None)


# -- what is under way when a line is opened ---------------------------------------------------------------


@asynccontextmanager
async def serial_server(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    """A serial server, and its port."""

    async def until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(until_gone, "127.0.0.1")
    async with server:
        yield str(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("framing", ["line", "slip", {"type": "delimiter", "end": ";"}])
async def test_the_end_of_a_message_is_no_message(framing: Any) -> None:
    """12.5 whose beginning nobody heard must not be 2.5."""
    mark = {"line": "\r\n", "slip": "\xc0"}.get(str(framing), ";").encode("latin-1")

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"2" + b".5" + mark + b"13.5" + mark)

    async with serial_server(speak) as port, running("serial", [device(port, {"framing": framing}, x={})]) as side:
        await side.until(lambda: side.value(D, "x") == "13.5")
        assert [reading.value for reading in side.readings(D, "x")] == ["13.5"]


async def test_the_first_message_of_a_line_that_was_quiet_counts() -> None:
    """One that speaks seldom, a scanner for example, may say nothing else for long."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3 * QUIET)
        writer.write(b"12.5\r\n")

    async with serial_server(speak) as port, running("serial", [device(port, x={})]) as side:
        await side.until(lambda: side.value(D, "x") == "12.5")


async def test_a_late_answer_over_a_new_connection_is_not_taken_for_another() -> None:
    """A serial server passes on what the instrument says, whoever asked it, and over which connection."""
    connections: list[asyncio.StreamWriter] = []
    said = {b"A\r\n": b"111\r\n", b"B\r\n": b"222\r\n"}

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        request = b""
        if len(connections) == 2:
            with suppress(TimeoutError):
                request = await asyncio.wait_for(reader.readline(), 0.1)
            writer.write(said[b"B\r\n"] + said.get(request, b""))
        while request := await reader.readline():
            if request == b"B\r\n" and len(connections) == 1:
                writer.transport.abort()
            writer.write(said[request])

    visitors = {"a": {"request": "A"}, "b": {"request": "B"}}
    async with serial_server(pass_on) as port, running("serial", [device(port, **visitors)]) as side:
        await side.until(lambda: side.value(D, "b") == "222.0")
        await side.until(lambda: len(side.readings(D, "a")) > 3)
        assert {reading.value for reading in side.readings(D, "a")} <= {"111.0", None}
