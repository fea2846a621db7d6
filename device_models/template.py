"""DeviceTemplate: one body with {placeholders}, and a table → a Device for each row."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_models import problem
from device_models.folder import read_text
from device_models.manifest import Locate, Manifest
from device_models.problem import Place, Report, nearest
from device_models.upgrade import V1BETA1

__all__ = ["API_VERSION", "MAX_INSTANCES", "devices_of"]

API_VERSION = "twinhub.io/v1alpha1"
MAX_INSTANCES = 100_000
"""Devices from one template."""
MAX_CELL = 1024
"""Characters of one value that is put in."""
MAX_PATTERN = 4096
"""Characters of one text with placeholders."""
MAX_SIZE = 256 * 1024 * 1024
"""Of all devices of one template together, in bytes, roughly."""
_SIZE_OF_VALUE = 64

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_PLACEHOLDER = re.compile(rf"\{{\{{({_NAME})\}}\}}|\{{({_NAME})\}}")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.(?:0|[0-9]{0,14}[1-9]))?", re.ASCII)

Cell = str | int | float | bool


@dataclass(frozen=True, slots=True)
class _Row:
    """The values of one device, and where each stands."""

    cells: Mapping[str, Cell]
    place: Locate


def devices_of(manifest: Manifest, report: Report) -> Iterator[Manifest]:
    """The devices of a DeviceTemplate that is valid by its schema; each value knows its row, or the template.

    A string that is exactly one placeholder takes the value of its column as it is, so a number stays one; in
    a longer string the value's text is put in. `{{name}}` stands for the text `{name}`.
    """
    body = manifest.spec["template"]
    rows = list(_rows(manifest, report))
    columns = {name for row in rows for name in row.cells}
    size = 0
    for index, row in enumerate(rows):
        filling = _Filling(manifest, row, columns, report)
        filled = filling.filled(body)
        size += filling.size
        if size > MAX_SIZE or index == MAX_INSTANCES:
            report.error(manifest.locate(("spec",)), "the template makes too many or too large devices", "split it")
            return
        yield Manifest(
            {"apiVersion": V1BETA1, **filled, "kind": "Device"}, manifest.file, _locate(manifest, body, row)
        )


def _rows(manifest: Manifest, report: Report) -> Iterator[_Row]:
    if "instancesFrom" in manifest.spec:
        yield from _rows_of_csv(manifest, report)
        return
    for index, cells in enumerate(manifest.spec["instances"]):
        yield _Row(cells, manifest.moved({}, {(): ("spec", "instances", index)}).locate)


def _rows_of_csv(manifest: Manifest, report: Report) -> Iterator[_Row]:
    file = Path(manifest.file).parent / manifest.spec["instancesFrom"]
    if not file.is_file():
        place = manifest.locate(("spec", "instancesFrom"))
        report.error(place, f"there is no file {file.name} beside this one", _nearest_file(file))
        return
    text = read_text(file, report)
    if text is not None:
        yield from _parsed(text, file, report)


def _nearest_file(file: Path) -> str:
    tables = sorted(path.name for path in file.parent.glob("*.csv"))
    meant = nearest(file.name, tables)
    return f"did you mean {meant}?" if meant else "write the name of a CSV file in the same folder"


def _parsed(text: str, file: Path, report: Report) -> Iterator[_Row]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        header = [name.strip() for name in next(reader, [""])]
        if not _is_header(header, Place(str(file), 1), report):
            return
        line = reader.line_num + 1
        for values in reader:
            if any(value.strip() for value in values):
                yield from _row(header, values, Place(str(file), line), report)
            line = reader.line_num + 1
    except csv.Error as error:
        report.error(Place(str(file), reader.line_num), f"this is not CSV: {error}", "mend the line")


def _is_header(header: list[str], place: Place, report: Report) -> bool:
    if not all(header):
        report.error(place, "a column has no name", "write the names of all columns into the first line: nr,ip")
        return False
    for name in header:
        if header.count(name) > 1:
            report.error(place, f"the column '{name}' is here twice", "give each column a name of its own")
            return False
    return True


def _row(header: list[str], values: list[str], place: Place, report: Report) -> Iterator[_Row]:
    if len(values) != len(header):
        message = f"the row has {len(values)} cells, and there are {len(header)} columns"
        report.error(place, message, "give every column one cell; quote a cell that contains the separator")
        return
    cells = {name: _cell(value.strip()) for name, value in zip(header, values, strict=True)}
    yield _Row(cells, lambda path: Place(place.file, place.line, path))


def _cell(text: str) -> Cell:
    """A number or true/false where the text is one in its plain form, so that the same text can come back."""
    if text in {"true", "false"}:
        return text == "true"
    if not _PLAIN_NUMBER.fullmatch(text) or text == "-0":
        return text
    number: int | float = json.loads(text)
    return number if repr(number) == text else text


class _Filling:
    """One row put into the body of a template."""

    def __init__(self, manifest: Manifest, row: _Row, columns: set[str], report: Report) -> None:
        self._manifest = manifest
        self._row = row
        self._columns = columns
        self._report = report
        self.size = 0

    def filled(self, body: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._fill(body, ("spec", "template"))
        return result

    def _fill(self, value: Any, path: problem.Path) -> Any:
        self.size += _SIZE_OF_VALUE
        if isinstance(value, dict):
            return {key: self._fill(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._fill(item, (*path, index)) for index, item in enumerate(value)]
        return self._substituted(value, path) if isinstance(value, str) and "{" in value else value

    def _substituted(self, text: str, path: problem.Path) -> Cell:
        whole = _PLACEHOLDER.fullmatch(text)
        if whole is not None and whole[2] is not None:
            return self._cell(whole[2], path)
        if len(text) > MAX_PATTERN:
            advice = f"write at most {MAX_PATTERN:,} characters where there are placeholders"
            self._report.error(self._manifest.locate(path), "the text is too long to be filled in", advice)
            return text
        filled = _PLACEHOLDER.sub(lambda match: self._text(match, path), text)
        self.size += len(filled)
        return filled

    def _text(self, match: re.Match[str], path: problem.Path) -> str:
        if match[1] is not None:
            return f"{{{match[1]}}}"
        cell = self._cell(match[2], path)
        return ("true" if cell else "false") if isinstance(cell, bool) else str(cell)

    def _cell(self, name: str, path: problem.Path) -> Cell:
        if name in self._row.cells:
            return self._short(name)
        if name in self._columns:
            self._report.error(self._row.place(()), f"'{name}' is missing in this instance", f"add '{name}'")
        else:
            meant = nearest(name, self._columns)
            advice = f"did you mean {{{meant}}}?" if meant else f"the columns are: {', '.join(sorted(self._columns))}"
            self._report.error(self._manifest.locate(path), f"there is no column '{name}'", advice)
        return f"{{{name}}}"

    def _short(self, name: str) -> Cell:
        cell = self._row.cells[name]
        if not isinstance(cell, str) or len(cell) <= MAX_CELL:
            return cell
        advice = f"write at most {MAX_CELL:,} characters"
        self._report.error(self._row.place((name,)), f"the value of '{name}' is too long", advice)
        return cell[:MAX_CELL]


def _locate(manifest: Manifest, body: dict[str, Any], row: _Row) -> Locate:
    """A value that came from the row stands there, any other in the template."""

    def locate(path: problem.Path) -> Place:
        value: Any = body
        for step in path:
            if isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str):
            for match in _PLACEHOLDER.finditer(value):
                if match[2] is not None:
                    line = row.place((match[2],)).line
                    return Place(row.place(()).file, line, path)
        return manifest.locate(("spec", "template", *path))

    return locate
