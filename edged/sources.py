"""ConfigMaps and Secrets: what pods take values and files from."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

from device_models.advice import Finding
from edged.pod import Metadata

__all__ = ["LARGEST", "ConfigMap", "ConfigMapManifest", "Secret", "SecretManifest", "Sources", "findings"]

LARGEST = 1024 * 1024
"""Bytes of all values of one object together, as in Kubernetes."""
_KEY = re.compile(r"(?!\.\.)(?!\.\Z)[-._a-zA-Z0-9]{1,253}")


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

    def read(self) -> ConfigMap:
        """What it holds, where there are no `findings`."""
        return ConfigMap(self.data, {key: _decoded(text) for key, text in self.binary_data.items()})


class SecretManifest(_Manifest, frozen=True):
    """As it is written."""

    kind: Literal["Secret"]
    type: str = "Opaque"
    data: Mapping[str, str] = {}
    """Base64."""
    string_data: Mapping[str, str] = {}
    """Goes before `data`."""

    def read(self) -> Secret:
        """What it holds, where there are no `findings`."""
        texts = {key: text.encode() for key, text in self.string_data.items()}
        return Secret({key: _decoded(text) for key, text in self.data.items()} | texts)

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


def findings(manifest: ConfigMapManifest | SecretManifest) -> Iterator[Finding]:
    """What is wrong with its keys and values. Values are not shown."""
    if isinstance(manifest, ConfigMapManifest):
        plain, plain_key, coded, coded_key = manifest.data, "data", manifest.binary_data, "binaryData"
        for key in plain.keys() & coded.keys():
            yield Finding((coded_key, key), "the key is in data as well", "remove one of the two")
    else:
        plain, plain_key, coded, coded_key = manifest.string_data, "stringData", manifest.data, "data"
    for part, key in [(plain_key, key) for key in plain] + [(coded_key, key) for key in coded]:
        if not _KEY.fullmatch(key):
            advice = "write letters, digits, '-', '_' and '.', no '..' in front"
            yield Finding((part, key), "this cannot be the name of a file", advice)
    size = sum(len(text.encode()) for text in plain.values())
    for key, text in coded.items():
        try:
            size += len(_decoded(text))
        except ValueError:
            yield Finding((coded_key, key), "the value is not base64", f"encode it, or move it to {plain_key}")
    if size > LARGEST:
        yield Finding((), f"it has {size:,} bytes; the most is {LARGEST:,}", "split it into several")


def _decoded(text: str) -> bytes:
    """From base64, in one line or several."""
    try:
        return b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
