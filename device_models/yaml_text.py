"""YAML text → plain data, and the line of each path.

Read from the parser's events rather than from its node graph, because the graph is composed by recursion in C:
a few kilobytes of brackets would end the process. Every limit on the text is stated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from device_models.problem import Path
from device_models.yaml_scalar import Scalar, resolve

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_VALUES", "Fault", "YamlText"]

MAX_BYTES = 8 * 1024 * 1024
"""Of one file."""
MAX_DEPTH = 64
"""Levels of nesting."""
MAX_VALUES = 1_000_000
"""Keys and values of one file, once its aliases are expanded."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # built without libyaml, PyYAML has only the slow one
_TAG = "tag:yaml.org,2002:"
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STANDARD_TAGS = {f"{_TAG}{name}" for name in ("int", "float", "bool", "null", "timestamp")}
_COLLECTION_TAGS = {None, "!", f"{_TAG}map", f"{_TAG}seq"}
_SYNTAX_ADVICE = {
    "mapping values are not allowed in this context": "quote a text that contains ': ', or mend the indentation",
    "found character that cannot start any token": "quote a text that begins with this character",
    "did not find expected key": "begin the lines of one mapping in the same column",
    "could not find expected ':'": "write 'key: value'",
    "found unexpected end of stream": "close the quote or bracket",
}


class Fault(NamedTuple):
    """Something that is wrong with the text itself."""

    line: int
    message: str
    advice: str


class _Broken(Exception):
    """The rest of the text cannot be read."""

    def __init__(self, line: int, message: str, advice: str) -> None:
        super().__init__(message)
        self.fault = Fault(line, message, advice)


class YamlText:
    """The documents of one text, as far as it can be read, and its faults.

    `documents` are plain data as JSON has it: dict with text keys, list, str, int, float, bool, None; empty
    documents are None.
    """

    def __init__(self, text: str) -> None:
        self.documents: list[Any] = []
        self.faults: list[Fault] = []
        self._text = text
        self._lines: list[dict[Path, int]] | None = None
        reader = _Reader(text, None)
        self._read(reader)
        self.faults = reader.faults

    def _read(self, reader: _Reader) -> None:
        try:
            for document in reader.documents():
                self.documents.append(document)
        except _Broken as broken:
            reader.faults.append(broken.fault)

    def line(self, index: int, path: Path) -> int:
        """The line on which the value at this path of a document begins, or what comes nearest above it."""
        lines = self._lines_of(index)
        while path not in lines:
            path = path[:-1]
        return lines[path]

    def _lines_of(self, index: int) -> dict[Path, int]:
        if self._lines is None:  # errors are rare: the lines are looked for only then
            self._lines = []
            try:
                for _ in _Reader(self._text, self._lines).documents():
                    pass
            except _Broken:
                pass
        return self._lines[index] if index < len(self._lines) else {(): 1}


class _Reader:
    """One pass over the events of a text."""

    def __init__(self, text: str, lines: list[dict[Path, int]] | None) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._all_lines = lines
        self._lines: dict[Path, int] = {}
        self._anchors: dict[str, Any] = {}
        self._count = 0
        self._events: Iterator[Any] = iter(())

    def documents(self) -> Iterator[Any]:
        self._check_characters()
        self._events = yaml.parse(self._text, Loader=_LOADER)
        try:
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    yield self._document()
        except yaml.YAMLError as error:
            raise _explained(error, self._text) from error

    def _check_characters(self) -> None:
        match = _NOT_PRINTABLE.search(self._text)
        if match:
            line = self._text.count("\n", 0, match.start()) + 1
            raise _Broken(line, f"there is a control character, U+{ord(match[0]):04X}", "remove it")

    def _document(self) -> Any:
        self._anchors = {}
        self._lines = {}
        if self._all_lines is not None:
            self._all_lines.append(self._lines)
        return self._value(next(self._events), ())

    def _value(self, event: Any, path: Path) -> Any:
        line = _line(event)
        self._tick(line, path)
        if self._all_lines is not None and (path not in self._lines or isinstance(event, yaml.ScalarEvent)):
            self._lines[path] = line
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, path)
        value = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else self._collection(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _tick(self, line: int, path: Path) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise _Broken(line, f"the file has more than {MAX_VALUES:,} values", "split it, or use fewer aliases")
        if len(path) > MAX_DEPTH:
            raise _Broken(line, f"the values are nested more than {MAX_DEPTH} levels deep", "write it flatter")

    def _collection(self, event: Any, path: Path) -> Any:
        if event.tag not in _COLLECTION_TAGS:
            self._foreign_tag(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return self._sequence(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        merged: list[Any] = []
        first_lines: dict[str, int] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key, line = self._key(event, path), _line(event)
            if key == "<<" and _is_plain(event):
                merged.append(self._merge_source(line, path))
                continue
            value = self._entry(path, key, line)
            if key in mapping:
                self._fault(line, f"the key '{key}' is here twice", f"remove it here or in line {first_lines[key]}")
            else:
                mapping[key], first_lines[key] = value, line
        return _merged_under(mapping, merged)

    def _entry(self, path: Path, key: str, line: int) -> Any:
        """The value of a key. A collection is said to stand where its key does."""
        place = (*path, key)
        if self._all_lines is not None:
            if place in self._lines:
                place = (*path, key, "<<")  # a second time: keep the lines of the first
            self._lines[place] = line
        return self._value(next(self._events), place)

    def _key(self, event: Any, path: Path) -> str:
        if isinstance(event, yaml.ScalarEvent):
            self._tick(_line(event), path)
            return event.value
        value = self._anchors.get(str(event.anchor)) if isinstance(event, yaml.AliasEvent) else None
        if isinstance(value, str):
            return value
        raise _Broken(_line(event), "a key is not plain text", "write 'key: value'")

    def _merge_source(self, line: int, path: Path) -> Any:
        source = self._value(next(self._events), (*path, "<<"))
        sources = source if isinstance(source, list) else [source]
        if all(isinstance(one, dict) for one in sources):
            return sources
        self._fault(line, "'<<' takes the keys of a mapping", "write <<: *name, where &name marks a mapping")
        return []

    def _alias(self, event: Any, line: int, path: Path) -> Any:
        if event.anchor not in self._anchors:
            raise _Broken(
                line,
                f"the alias *{event.anchor} stands for nothing that is complete here",
                f"mark a value above with &{event.anchor}; an alias cannot contain itself",
            )
        return self._copy(self._anchors[event.anchor], line, path)

    def _copy(self, value: Any, line: int, path: Path) -> Any:
        self._tick(line, path)
        if isinstance(value, dict):
            return {key: self._copy(item, line, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._copy(item, line, (*path, index)) for index, item in enumerate(value)]
        return value

    def _scalar(self, event: Any) -> Scalar:
        if _is_plain(event) or event.tag in _STANDARD_TAGS:
            return self._plain(event.value, _line(event))
        if event.tag not in {None, "!", f"{_TAG}str"}:
            self._foreign_tag(event)
        return str(event.value)

    def _plain(self, text: str, line: int) -> Scalar:
        try:
            return resolve(text)
        except ValueError as reason:
            self._fault(line, str(reason), "put it in quotes if it is meant as text")
            return text

    def _foreign_tag(self, event: Any) -> None:
        tag = event.tag.replace(_TAG, "!!")
        self._fault(_line(event), f"the tag {tag} has no meaning in a manifest", "remove it")

    def _fault(self, line: int, message: str, advice: str) -> None:
        self.faults.append(Fault(line, message, advice))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _is_plain(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.tag is None and bool(event.implicit[0])


def _merged_under(mapping: dict[str, Any], merged: list[Any]) -> dict[str, Any]:
    """The mapping, with the keys it lacks taken from what `<<` named; the first source wins."""
    for sources in merged:
        for source in sources:
            mapping = {**source, **mapping}
    return mapping


def _explained(error: yaml.YAMLError, text: str) -> _Broken:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return _Broken(1, f"this is not YAML: {error}", "mend the YAML")
    line = text.splitlines()[mark.line : mark.line + 1]
    if line and line[0][mark.column : mark.column + 1] == "\t":
        return _Broken(mark.line + 1, "a tab stands where YAML wants spaces", "indent with spaces")
    problem = error.problem or "it cannot be read"
    advice = _SYNTAX_ADVICE.get(problem, "mend the YAML here or just above")
    return _Broken(mark.line + 1, f"this is not YAML: {problem}", advice)
