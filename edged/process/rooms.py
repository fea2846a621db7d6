"""The directories in which sandboxes and containers are kept, one for each.

A directory's name comes from the thing's name, and it appears whole, by a rename: so a name is given once, and
nothing is ever there by half.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Generic, TypeVar

from msgspec import DecodeError, Struct, json

from edged import tree
from edged.runtime import ContainerPlan, NoSuchThing, RuntimeRefused, SandboxPlan

__all__ = ["Contained", "Rooms", "Shared", "sweep", "sweep_old"]

SPACE = 32
"""Characters of an id that name the directory; the others tell one thing from a later one of the same name."""
OLD = 3600.0
"""Seconds after which what is half made, or half removed, is swept away."""


class Shared(Struct, frozen=True):
    """A sandbox, as it is written down."""

    id: str
    created: float
    boot: str
    """Which start of the machine it belongs to."""
    plan: SandboxPlan


class Contained(Struct, frozen=True):
    """A container, as it is written down."""

    id: str
    created: float
    sandbox: str
    image_id: str
    cgroups: tuple[str, ...]
    plan: ContainerPlan


Thing = TypeVar("Thing", Shared, Contained)


class Rooms(Generic[Thing]):
    """All of one kind."""

    def __init__(self, directory: Path, kind: type[Thing]) -> None:
        self._directory = directory
        self._kind: type[Thing] = kind

    def prepare(self) -> None:
        """Make the directory, and sweep it. OSError."""
        self._directory.mkdir(parents=True, exist_ok=True)
        sweep_old(self._directory)

    def add(self, name: str, thing: Callable[[str], Thing]) -> Thing:
        """Make one, given its id. RuntimeRefused: the name is taken."""
        made = thing(hashlib.sha256(name.encode()).hexdigest()[:SPACE] + token_hex(8))
        beside = self._directory / f".{token_hex(8)}"
        beside.mkdir(mode=0o700)
        try:
            (beside / "plan.json").touch(mode=0o600)
            (beside / "plan.json").write_bytes(json.encode(made))
            beside.rename(self.path(made.id))
        except OSError as error:
            sweep(beside)
            if self.path(made.id).exists():
                raise RuntimeRefused("CreateContainerError", f"the name {name} is taken") from None
            raise RuntimeRefused("CreateContainerError", f"{name} cannot be written down: {error}") from error
        return made

    def path(self, id_: str) -> Path:
        """Its directory, if it is there."""
        return self._directory / (id_[:SPACE] if id_.isalnum() else "absent")

    def get(self, id_: str) -> Thing:
        """NoSuchThing."""
        thing = self._read(self.path(id_))
        if thing is None or thing.id != id_:
            raise NoSuchThing("", f"{id_} is not there")
        return thing

    def paths(self) -> Iterator[Path]:
        """The directories of what is there."""
        return (entry for entry in self._directory.iterdir() if not entry.name.startswith("."))

    def all(self) -> Iterator[Thing]:
        """What is there."""
        return (thing for path in self.paths() if (thing := self._read(path)))

    def discard(self, id_: str) -> Path:
        """Take it away; where it is now, to be swept."""
        beside = self._directory / f".{token_hex(8)}"
        with suppress(FileNotFoundError):
            self.path(id_).rename(beside)
        return beside

    def _read(self, path: Path) -> Thing | None:
        with suppress(OSError, DecodeError):
            return json.decode((path / "plan.json").read_bytes(), type=self._kind)
        return None


def sweep_old(directory: Path) -> None:
    """Remove what was half made or half removed when somebody was killed."""
    for path in directory.glob(".*"):
        with suppress(OSError):
            if path.stat().st_ctime < time.time() - OLD:
                sweep(path)


def sweep(path: Path) -> None:
    """Remove with all that is in it, as far as that can be."""
    with suppress(OSError):
        tree.remove(path)
