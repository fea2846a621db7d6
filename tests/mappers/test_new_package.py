"""A new mapper package: named right, complete or not there, and as tidy as our own code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mappers import new_package
from mappers.new_package import create


@pytest.mark.parametrize("name", ["zz", "waterworks2000m"])
def test_everything_bears_its_name_and_is_tidy(tmp_path: Path, name: str) -> None:
    package = create(name, tmp_path / "new")
    assert package == tmp_path / "new" / f"twinhub-{name}"
    files = {str(path.relative_to(package)): path.read_text() for path in package.rglob("*") if path.is_file()}
    assert {"pyproject.toml", "README.md", f"manifests/{name}.yaml", "tests/test_conformance.py"} <= files.keys()
    assert {f"twinhub_{name}/{part}.py" for part in ("config", "mapper", "simulator", "rig")} <= files.keys()
    assert not [path for path, text in files.items() if "acme" in (path + text).casefold()]
    assert f"class {name.capitalize()}Mapper(" in files[f"twinhub_{name}/mapper.py"]
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *check, "--no-cache", package], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_driver_and_forms_are_about_sixty_lines(tmp_path: Path) -> None:
    code = create("acme", tmp_path) / "twinhub_acme"
    lines = [line for name in ("config", "mapper") for line in (code / f"{name}.py").read_text().splitlines() if line]
    assert len(lines) <= 60


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Acme", "; acme would do"),
        ("my-scale", "; myscale would do"),
        ("3com", "; com would do"),
        ("a", "a letter first$"),
        ("", "a letter first$"),
        ("../evil", "; evil would do"),
        ("modbus", "there is a protocol modbus already"),
        ("external", "there is a protocol external already"),
    ],
)
def test_a_name_that_cannot_be_taken(tmp_path: Path, name: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        create(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "twinhub-acme").mkdir()
    with pytest.raises(FileExistsError, match="twinhub-acme is there already"):
        create("acme", tmp_path)
    assert not list((tmp_path / "twinhub-acme").iterdir())


def test_half_a_package_is_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(text: str, name: str) -> str:
        if "[build-system]" in text:
            raise OSError(28, "No space left on device")
        return text

    monkeypatch.setattr(new_package, "_renamed", renamed)
    with pytest.raises(OSError, match="No space"):
        create("acme", tmp_path)
    assert not list(tmp_path.iterdir())
