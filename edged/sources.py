"""ConfigMaps and Secrets: what pods take values and files from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from edged.pod import Metadata

__all__ = ["LARGEST", "ConfigMap", "ConfigMapManifest", "Secret", "SecretManifest", "Sources"]

LARGEST = 1024 * 1024
"""Bytes of all values of one object together, as in Kubernetes."""


class _Manifest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    api_version: Literal["v1"]
    metadata: Metadata
    immutable: bool = False
    """It says that it will not change; nobody is kept from editing it."""


class ConfigMapManifest(_Manifest, frozen=True):
    """As it is written."""

    kind: Literal["ConfigMap"]
    data: Mapping[str, str] = {}
    binary_data: Mapping[str, str] = {}
    """Base64."""


class SecretManifest(_Manifest, frozen=True):
    """As it is written."""

    kind: Literal["Secret"]
    type: str = "Opaque"
    data: Mapping[str, str] = {}
    """Base64."""
    string_data: Mapping[str, str] = {}
    """Goes before `data`."""

    def __repr__(self) -> str:
        return f"SecretManifest({self.metadata.name!r})"


class ConfigMap(NamedTuple):
    """By key."""

    text: Mapping[str, str] = {}
    binary: Mapping[str, bytes] = {}

    @property
    def files(self) -> Mapping[str, bytes]:
        """All of it, as a volume shows it."""
        return {key: value.encode() for key, value in self.text.items()} | dict(self.binary)


class Secret(Struct, frozen=True):
    """By key; never to be logged."""

    files: Mapping[str, bytes]

    def __repr__(self) -> str:
        return "Secret()"


class Sources(NamedTuple):
    """All there are, by `<namespace>/<name>`."""

    config_maps: Mapping[str, ConfigMap] = {}
    secrets: Mapping[str, Secret] = {}
