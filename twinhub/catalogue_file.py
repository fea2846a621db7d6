"""In which file of its state directory an edge keeps its catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["READABLE_DEVICES", "catalogue_file"]

READABLE_DEVICES = 100
"""Up to so many the catalogue is a text file by default: writing it costs time in proportion to what it holds."""


def catalogue_file(state: Path, kind: Literal["tinydb", "sqlite"] | None, count: int) -> Path:
    """The file, whose suffix names the backend. Where nothing is set, the one that is there; a new one is readable
    text while it is small."""
    readable, database = state / "catalogue.json", state / "catalogue.db"
    if kind is None and (readable.exists() or database.exists()):
        return database if database.exists() else readable
    small = count <= READABLE_DEVICES if kind is None else kind == "tinydb"
    return readable if small else database
