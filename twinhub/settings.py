"""The optional `twinhub.yaml`: checked against its schema, every mistake named with its line and a remedy.

A password never stands in the file itself: `!env NAME` takes it from the environment, `!file PATH` from a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from twinhub.errors import CommandError

__all__ = ["FILE", "BrokerSettings", "Secret", "Settings", "load_settings"]

FILE = "twinhub.yaml"
LARGEST = 1 << 20
"""Bytes of the file."""


class Secret(msgspec.Struct, frozen=True):
    """Where a secret is to be found: in an environment variable or in a file."""

    env: str = ""
    file: str = ""

    def read(self, folder: Path) -> str:
        """The secret itself. A relative file lies beside the settings. CommandError when it is not there."""
        if self.env:
            if self.env not in os.environ:
                raise CommandError(f"{FILE}: the environment has no {self.env}, which should hold a password")
            return os.environ[self.env]
        try:
            return (folder / self.file).read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{FILE}: cannot read the password file {self.file}: {error}") from None


class BrokerSettings(msgspec.Struct, frozen=True, rename="camel"):
    """A broker by address where `url` is given, else a private one on `port` of this machine."""

    url: str | None = None
    port: int = 1883
    kind: Literal["mosquitto", "nats"] | None = None
    """Which program the private broker is; None = mosquitto where there is one."""
    username: str | None = None
    password: Secret | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that can be set, with its default."""

    node: str | None = None
    """The name of this edge; None = the host's name."""
    broker: BrokerSettings = BrokerSettings()
    mappers: bool = True
    """Run the mappers in the hub's process; false where `twinhub mapper run` does it."""
    store: Literal["tinydb", "sqlite"] | None = None
    """The catalogue; None = TinyDB, one readable file, for up to a hundred devices, else SQLite."""
    strict: bool = False
    """KubeEdge's rules for values: 512 characters of a small set."""
    max_value_bytes: int = 64 * 1024
    outbox_limit: int = 100_000
    """Changes kept for the cloud; 0 = none."""


def load_settings(folder: Path) -> Settings:
    """The settings of a folder; the defaults where it has no file. CommandError with every mistake there is."""
    path = folder / FILE
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    if len(text) > LARGEST:
        raise CommandError(f"{path} has {len(text)} bytes; settings take less than {LARGEST}")
    try:
        root = yaml.compose(text, _Loader)
        values = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        values = {} if values is None else values
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise CommandError(_broken(path, error)) from None
    mistakes = [f"{path}:{_line(root, e.absolute_path)}: {_words(e)}" for e in _errors(values)]
    if mistakes:
        raise CommandError("\n".join(mistakes))
    return msgspec.convert(values, Settings)


class _Loader(yaml.SafeLoader):
    """YAML, with references to secrets."""


def _reference(loader: _Loader, tag: str, node: yaml.Node) -> dict[Hashable, Any]:
    return {tag: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None}


_Loader.add_multi_constructor("!", _reference)


def _errors(values: Any) -> list[ValidationError]:
    schema = json.loads((files("twinhub") / "settings.schema.json").read_text())
    found = Draft202012Validator(schema).iter_errors(values)
    return sorted(found, key=lambda error: [str(step) for step in error.absolute_path])


def _words(error: ValidationError) -> str:
    """The remedy the schema gives; the value itself is not shown, it may be a misplaced secret."""
    where = ".".join(map(str, error.absolute_path))
    if "description" in error.schema:
        return f"{where}: {error.schema['description']}"
    if error.validator == "additionalProperties":
        return "; ".join(_unknown(error, where))
    return f"{where or 'the file'}: write settings, one `name: value` a line"


def _unknown(error: ValidationError, where: str) -> Iterator[str]:
    known = list(error.schema["properties"])
    for name in error.instance:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            yield f"{where + '.' if where else ''}{name}: no such setting; {advice}"


def _line(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """The line of the innermost node of `path`, from 1."""
    for step in path:
        children = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in children if key.value == step), node)
    return node.start_mark.line + 1 if node else 1


def _broken(path: Path, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    return f"{path}:{line}: this is not YAML: {getattr(error, 'problem', None) or ' '.join(str(error).split())}"
