"""What is wrong in a manifest, where it stands, and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Path", "Place", "Problem", "Report", "dotted", "nearest", "suggestion"]

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value, from the root of its document."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


class Place(NamedTuple):
    """Where a value stands: the file, its line (0 = the file as a whole) and the path in the document."""

    file: str
    line: int = 0
    path: Path = ()


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding in a manifest; errors keep a device from being used, warnings do not."""

    file: str
    line: int
    path: str
    message: str
    advice: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{self.path}: " if self.path else ""
        remedy = f"; {self.advice}" if self.advice else ""
        return _one_line(f"{place}: {subject}{self.message}{remedy}")


def _one_line(text: str) -> str:
    """What a manifest says can neither command a terminal nor pass for another line."""
    return "".join(character if character.isprintable() else "·" for character in text)


class Report:
    """Collects problems; the same one told twice counts once."""

    def __init__(self) -> None:
        self._problems: set[Problem] = set()
        self._refused: set[tuple[str, str, str]] = set()
        self._incomplete = False

    def error(self, place: Place, message: str, advice: str = "") -> None:
        self._problems.add(Problem(place.file, place.line, dotted(place.path), message, advice))

    def warning(self, place: Place, message: str, advice: str = "") -> None:
        self._problems.add(Problem(place.file, place.line, dotted(place.path), message, advice, "warning"))

    def refuse(self, kind: str, namespace: str, name: str) -> None:
        """This document is there, but it is not valid: what refers to it shall not be told that it is missing."""
        self._refused.add((kind, namespace, name))

    def lack(self) -> None:
        """Some file could not be read, so nobody knows what is missing."""
        self._incomplete = True

    def may_have(self, kind: str, namespace: str, name: str) -> bool:
        """Whether a document that was not found may be among what was refused."""
        return self._incomplete or (kind, namespace, name) in self._refused

    def __len__(self) -> int:
        return len(self._problems)

    def sorted(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._problems))


def dotted(path: Path) -> str:
    """`spec.properties[0].name`; keys that are no plain words are quoted."""
    return "".join(_step(step) for step in path).removeprefix(".")


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f'["{step}"]'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, whatever its capitals."""
    folded = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """What to write instead of a word that is none of the known ones."""
    known = list(known)
    meant = nearest(word, known)
    if meant is not None:
        return f"did you mean {meant}?"
    return f"write one of: {', '.join(known)}" if known else "remove it"
