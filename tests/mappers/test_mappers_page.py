"""The page about mappers is true: its mapper runs."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from device_models import AccessMode, DataType, Device, Property
from mappers.protocols import Protocol
from mappers.runner import MapperRunner

PAGE = (Path(__file__).parents[2] / "docs" / "mappers.md").read_text()
D = "default/meter"


@pytest.fixture
def line_module() -> Iterator[ModuleType]:
    """The mapper of the page, as a module."""
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class LineMapper" in block)
    module = ModuleType("page_line")
    sys.modules["page_line"] = module
    exec(compile(code, "docs/mappers.md", "exec"), module.__dict__)
    yield module
    del sys.modules["page_line"]


class Instrument:
    """What the page's mapper talks to."""

    def __init__(self) -> None:
        self.values = {"temp": "21.5", "setpoint": "20"}
        self.silent = False
        self.connections = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._talk, "127.0.0.1")
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while line := (await reader.readline()).decode().strip():
            name, wants, value = line.partition("=")
            if wants:
                self.values[name] = value
            if not self.silent:
                writer.write(("ok" if wants else self.values[name[:-1]]).encode() + b"\n")
        writer.close()


async def test_the_mapper_of_the_page_reads_writes_and_survives(line_module: ModuleType, stage: Any) -> None:
    instrument = Instrument()
    async with instrument.serving() as port:
        properties = tuple(
            Property(name, DataType.DOUBLE, AccessMode.READ_WRITE, visitor={"name": name}, collect_cycle=0.05)
            for name in ("temp", "setpoint")
        )
        config = {"host": "127.0.0.1", "port": port, "timeout": 0.2}
        device = Device("default", "meter", "m", "line", config, properties)
        async with MapperRunner(Protocol("line", "page_line:LineMapper"), [device], stage.side):
            await stage.until(lambda: stage.side.value(D, "temp") == "21.5")
            stage.side.wish(D, setpoint="22.5")
            await stage.until(lambda: stage.side.value(D, "setpoint") == "22.5")
            instrument.values["temp"] = "ERR 7"
            await stage.until(lambda: stage.side.quality(D, "temp") == "bad")
            assert stage.side.last(D, "temp").reason == "the instrument says 'ERR 7'"
            assert stage.side.quality(D, "setpoint") == "good"
            instrument.values["temp"] = "19"
            instrument.silent = True
            await stage.until(lambda: stage.side.state_of(D) == "offline")
            instrument.silent = False
            await stage.until(lambda: stage.side.value(D, "temp") == "19.0" and stage.side.state_of(D) == "online")
    assert instrument.connections > 1


def test_it_takes_about_sixty_lines(line_module: ModuleType) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class LineMapper" in block)
    assert len(code.splitlines()) <= 66
