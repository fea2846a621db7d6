"""The manifest files of a folder, read: bytes → documents, within stated limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_models import problem
from device_models.problem import Place, Report
from device_models.yaml_text import MAX_BYTES, YamlText

__all__ = ["MAX_FILES", "MAX_TEXT", "Document", "documents", "read_text"]

MAX_FILES = 10_000
"""Manifest files in one folder, subfolders included."""
MAX_TEXT = 128 * 1024 * 1024
"""Characters of all of them together."""
_SUFFIXES = {".yaml", ".yml"}
_NOT_A_MANIFEST = "twinhub.yaml"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of one file."""

    file: Path
    data: Any
    text: YamlText
    index: int

    def locate(self, path: problem.Path) -> Place:
        return Place(str(self.file), self.text.line(self.index, path), path)


def documents(path: Path, report: Report) -> Iterator[Document]:
    """Every document of a file, or of all *.yaml and *.yml files below a folder, in the order of their paths.

    Hidden files and folders and `twinhub.yaml` are skipped; empty documents too. What cannot be read is
    reported, and the rest is read all the same.
    """
    left = MAX_TEXT
    for file in _files(path, report):
        text = read_text(file, report)
        left -= len(text or "")
        if left < 0:
            report.error(Place(str(path)), f"the manifests are larger than {MAX_TEXT // 2**20} MiB", "remove some")
            text = None
        if text is None:
            report.lack()
        else:
            yield from _documents_of(file, YamlText(text), report)


def _documents_of(file: Path, text: YamlText, report: Report) -> Iterator[Document]:
    for fault in text.faults:
        report.error(Place(str(file), fault.line), fault.message, fault.advice)
        report.lack()
    for index, data in enumerate(text.documents):
        if data is not None:
            yield Document(file, data, text, index)


def read_text(file: Path, report: Report) -> str | None:
    """The text of a file of UTF-8, at most MAX_BYTES long; None, and a report, when it is something else."""
    place = Place(str(file))
    if not file.is_file():  # a pipe would block, a folder cannot be read
        report.error(place, "is not a file that can be read", "check the name")
        return None
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        report.error(place, f"cannot be read: {error.strerror}", "check the name and its permissions")
        return None
    if len(raw) > MAX_BYTES:
        report.error(place, f"is larger than {MAX_BYTES // 2**20} MiB", "split it into several files")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        report.error(Place(str(file), line), "this is not UTF-8 text", "save the file as UTF-8")
        return None


def _files(path: Path, report: Report) -> list[Path]:
    if not path.exists():
        report.error(Place(str(path)), "there is no such file or folder", "check the name")
        return []
    if not path.is_dir():
        return [path]
    files = sorted(_walk(path, report))
    if not files:
        report.warning(Place(str(path)), "there are no manifests here", "put *.yaml or *.yml files into this folder")
    if len(files) > MAX_FILES:
        report.error(Place(str(path)), f"there are more than {MAX_FILES:,} manifest files here", "join some of them")
    return files[:MAX_FILES]


def _walk(path: Path, report: Report) -> Iterator[Path]:
    def unreadable(error: OSError) -> None:
        report.error(Place(str(error.filename)), f"cannot be read: {error.strerror}", "check its permissions")

    for folder, subfolders, names in os.walk(path, onerror=unreadable):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            if Path(name).suffix in _SUFFIXES and not name.startswith(".") and name != _NOT_A_MANIFEST:
                yield Path(folder, name)
