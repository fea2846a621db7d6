"""What is remembered of pods beyond the end of edged: what happened to them, their pauses, who was seen last.

One file of lines, each of which says what is new of one pod; a later one holds. A line is there for the next edged as
soon as it was added, and on the disk a second later. What is not understood, or not there, is not remembered, and
nothing else follows from it: what runs is known from the engine.

The monotonic clock goes on while the machine is up, whatever becomes of edged and of the wall clock. After another
start of the machine its times mean nothing, and pauses are over.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from edged.backoff import MOST as LONGEST_PAUSE
from edged.events import Events
from edged.memory import Memory
from edged.runtime import LABEL, FoundContainer
from edged.status import Event
from eventbus.owned_task import OwnedTask
from twin import durable_file

__all__ = ["Recollection"]

logger = logging.getLogger("edged")

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start of the machine."""
SYNC = 1.0
"""Seconds after which a line is on the disk."""
MOST_LINES = 2000
"""Lines that are added before the file is begun anew, with nothing but what holds."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a file that is read at all."""
_LABELS = (LABEL.container, LABEL.spec, LABEL.restarts)


class _Line(Struct, frozen=True, omit_defaults=True):
    pod: str
    events: tuple[Event, ...] = ()
    memory: Memory | None = None
    boot: str = ""
    """The start of the machine that the times in `memory` belong to."""
    gone: bool = False


class _Pod:
    def __init__(self) -> None:
        self.events = Events()
        self.memory = Memory()


class Recollection:
    """Of one edged. `async with` recalls what is in the file, and keeps it from then on."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "remembered.jsonl"
        self._boot = _boot()
        self._pods: dict[str, _Pod] = {}
        self._file: int | None = None
        """None: it cannot be written at present."""
        self._since: list[bytes] = []
        """Lines that were added since the file was begun anew."""
        self._lost = False
        self._news = asyncio.Event()
        self._task: OwnedTask

    async def __aenter__(self) -> Self:
        now = asyncio.get_running_loop().time()
        for line in await asyncio.to_thread(_read, self._path):
            self._take(line, now)
        await self._begin_anew()
        self._task = OwnedTask(self._keep(), "what edged remembers")
        await self._task.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._task.__aexit__(*exc)
        self._close()

    def events(self, pod_id: str) -> Events:
        """What happened to a pod."""
        return self._of(pod_id).events

    def memory(self, pod_id: str) -> Memory:
        """What was remembered of a pod last."""
        return self._of(pod_id).memory

    def planned(self, pod_id: str) -> bool:
        """It was to run, and was not forgotten since."""
        return pod_id in self._pods and bool(self._pods[pod_id].memory.of)

    def happened(self, pod_id: str, event: Event) -> None:
        """This is the newest of the pod's `events`."""
        self._add(_Line(pod_id, events=(event,)))

    def remember(self, pod_id: str, memory: Memory) -> None:
        """This holds from now on."""
        pod, memory = self._of(pod_id), _lasting(memory)
        if memory != pod.memory:
            pod.memory = memory
            self._add(_Line(pod_id, memory=memory, boot=self._boot))

    def forget(self, pod_id: str) -> None:
        """The pod was deleted."""
        if self._pods.pop(pod_id, None):
            self._add(_Line(pod_id, gone=True))

    def forget_all_but(self, pod_ids: Collection[str]) -> None:
        """Others were deleted while nobody looked."""
        for pod_id in self._pods.keys() - set(pod_ids):
            self.forget(pod_id)

    def _of(self, pod_id: str) -> _Pod:
        return self._pods.setdefault(pod_id, _Pod())

    def _take(self, line: _Line, now: float) -> None:
        if line.gone:
            self._pods.pop(line.pod, None)
            return
        pod = self._of(line.pod)
        for event in line.events:
            pod.events.put(event)
        if line.memory:
            pod.memory = _in_time(line.memory, now) if line.boot == self._boot else _without_times(line.memory)

    def _whole(self) -> Iterator[_Line]:
        for pod_id, pod in self._pods.items():
            yield _Line(pod_id, pod.events.all(), pod.memory, self._boot)

    def _add(self, line: _Line) -> None:
        self._since.append(_text(line))
        self._news.set()
        if self._file is not None:
            self._write(self._file, self._since[-1:])

    async def _keep(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(SYNC)
            self._news.clear()
            if self._file is None or len(self._since) > MOST_LINES:
                await self._begin_anew()
            else:
                await self._sync(self._file)

    async def _begin_anew(self) -> None:
        """Lines that are added meanwhile are added to the new file too."""
        whole = b"".join(map(_text, self._whole()))
        self._since.clear()
        try:
            await asyncio.to_thread(durable_file.replace, self._path, whole, mode=0o600)
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            self._lose(error)
            return
        self._close()
        self._file = file
        if self._lost:
            logger.info("what edged remembers of its pods is written to %s again", self._path)
        self._lost = False
        self._write(file, self._since)

    async def _sync(self, file: int) -> None:
        try:
            await asyncio.to_thread(os.fdatasync, file)
        except OSError as error:
            self._lose(error)

    def _write(self, file: int, lines: list[bytes]) -> None:
        text = b"".join(lines)
        try:
            written = os.write(file, text)
        except OSError as error:
            self._lose(error)
            return
        if written < len(text):
            self._lose(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _lose(self, error: OSError) -> None:
        """The file is begun anew with the next line."""
        self._close()
        if not self._lost:
            logger.error("%s cannot be written, so the next edged may not know what happened: %s", self._path, error)
        self._lost = True

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None


def _boot() -> str:
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _read(path: Path) -> list[_Line]:
    """What is understood of it. A line that was cut off is not."""
    try:
        with path.open("rb") as file:
            lines = file.read(LARGEST).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.warning("%s cannot be read, so nothing is remembered of pods: %s", path, error)
        return []
    return [line for line in map(_understood, lines) if line]


def _understood(text: bytes) -> _Line | None:
    try:
        return msgspec.json.decode(text, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _text(line: _Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _lasting(memory: Memory) -> Memory:
    """Without what the next edged finds out itself, and with no more labels than say which container it was."""
    last = {name: one._replace(labels=_few(one)) for name, one in memory.last.items()}
    return memory._replace(last=last, health={}, words={}, status=None)


def _few(container: FoundContainer) -> dict[str, str]:
    return {name: text for name, text in container.labels.items() if name in _LABELS}


def _without_times(memory: Memory) -> Memory:
    return memory._replace(ended={}, backoffs={}, failures={})


def _in_time(memory: Memory, now: float) -> Memory:
    """Without times that are yet to come, and pauses that nobody makes."""
    return memory._replace(
        ended={id_: at for id_, at in memory.ended.items() if at <= now},
        backoffs={
            key: one for key, one in memory.backoffs.items() if 0 <= one.pause <= LONGEST_PAUSE and one.since <= now
        },
        failures={key: one for key, one in memory.failures.items() if one.at <= now},
    )
