"""A small container image made here, from the machine's static busybox: no registry is asked for anything."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

NAME = "localhost/busybox:1"
MISSING = "a static busybox is missing: apt-get install busybox-static"
DIRECTORIES = ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "var")
PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"


def busybox() -> str | None:
    """The machine's busybox; None: there is none."""
    return shutil.which("busybox")


def docker_archive(path: Path, name: str = NAME, entrypoint: Sequence[str] = ()) -> Path:
    """The image as `docker save` writes it."""
    layer = plain(path.with_suffix(".layer")).read_bytes()
    config = _config(layer, entrypoint)
    manifest = [{"Config": f"{_sha(config)}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {f"{_sha(config)}.json": config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    return _tar(path, files)


def oci_archive(path: Path, name: str = NAME) -> Path:
    """The image as an OCI layout in a tar file."""
    layer = plain(path.with_suffix(".layer")).read_bytes()
    config = _config(layer)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()
    entry = _descriptor(manifest, "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name}
    blobs = {f"blobs/sha256/{_sha(blob)}": blob for blob in (layer, config, manifest)}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    return _tar(path, {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": index, **blobs})


def plain(path: Path) -> Path:
    """The root file system alone, as a tar file; always the same bytes."""
    program = busybox()
    assert program, MISSING
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in DIRECTORIES:
            one = tarfile.TarInfo(name)
            one.type, one.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(one)
        _add(archive, "bin/busybox", Path(program).read_bytes(), 0o755)
        _add(archive, "etc/passwd", PASSWD)
        _add(archive, "etc/group", GROUP)
        for applet in sorted(set(applets) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return path


def _config(layer: bytes, entrypoint: Sequence[str] = ()) -> bytes:
    program = {"Entrypoint": list(entrypoint)} if entrypoint else {"Cmd": ["/bin/sh", "-c", "echo by itself"]}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/bin", "MADE=here"], "WorkingDir": "/", **program},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha(layer)}"]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "busybox"}],
    }
    return json.dumps(config).encode()


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            _add(archive, name, content)
    return path


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    one = tarfile.TarInfo(name)
    one.size, one.mode = len(content), mode
    archive.addfile(one, io.BytesIO(content))


def _descriptor(blob: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{_sha(blob)}", "size": len(blob)}


def _sha(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
