"""Images from files, unpacked once each: docker archives, OCI archives, and root file systems as they are.

Formats: opencontainers image-spec (image-layout, layer, config), and the docker archive's `manifest.json`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote
from uuid import uuid4

from msgspec import DecodeError, Struct, json

from edged import images as policy
from edged import tree
from edged.process import record
from edged.process.rooms import sweep, sweep_old
from edged.runtime import Image, RuntimeRefused

__all__ = ["HOST", "Images", "Stored"]

HOST = "host"
"""The image that is the node itself: its programs, its files."""
MOST_BYTES = 16 << 30
"""Of one image, unpacked."""
MOST_FILES = 1_000_000
"""In one layer: a name is kept of each while it is unpacked."""
MOST_JSON = 4 << 20
WHITE_OUT = ".wh."
"""Begins the name of a file that takes away the one of the same name in the layers below."""
OPAQUE = ".wh..wh..opq"
"""Takes away all that the layers below have in its directory."""
_NO_SENSE = (OSError, EOFError, tarfile.TarError, zlib.error, ArithmeticError, LookupError, ValueError, RuntimeError)
"""What reading or unpacking an archive may end with; a loop of links is a RuntimeError."""
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


class Config(Struct, frozen=True, rename="pascal"):
    """What an image says of how it is run."""

    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    user: str = ""


class _Described(Struct, frozen=True):
    config: Config | None = None


class _Platform(Struct, frozen=True):
    architecture: str = ""


class _Descriptor(Struct, frozen=True):
    digest: str
    annotations: Mapping[str, str] = {}
    platform: _Platform = _Platform()


class _Manifest(Struct, frozen=True):
    """Of an image, or a list of such."""

    manifests: tuple[_Descriptor, ...] = ()
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] = ()


class _Docker(Struct, frozen=True, rename="pascal"):
    config: str
    layers: tuple[str, ...]
    repo_tags: tuple[str, ...] | None = None


class Stored(Struct, frozen=True):
    """An image that is there."""

    id: str
    root: str
    """Its files; empty: the node's."""
    size: int
    config: Config


class _Read(NamedTuple):
    names: Sequence[str]
    digest: str
    config: Config
    layers: Sequence[str]


class Images:
    """Those in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = directory / "names"

    def prepare(self) -> None:
        """Make the directory, and sweep it. OSError."""
        self._names.mkdir(parents=True, exist_ok=True)
        sweep_old(self._directory)

    def all(self) -> list[Image]:
        """What is there."""
        names: dict[str, list[str]] = {}
        for path in sorted(self._names.iterdir()):
            if not path.name.startswith("."):
                with suppress(OSError):
                    names.setdefault(path.read_text(), []).append(unquote(path.name))
        stored = [self._stored(digest) for digest in names]
        return [Image(one.id, names[one.id.removeprefix("sha256:")], one.size) for one in stored if one]

    def find(self, name: str) -> Stored | None:
        """By any of its names, or its id."""
        if name == HOST:
            return Stored(HOST, "", 0, Config())
        for one in sorted(policy.names(name)):
            with suppress(OSError):
                return self._stored((self._names / quote(one, safe="")).read_text())
        digest = name.removeprefix("sha256:")
        return self._stored(digest) if digest.isalnum() else None

    def load(self, archive: str) -> list[str]:
        """Unpack what is in a file; the names. RuntimeRefused."""
        try:
            with tarfile.open(archive) as tar:
                return [name for image in _read(tar, Path(archive)) for name in self._keep(tar, Path(archive), image)]
        except _NO_SENSE as error:
            raise RuntimeRefused("ErrImagePull", f"{archive} cannot be loaded: {error}") from error

    def _stored(self, digest: str) -> Stored | None:
        with suppress(OSError, DecodeError):
            return json.decode((self._directory / digest / "image.json").read_bytes(), type=Stored)
        return None

    def _keep(self, tar: tarfile.TarFile, archive: Path, image: _Read) -> Sequence[str]:
        target = self._directory / image.digest
        if not self._stored(image.digest):
            beside = self._directory / f".{uuid4().hex}"
            try:
                self._unpack(tar, archive, image, beside)
                with suppress(FileExistsError):
                    beside.rename(target)
            finally:
                sweep(beside)
        for name in image.names:
            record.write(self._names / quote(name, safe=""), image.digest.encode())
        return image.names

    def _unpack(self, tar: tarfile.TarFile, archive: Path, image: _Read, beside: Path) -> None:
        root = beside / "root"
        root.mkdir(parents=True)
        root.chmod(0o755)
        size = 0
        for layer in image.layers:
            if layer:
                with tarfile.open(fileobj=tar.extractfile(layer)) as inner:
                    size += _lay(inner, root, MOST_BYTES - size)
            else:
                with tarfile.open(archive) as inner:
                    size += _lay(inner, root, MOST_BYTES - size)
        stored = Stored(f"sha256:{image.digest}", str(self._directory / image.digest / "root"), size, image.config)
        (beside / "image.json").write_bytes(json.encode(stored))


def _read(tar: tarfile.TarFile, archive: Path) -> Iterator[_Read]:
    names = set(tar.getnames())
    if "index.json" in names and "oci-layout" in names:
        for entry in json.decode(_bytes(tar, "index.json"), type=_Manifest).manifests:
            yield _oci(tar, entry, _names_of(entry.annotations))
    elif "manifest.json" in names:
        for one in json.decode(_bytes(tar, "manifest.json"), type=tuple[_Docker, ...]):
            config = _bytes(tar, one.config)
            yield _Read(one.repo_tags or (), hashlib.sha256(config).hexdigest(), _config(config), one.layers)
    elif names & {"bin", "./bin", "usr", "./usr", "etc", "./etc"}:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield _Read((f"localhost/{archive.name.partition('.')[0]}:latest",), digest, Config(), ("",))
    else:
        raise ValueError("neither a docker archive nor an OCI archive nor a root file system")


def _oci(tar: tarfile.TarFile, entry: _Descriptor, names: Sequence[str]) -> _Read:
    manifest = json.decode(_bytes(tar, _blob(tar, entry.digest)), type=_Manifest)
    if manifest.manifests:
        machine = MACHINES.get(platform.machine(), platform.machine())
        fitting = [one for one in manifest.manifests if one.platform.architecture == machine]
        if not fitting:
            raise ValueError(f"it has nothing for this machine ({machine})")
        return _oci(tar, fitting[0], names)
    if not manifest.config:
        raise ValueError(f"{entry.digest} has no configuration")
    config = _bytes(tar, _blob(tar, manifest.config.digest))
    layers = [_blob(tar, layer.digest) for layer in manifest.layers]
    return _Read(names, hashlib.sha256(config).hexdigest(), _config(config), layers)


def _names_of(annotations: Mapping[str, str]) -> Sequence[str]:
    name = annotations.get("io.containerd.image.name") or annotations.get("org.opencontainers.image.ref.name")
    return (name,) if name else ()


def _blob(tar: tarfile.TarFile, digest: str) -> str:
    """A blob's name in the archive, once its content is what its digest says."""
    name = f"blobs/{digest.replace(':', '/')}"
    with _open(tar, name) as file:
        if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != digest:
            raise ValueError(f"{name} is damaged")
    return name


def _open(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file


def _bytes(tar: tarfile.TarFile, name: str) -> bytes:
    with _open(tar, name) as file:
        content: bytes = file.read(MOST_JSON + 1)
    if len(content) > MOST_JSON:
        raise ValueError(f"{name} is too long")
    return content


def _config(content: bytes) -> Config:
    return json.decode(content, type=_Described).config or Config()


def _lay(layer: tarfile.TarFile, root: Path, most: int) -> int:
    """Put one layer over those below; its bytes. ValueError: they are more than that, and nothing is put there."""
    members, size = _members(layer, most)
    for member in members:
        if member.name.rpartition("/")[2].startswith(WHITE_OUT):
            _white_out(root, member.name)
    layer.extraction_filter = lambda member, _: member  # `_placed` looks at each, on Pythons without filters too
    layer.extractall(root, _placed(members, root.resolve()), numeric_owner=True)  # noqa: S202
    return size


def _members(layer: tarfile.TarFile, most: int) -> tuple[list[tarfile.TarInfo], int]:
    members, size = [], 0
    for member in layer:
        members.append(member)
        size += member.size
        if size > most or len(members) > MOST_FILES:
            raise ValueError(f"it is larger than {MOST_BYTES} bytes, or has a layer of more than {MOST_FILES} files")
    return members, size


def _placed(members: Sequence[tarfile.TarInfo], root: Path) -> Iterator[tarfile.TarInfo]:
    """Each in turn, made safe to put there: nothing goes outside, and no file is written through a link of a layer
    below. Devices are left out: a container has its own."""
    for original in members:
        if original.isdev() or original.name.rpartition("/")[2].startswith(WHITE_OUT):
            continue
        member = copy(original)
        target = _inside(root, member.name)
        member.name = str(target.relative_to(root))
        if member.islnk():
            member.linkname = str(_inside(root, member.linkname).relative_to(root))
        if os.path.lexists(target) and not (member.isdir() and target.is_dir()):
            tree.remove(target)
        yield member


def _inside(root: Path, name: str) -> Path:
    """Where it goes, with the links on the way resolved. ValueError: not into the image."""
    path = root / name.lstrip("/")
    place = path.parent.resolve() / path.name if path != root else root
    if not place.is_relative_to(root) or path.name == "..":
        raise ValueError(f"{name} is outside the image")
    return place


def _white_out(root: Path, name: str) -> None:
    place = _inside(root.resolve(), name)
    if place.name == OPAQUE:
        for one in place.parent.iterdir() if place.parent.is_dir() else ():
            tree.remove(one)
    else:
        tree.remove(_inside(root.resolve(), str(Path(name).with_name(place.name.removeprefix(WHITE_OUT)))))
