"""The command line's way to the hub that runs on this machine: `edged.front_door`, from outside."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from edged.errands import SOCKET, Answer, Begun, Errand, Exec, Refusal
from twinhub.errors import CommandError
from twinhub.state_dir import NAME, found, running_broker

__all__ = ["HubDoor", "NoSuchPod", "add_state_option"]

A = TypeVar("A")
CHUNK = 1 << 16
MARGIN = 30.0
"""Seconds that an answer may take beyond what its errand asks for."""


def add_state_option(parser: argparse.ArgumentParser) -> None:
    """The option of every command that speaks to the hub on this machine."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help=f"what the hub that runs here remembers in (default: {NAME} in the current directory, else in the folder"
        " there that a hub runs on)",
    )


class NoSuchPod(CommandError):
    """The hub knows no pod of this name."""


class HubDoor:
    """Of the hub that works in `directory`; None = the one that runs here."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory or found()

    def ask(self, errand: Errand, form: type[A], *, within: float = 0.0) -> A:
        """The answer. CommandError: there is no hub, or it cannot. `within`: seconds that the errand may take."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            return self._ask(wire, errand, form, within)

    @contextmanager
    def begin(self, errand: Exec) -> Iterator[socket.socket]:
        """The way to a command that has begun. CommandError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
            self._ask(wire, errand, Begun, 0.0)
            wire.settimeout(None)
            yield wire

    def _ask(self, wire: socket.socket, errand: Errand, form: type[A], within: float) -> A:
        wire.settimeout(within + MARGIN)
        self._connect(wire)
        try:
            wire.sendall(msgspec.json.encode(errand) + b"\n")
            answer = msgspec.json.decode(_line(wire), type=Answer)
        except (OSError, msgspec.MsgspecError) as error:
            raise CommandError(f"the hub did not answer: {error}") from None
        if isinstance(answer, Refusal):
            raise (NoSuchPod if answer.absent else CommandError)(answer.reason)
        assert isinstance(answer, form)
        return answer

    def _connect(self, wire: socket.socket) -> None:
        try:
            opened = os.open(self._directory, os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                wire.connect(f"/proc/self/fd/{opened}/{SOCKET}")
            finally:
                os.close(opened)
        except PermissionError:
            raise CommandError(f"{self._directory} is not ours: ask as the user the hub runs as") from None
        except OSError:
            raise CommandError(self._absence()) from None

    def _absence(self) -> str:
        """Why nobody answers at the door, and what to do."""
        if running_broker(self._directory):
            return f"the hub in {self._directory} runs no pods yet: declare one in its folder, then ask again"
        advice = "start it with `twinhub run`, or name the directory of one that runs with --state-dir DIR"
        return f"no hub runs in {self._directory}; {advice}"


def _line(wire: socket.socket) -> bytes:
    """The first, and nothing of what may follow it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        waiting = wire.recv(CHUNK, socket.MSG_PEEK)
        if not waiting:
            break
        line += wire.recv(waiting.find(b"\n") + 1 or len(waiting))
    return bytes(line)
