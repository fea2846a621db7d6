"""The names that this node had before: `twinhub join` gives it another one, and what runs keeps its labels.

They are noted in a file until nothing on an engine bears them.
"""

from __future__ import annotations

import logging
from pathlib import Path

from twin import durable_file

__all__ = ["forget", "noted"]

logger = logging.getLogger("edged")

_FILE = "node-names"


def noted(directory: Path, node: str) -> tuple[str, ...]:
    """Names that something of this node may still bear beside `node`, which is noted. `directory`: edged's own."""
    known = _read(directory)
    if known[:1] != (node,):
        known = (node, *(name for name in known if name != node))
        _write(directory, known)
    return known[1:]


def forget(directory: Path, node: str) -> None:
    """Nothing bears a name but this."""
    if _read(directory) != (node,):
        _write(directory, (node,))


def _read(directory: Path) -> tuple[str, ...]:
    """The present name is the first."""
    try:
        return tuple((directory / _FILE).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        return ()


def _write(directory: Path, names: tuple[str, ...]) -> None:
    try:
        durable_file.replace(directory / _FILE, "".join(f"{name}\n" for name in names).encode())
    except OSError as error:
        logger.warning("%s cannot be written, so a former name of this node may be forgotten: %s", _FILE, error)
