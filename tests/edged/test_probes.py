from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_runtime import Made, MemoryEngine, MemoryRuntime
from node import container

from edged.pod import Container, Probe
from edged.probes import Asking, Count, Result, judge
from edged.runtime import ContainerPlan, Executed, SandboxPlan


def probe(**fields: Any) -> Probe:
    return msgspec.convert(fields, Probe)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_so_many_in_a_row_count(results: list[bool], well: int, ill: int) -> None:
    asked = probe(tcpSocket={"port": 1}, successThreshold=well, failureThreshold=ill)
    count = Count()
    for number, ok in enumerate(results, 1):
        count, verdict = judge(asked, count, ok)
        needed = well if ok else ill
        row = results[max(0, number - needed) : number]
        assert verdict == (ok if row == [ok] * needed else None)


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers so to whatever is asked; its port, and what was asked."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], heard


def asking(port: int, runtime: MemoryRuntime | None = None, id_: str = "") -> Asking:
    declared = msgspec.convert(container(ports=[{"name": "web", "containerPort": port}]), Container)
    return Asking(runtime or MemoryRuntime(MemoryEngine()), id_, declared, "127.0.0.1")


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 399 Odd\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 500 Internal\r\n\r\n", False),
        (b"HTTP/1.1 ??? \r\n\r\n", False),
        (b"HTTP/1.1", False),
        (b"SSH-2.0 hello\r\n", False),
        (b"x" * 100_000, False),
        (b"", False),
    ],
)
async def test_http(answer: bytes, ok: bool) -> None:
    async with server(answer) as (port, heard):
        headers = [{"name": "X-Key", "value": "a\r\nInjected: b"}]
        asked = probe(httpGet={"path": "/healthz", "port": "web", "httpHeaders": headers}, timeoutSeconds=20)
        result = await asking(port)(asked)
    assert result.ok is ok
    assert heard[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nInjected" not in heard[0]


async def test_tcp() -> None:
    async with server(b"") as (port, _):
        assert await asking(port)(probe(tcpSocket={"port": "web"}, timeoutSeconds=20)) == Result(True)
    refused = await asking(port)(probe(tcpSocket={"port": port}, timeoutSeconds=20))
    assert refused.ok is False
    assert refused.text


async def test_one_that_does_not_answer_in_time() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await forever.wait()
        writer.close()

    forever = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        result = await asking(port)(probe(httpGet={"port": port}, timeoutSeconds=1))
        forever.set()
    assert result == Result(False, "no answer within 1 s")


async def test_exec() -> None:
    engine = MemoryEngine()
    runtime = MemoryRuntime(engine)
    sandbox = await runtime.run_sandbox(SandboxPlan(name="s", hostname="s", labels={}))
    plan = ContainerPlan(name="c", image="localhost/app:1", env={}, labels={}, log_path="none.log")
    id_ = await runtime.create(sandbox, plan)

    async def execute(made: Made, command: Sequence[str]) -> Executed:
        return Executed(int(command[0]), b"said \xff so\n")

    engine.execute = execute
    ask = asking(1, runtime, id_)
    assert (await ask(probe(exec={"command": ["0"]}))).ok
    assert await ask(probe(exec={"command": ["3"]})) == Result(False, "said \ufffd so")
    assert (await asking(1, runtime, "none")(probe(exec={"command": ["0"]}))).ok is False
    engine.go(up=False)
    assert await ask(probe(exec={"command": ["0"]})) == Result(None)
