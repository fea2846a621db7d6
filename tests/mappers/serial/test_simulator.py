"""The simulators as programs, and as instruments that others would recognise."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mappers.serial.simulator import Balance, Gnss, Sensor, main
from mappers.testing.side import until


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run it; gives the line that it prints when it is ready."""
    command = [sys.executable, "-m", "mappers.serial.simulator", *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_a_program_on_a_pseudo_terminal_ends_cleanly(tmp_path: Path) -> None:
    link = tmp_path / "gnss"
    async with program("gnss", "--link", str(link), "--rate", "20") as (process, ready):
        assert ready == f"gnss on {link}"
        file = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        heard = bytearray()

        def enough() -> bool:
            try:
                heard.extend(os.read(file, 4096))
            except BlockingIOError:
                return False
            return heard.count(b"\n") > 8

        await until(enough)
        os.close(file)
        assert b"$GNGGA," in heard
        assert b"$GPGSV," in heard
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert not link.exists()


async def test_a_program_as_a_serial_server() -> None:
    async with program("balance", "--tcp", "127.0.0.1:0") as (_, ready):
        host, port = ready.removeprefix("balance on ").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"SI1A\r\n")  # S xor I is 1A
        assert (await reader.readline()).startswith(b"S S     100.00 g")
        writer.close()


@pytest.mark.parametrize("words", [["what"], ["gnss", "--rate", "0"], ["gnss", "--tcp", "a:1", "--link", "b"]])
def test_wrong_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "simulator: error:" in capsys.readouterr().err


def test_a_receiver_with_and_without_a_fix() -> None:
    receiver = Gnss()
    receiver.fix = False
    said = [frame.decode().split(",") for frame in receiver.speak()]
    assert [words[0] for words in said] == ["GNGGA", "GNRMC", "GNVTG", "GPGSV"]
    assert (said[0][2], said[0][6], said[1][2], said[2][9]) == ("", "0", "V", "N")
    receiver.fix = True
    gga = receiver.speak()[0].decode().split(",")
    assert (len(gga), gga[3], gga[5], gga[6]) == (15, "N", "E", "1")


def test_a_balance_by_its_words() -> None:
    balance = Balance()
    said = [balance.answer(words)[0] for words in (b"SI", b"TA 12.5 g", b"SI", b"TA 9999 g", b"T", b"SI", b"Z", b"?")]
    assert said == [
        b"S S     100.00 g", b"TA A 12.50 g", b"S S      87.50 g", b"TA L", b"T S 100.00 g", b"S S       0.00 g",
        b"Z A", b"ES",
    ]  # fmt: skip


def test_an_overloaded_balance_has_no_weight() -> None:
    balance = Balance()
    balance.load = 2001
    assert balance.answer(b"SI") == [b"S +"]


def test_a_sensor_counts() -> None:
    sensor = Sensor()
    sensor.temperature = 21.5
    assert [sensor.speak()[0].hex() for _ in range(2)] == ["010866279400000000" + "01", "010866279400000001" + "01"]
