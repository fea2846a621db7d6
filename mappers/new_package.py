"""A package with a mapper in it, ready to be edited: the files of `template`, under another name than acme."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from device_models.protocols import EXTERNAL
from mappers.protocols import PROTOCOLS

TEMPLATE = Path(__file__).with_name("template")
NAME = re.compile(r"[a-z][a-z0-9]{1,14}")
"""A name of a protocol that is a part of names of packages, modules, classes and devices alike."""


def create(name: str, folder: Path) -> Path:
    """Make `folder/twinhub-<name>`, all of it or nothing, and return where it is.

    ValueError when the name cannot be taken; FileExistsError, or another OSError, when the folder cannot.
    """
    _check(name)
    package = folder / f"twinhub-{name}"
    if package.exists():
        raise FileExistsError(f"{package} is there already; move it away, or name another folder with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".twinhub-new-", dir=folder) as scratch:
        made = Path(scratch) / "package"
        for file in _files():
            target = made / _renamed(str(file.relative_to(TEMPLATE)), name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_renamed(file.read_text("utf-8"), name), "utf-8")
        made.rename(package)
    return package


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        rather = re.sub(r"[^a-z0-9]", "", name.lower()).lstrip("0123456789")[:15]
        advice = f"; {rather} would do" if NAME.fullmatch(rather) else ""
        raise ValueError(
            f"{name!r} is no name for a protocol: write 2 to 15 small letters and digits, a letter first{advice}"
        )
    if name in (known.casefold() for known in (EXTERNAL, *PROTOCOLS)):
        raise ValueError(f"there is a protocol {name} already; take another name")


def _files() -> Iterator[Path]:
    for file in sorted(TEMPLATE.rglob("*")):
        parts = file.relative_to(TEMPLATE).parts
        if file.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield file


def _renamed(text: str, name: str) -> str:
    return text.replace("acme", name).replace("Acme", name.capitalize())
