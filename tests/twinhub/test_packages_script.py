"""What `make` says where a distribution's package is missing."""

import os
import subprocess
from pathlib import Path

from live_plant import ROOT


def packages(*names: str, path: str = os.defpath) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "packages.sh"), *names]
    env = {**os.environ, "PATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_what_is_there_is_not_installed_again() -> None:
    done = packages("sh", "ls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_who_may_not_install_is_told_what_to_ask_for(tmp_path: Path) -> None:
    for name, answer in (("id", "echo 1000"), ("sudo", "exit 1")):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\n{answer}\n")
        stub.chmod(0o755)
    done = packages("sh", "no-such-package", path=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("apt-get install no-such-package")
