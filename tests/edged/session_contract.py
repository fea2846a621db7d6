"""What `Runtime.session` must do on every engine: tests to inherit beside `RuntimeContract`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from runtime_contract import FOREVER, PATIENCE, Bench, until

from edged.runtime import RuntimeRefused
from edged.session import Session, Size, Stream


class SessionContract:
    """`bench` is that of `RuntimeContract`."""

    async def test_a_session_keeps_its_streams_apart(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        script = "echo out; echo err >&2; exit 3"
        async with bench.runtime.session(id_, ("/bin/sh", "-c", script)) as session:
            assert await heard(session) == (b"out\n", b"err\n")
            assert await session.exit_code() == 3

    async def test_a_sessions_output_comes_as_it_is_written(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        script = "echo one; read line; echo $line"
        async with (
            asyncio.timeout(PATIENCE),
            bench.runtime.session(id_, ("/bin/sh", "-c", script), stdin=True) as one,
        ):
            output = one.output()
            assert await anext(output) == ("stdout", b"one\n")
            await one.send(b"two\n")
            assert await anext(output) == ("stdout", b"two\n")
            await heard(one, output)
            assert await one.exit_code() == 0

    async def test_a_session_passes_on_more_than_is_kept_anywhere(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        sent = bytes(range(256)) * 20_000
        async with asyncio.timeout(3 * PATIENCE), bench.runtime.session(id_, ("/bin/cat",), stdin=True) as session:
            async with asyncio.TaskGroup() as group:
                group.create_task(told(session, sent))
                came = group.create_task(heard(session))
            assert came.result() == (sent, b"")
            assert await session.exit_code() == 0

    async def test_without_an_input_a_session_finds_its_end(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        async with asyncio.timeout(PATIENCE), bench.runtime.session(id_, ("/bin/cat",)) as session:
            assert await heard(session) == (b"", b"")
            assert await session.exit_code() == 0

    async def test_a_session_on_a_terminal(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        script = "test -t 0 && test -t 1 && echo terminal; while ! read -t 1 x; do stty size; done; exit 4"
        command = ("/bin/sh", "-c", script)
        size = Size(33, 77)
        async with (
            asyncio.timeout(PATIENCE),
            bench.runtime.session(id_, command, stdin=True, terminal=size) as session,
        ):
            output, said = session.output(), b""
            while b"33 77" not in said:
                said += (await anext(output))[1]
            assert b"terminal\r\n" in said
            await session.resize(Size(44, 88))
            while b"44 88" not in said:
                said += (await anext(output))[1]
            await session.send(b"\n")
            await heard(session, output)
            assert await session.exit_code() == 4

    async def test_a_session_that_is_left_ends_its_command(self, bench: Bench) -> None:
        id_ = await bench.up(FOREVER)
        mark = f"/tmp/{uuid4().hex}"
        script = f"while :; do echo $$ >> {mark}; echo up; sleep 0.1; done"
        async with bench.runtime.session(id_, ("/bin/sh", "-c", script)) as session:
            assert await anext(session.output()) == ("stdout", b"up\n")

        async def rests() -> bool:
            """Nobody writes there any more."""
            sizes = [(await bench.runtime.execute(id_, ("/bin/sh", "-c", script), PATIENCE)).output for _ in range(2)]
            return sizes[0] == sizes[1]

        script = f"wc -c {mark}; sleep 0.5"
        await until(rests, "the command ends")

    async def test_a_session_needs_a_container_that_runs(self, bench: Bench) -> None:
        one = await bench.ended("exit 0")
        with pytest.raises(RuntimeRefused):
            await self._begun(bench, one.id)

    async def _begun(self, bench: Bench, id_: str) -> None:
        async with bench.runtime.session(id_, ("/bin/true",)) as session:
            await heard(session)
            await session.exit_code()


async def told(session: Session, data: bytes) -> None:
    """All of an input."""
    for at in range(0, len(data), 65_536):
        await session.send(data[at : at + 65_536])
    await session.close_input()


async def heard(session: Session, output: AsyncIterator[tuple[Stream, bytes]] | None = None) -> tuple[bytes, bytes]:
    """All of both outputs."""
    said = {"stdout": b"", "stderr": b""}
    async for stream, data in output or session.output():
        said[stream] += data
    return said["stdout"], said["stderr"]
