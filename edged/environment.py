"""The environment of a container: references resolved and `$(VAR)` expanded, by the rules of Kubernetes.

Later goes before earlier: what a bound device brings, then `envFrom`, then `env`, each in the order of the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from edged.pod import Container, EnvFrom, EnvVar, Metadata, ValueFrom
from edged.sources import Secret, Sources
from edged.validate import KEYED_FIELD
from edged.wanted import CannotPlan

__all__ = ["Environment", "expanded"]

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class Environment(NamedTuple):
    """What the containers of one pod may refer to."""

    metadata: Metadata
    fields: Mapping[str, str]
    """By the path of `fieldRef`; labels and annotations aside."""
    sources: Sources
    first: Mapping[str, str] = {}
    """What every container gets."""

    def of(self, container: Container) -> dict[str, str]:
        """Its variables. CannotPlan: something it refers to is not there."""
        env = dict(self.first)
        try:
            for source in container.env_from:
                env |= self._all_of(source)
            for entry in container.env:
                value = self._value(entry, env)
                if value is not None:
                    env[entry.name] = value
            _check(env)
        except ValueError as error:
            raise CannotPlan("CreateContainerConfigError", str(error), container.name) from None
        return env

    def _all_of(self, source: EnvFrom) -> dict[str, str]:
        """Keys that cannot be names of variables are left out."""
        ref, kind = (source.secret_ref, "Secret") if source.secret_ref else (source.config_map_ref, "ConfigMap")
        assert ref
        values = self._values(kind, ref.name)
        if values is None:
            if ref.optional:
                return {}
            raise ValueError(f"{kind} {self.metadata.namespace}/{ref.name} is not there")
        named = {source.prefix + key: (key, value) for key, value in values.items()}
        return {
            name: _text(value, kind, ref.name, key) for name, (key, value) in named.items() if _NAME.fullmatch(name)
        }

    def _value(self, entry: EnvVar, env: Mapping[str, str]) -> str | None:
        """None: it is optional, and not there."""
        origin = entry.value_from
        if origin is None:
            return expanded(entry.value, env)
        return self._field(origin.field_ref.field_path) if origin.field_ref else self._key(origin)

    def _field(self, path: str) -> str:
        if match := KEYED_FIELD.fullmatch(path):
            values = self.metadata.labels if match[1] == "labels" else self.metadata.annotations
            return values.get(match[2], "")
        return self.fields[path]

    def _key(self, origin: ValueFrom) -> str | None:
        kind = "Secret" if origin.secret_key_ref else "ConfigMap"
        ref = origin.secret_key_ref or origin.config_map_key_ref
        assert ref
        values = self._values(kind, ref.name)
        if values is not None and ref.key in values:
            return _text(values[ref.key], kind, ref.name, ref.key)
        if ref.optional:
            return None
        name = f"{kind} {self.metadata.namespace}/{ref.name}"
        raise ValueError(f"{name} is not there" if values is None else f"{name} has no key {ref.key}")

    def _values(self, kind: str, name: str) -> Mapping[str, bytes] | Mapping[str, str] | None:
        id_ = f"{self.metadata.namespace}/{name}"
        if kind == "ConfigMap":
            found = self.sources.config_maps.get(id_)
            return found.text if found else None
        secret: Secret | None = self.sources.secrets.get(id_)
        return secret.files if secret else None


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value where there is one, and `$$` a `$`; everything else stays."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else env.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def _text(value: str | bytes, kind: str, name: str, key: str) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the value of {key} in {kind} {name} is not text; mount it as a file") from None


def _check(env: Mapping[str, str]) -> None:
    for name, value in env.items():
        if "\0" in value:
            raise ValueError(f"the value of the variable {name} has a character U+0000; mount it as a file")
