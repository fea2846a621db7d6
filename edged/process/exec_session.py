"""A command beside the program of a container, in its view of the node."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import struct
import termios
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from msgspec import json

from edged.process.rights import program_of
from edged.session import Session, Size, Stream

__all__ = ["session"]

CHUNK = 1 << 16


class _Ends(NamedTuple):
    """Descriptors: the command's three, and ours of the same pipes or the same terminal."""

    theirs: tuple[int, int, int]
    input: int
    """-1: none."""
    outputs: dict[int, Stream]
    master: int = -1
    """The terminal's."""


@asynccontextmanager
async def session(order: Mapping[str, Any], *, stdin: bool, size: Size | None) -> AsyncIterator[Session]:
    """`order`: what `keeper.run_inside` reads. Left before its end, the command is killed."""
    ends = _terminal(size) if size else _pipes(stdin=stdin)
    made = _ProcessSession(ends)
    try:
        process = await _start({**order, "terminal": bool(size)}, ends.theirs)
        made.begin(process)
        try:
            yield made
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
    finally:
        made.close()


async def _start(order: Mapping[str, Any], streams: tuple[int, int, int]) -> Process:
    """Its order comes in a file without a name: it may hold secrets, and be longer than a pipe."""
    written = os.memfd_create("order")
    try:
        os.write(written, json.encode(order))
        os.lseek(written, 0, os.SEEK_SET)
        stdin, stdout, stderr = streams
        return await asyncio.create_subprocess_exec(
            *program_of("run_inside"),
            str(written),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(written,),
            start_new_session=True,
        )
    finally:
        os.close(written)


def _pipes(*, stdin: bool) -> _Ends:
    out, err = os.pipe(), os.pipe()
    theirs, ours = os.pipe() if stdin else (DEVNULL, -1)
    for descriptor in {out[0], err[0], ours} - {-1}:
        os.set_blocking(descriptor, False)
    return _Ends((theirs, out[1], err[1]), ours, {out[0]: "stdout", err[0]: "stderr"})


def _terminal(size: Size) -> _Ends:
    master, theirs = os.openpty()
    os.set_blocking(master, False)
    _resize(master, size)
    return _Ends((theirs, theirs, theirs), os.dup(master), {os.dup(master): "stdout"}, master)


def _resize(terminal: int, size: Size) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", size.rows, size.columns, 0, 0))


class _ProcessSession(Session):
    def __init__(self, ends: _Ends) -> None:
        self._theirs = set(ends.theirs) - {DEVNULL}
        self._input = ends.input
        self._outputs = ends.outputs
        self._master = ends.master
        self._process: Process

    def begin(self, process: Process) -> None:
        """It runs, and has its own descriptors."""
        self._process = process
        _close(self._theirs)
        self._theirs.clear()

    def close(self) -> None:
        _close({*self._theirs, self._input, *self._outputs, self._master} - {-1})

    async def output(self) -> AsyncIterator[tuple[Stream, bytes]]:
        while self._outputs:
            for descriptor in await _readable(self._outputs):
                if data := _read(descriptor):
                    yield self._outputs[descriptor], data
                else:
                    os.close(descriptor)
                    del self._outputs[descriptor]

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and self._input >= 0:
            try:
                rest = rest[os.write(self._input, rest) :]
            except BlockingIOError:
                await _writable(self._input)
            except OSError:
                return  # it has closed its end

    async def close_input(self) -> None:
        if self._master < 0 <= self._input:
            os.close(self._input)
            self._input = -1

    async def resize(self, size: Size) -> None:
        if self._master >= 0:
            _resize(self._master, size)

    async def exit_code(self) -> int:
        code = await self._process.wait()
        return code if code >= 0 else 128 - code


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    """Empty at the end; of a terminal that is an error, once nobody has it open."""
    with suppress(OSError):
        return os.read(descriptor, CHUNK)
    return b""


async def _readable(descriptors: Iterable[int]) -> list[int]:
    """Those that can be read, once one can."""
    loop, poll, several = asyncio.get_running_loop(), select.poll(), list(descriptors)
    for descriptor in several:
        poll.register(descriptor, select.POLLIN)
    while not (ready := poll.poll(0)):
        await _once(several, loop.add_reader, loop.remove_reader)
    return [descriptor for descriptor, _ in ready]


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    await _once([descriptor], loop.add_writer, loop.remove_writer)


async def _once(descriptors: list[int], add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    event = asyncio.Event()
    for descriptor in descriptors:
        add(descriptor, event.set)
    try:
        await event.wait()
    finally:
        for descriptor in descriptors:
            remove(descriptor)
