"""Makes the image of the alarm: this machine's Python, no more of it than `alarm.py` needs, and `alarm.py`.

    python alarm_image.py alarm.tar      then: twinhub image load alarm.tar

No registry and no other tool is asked for anything; the archive is one that `docker save` could have written.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

NAME = "localhost/boiler-alarm:1"
PROGRAM = Path(__file__).with_name("alarm.py")
PYTHON = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm"}
_IMPORTED = """
import encodings.idna, json, os, runpy, sys
runpy.run_path(sys.argv[1])
print(os.path.join(os.path.dirname(os.__file__), "lib-dynload"))
print(*(one.__file__ for one in list(sys.modules.values()) if getattr(one, "__file__", None)), sep="\\n")
"""


def write(archive: Path) -> None:
    """The image into this file. OSError or subprocess.SubprocessError: it cannot be made here."""
    layer = _layer([PYTHON, *(modules := _modules()), *_libraries([PYTHON, *modules])])
    config = json.dumps(_config(layer)).encode()
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    content = {"config.json": config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar(content))


def _modules() -> list[Path]:
    """The files of all modules that the program imports, and the directory of those in C."""
    command = [str(PYTHON), "-I", "-S", "-c", _IMPORTED, str(PROGRAM)]
    found = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.splitlines()
    return [Path(line) for line in found]


def _libraries(files: Iterable[Path]) -> set[Path]:
    """The shared libraries of programs and modules in C."""
    linked = [str(file) for file in files if file == PYTHON or file.suffix == ".so"]
    found = subprocess.run(["ldd", *linked], check=True, capture_output=True, text=True, timeout=20).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", found)}


def _layer(files: Iterable[Path]) -> bytes:
    """Each file where it is on this machine, and the program at the top."""
    content = {str(file)[1:]: None if file.is_dir() else file.read_bytes() for file in files}
    empty = dict.fromkeys(("dev", "proc", "sys", "tmp", "etc"))
    return _tar({**empty, **content, PROGRAM.name: PROGRAM.read_bytes()})


def _config(layer: bytes) -> Mapping[str, object]:
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [str(PYTHON), "-I", "-S", f"/{PROGRAM.name}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }


def _tar(content: Mapping[str, bytes | None]) -> bytes:
    """Files by name; None: a directory."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, data in content.items():
            one = tarfile.TarInfo(name)
            one.mode, one.size = 0o755, len(data or b"")
            one.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            archive.addfile(one, io.BytesIO(data or b""))
    return made.getvalue()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: alarm_image.py FILE.tar")
    write(Path(sys.argv[1]))
