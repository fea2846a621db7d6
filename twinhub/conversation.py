"""Passes on between a running command, behind a socket, and our own input and outputs."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

import msgspec

from edged.channels import LONGEST, Channel, FrameError, Frames, frame
from edged.errands import End
from edged.session import Size
from twinhub.errors import CommandError

__all__ = ["Conversation"]

GONE = "the hub has gone, and the command with it"


class Conversation:
    """Over one socket."""

    def __init__(self, wire: socket.socket, *, stdin: bool) -> None:
        """`stdin`: pass on our input; without, there is none."""
        self._wire = wire
        self._input = stdin
        self._frames = Frames()
        self._end: End | None = None

    def last(self, resized: int | None = None, size: Callable[[], Size] | None = None) -> End:
        """Until it has ended. CommandError: nobody knows how. `resized` can be read when `size` is another one."""
        while self._end is None:
            for descriptor in self._readable(resized):
                if descriptor == self._wire.fileno():
                    self._hear()
                elif descriptor == resized and size:
                    os.read(descriptor, 512)
                    self._say(Channel.RESIZE, msgspec.json.encode(size()))
                else:
                    self._pass_on()
        return self._end

    def _readable(self, resized: int | None) -> list[int]:
        poll = select.poll()
        for descriptor in (self._wire.fileno(), *([0] if self._input else []), *([resized] if resized else [])):
            poll.register(descriptor, select.POLLIN)
        return [descriptor for descriptor, _ in poll.poll()]

    def _pass_on(self) -> None:
        """A piece of our input; the next one when this one was taken."""
        self._say(Channel.STDIN, os.read(0, LONGEST))
        self._input = False

    def _say(self, channel: Channel, data: bytes) -> None:
        try:
            self._wire.sendall(frame(channel, data))
        except OSError:
            self._input = False  # what it said last is still to be heard

    def _hear(self) -> None:
        try:
            data = self._wire.recv(LONGEST)
        except OSError:
            data = b""
        if not data:
            raise CommandError(GONE)
        try:
            for channel, text in self._frames.feed(data):
                self._take(channel, text)
        except (FrameError, msgspec.MsgspecError) as error:
            raise CommandError(f"the hub makes no sense: {error}") from None

    def _take(self, channel: Channel, text: bytes) -> None:
        if channel is Channel.STDIN:
            self._input = True
        elif channel is Channel.END:
            self._end = msgspec.json.decode(text, type=End)
        else:
            _write(1 if channel is Channel.STDOUT else 2, text)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
