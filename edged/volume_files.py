"""What a volume of a ConfigMap or Secret shows. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import Struct

from edged.pod import ConfigMapVolume, KeyToPath, Pod, SecretVolume, Volume
from edged.sources import Sources
from edged.wanted import CannotPlan

__all__ = ["File", "digest", "files_of"]


class File(Struct, frozen=True):
    """Its content may be secret."""

    content: bytes
    mode: int

    def __repr__(self) -> str:
        return f"File({len(self.content)} bytes, {self.mode:#o})"


def files_of(volume: Volume, namespace: str, sources: Sources) -> dict[str, File] | None:
    """The files of a volume by their relative paths; None for one of another kind. CannotPlan FailedMount: what they
    are taken from is not there."""
    if volume.config_map:
        config_map = sources.config_maps.get(f"{namespace}/{volume.config_map.name}")
        values = config_map.files if config_map else None
        return _files(volume.config_map, f"ConfigMap {namespace}/{volume.config_map.name}", values)
    if volume.secret:
        secret = sources.secrets.get(f"{namespace}/{volume.secret.secret_name}")
        name = f"Secret {namespace}/{volume.secret.secret_name}"
        return _files(volume.secret, name, secret.files if secret else None)
    return None


def digest(pod: Pod, sources: Sources) -> str:
    """Another one means that some volume shows something else than before."""
    hash_ = hashlib.blake2b(digest_size=16)
    for volume in pod.spec.volumes:
        try:
            files = files_of(volume, pod.metadata.namespace, sources) or {}
        except CannotPlan as error:
            files = {str(error): File(b"", 0)}
        for path, file in sorted(files.items()):
            for part in (volume.name, path, oct(file.mode), str(len(file.content))):
                hash_.update(part.encode() + b"\0")
            hash_.update(file.content)
    return hash_.hexdigest()


def _files(volume: ConfigMapVolume | SecretVolume, name: str, values: Mapping[str, bytes] | None) -> dict[str, File]:
    if values is None and not volume.optional:
        raise CannotPlan("FailedMount", f"{name} is not there")
    values = values or {}
    items = volume.items or tuple(KeyToPath(key=key, path=key) for key in values)
    absent = [item.key for item in items if item.key not in values]
    if absent and not volume.optional:
        raise CannotPlan("FailedMount", f"{name} has no key {absent[0]}")
    return {
        item.path: File(values[item.key], volume.default_mode if item.mode is None else item.mode)
        for item in items
        if item.key in values
    }
