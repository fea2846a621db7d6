"""twinhub mapper: run, new, simulate."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_plant import twinhub

from mappers.protocols import Protocol
from twinhub import cli
from twinhub.commands import mapper

SIMULATOR = """
def main(arguments):
    print(f"simulates {arguments}")
    return 3
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A protocol with a simulator, and one whose package is broken."""
    for name, simulator in (("acme_package", SIMULATOR), ("broken_package", "import a_library_that_is_not_there")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "simulator.py").write_text(simulator)
    monkeypatch.syspath_prepend(tmp_path)
    protocols = {
        "acme": Protocol("acme", "acme_package.mapper:Acme"),
        "broken": Protocol("broken", "broken_package.mapper:Broken"),
        "bare": Protocol("bare", "mappers.mapper:Mapper"),
    }
    monkeypatch.setattr(mapper, "PROTOCOLS", protocols)


def test_new_tells_what_comes_next(tmp_path: Path) -> None:
    done = twinhub("mapper", "new", "acme", "--dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"pip install -e {tmp_path}/twinhub-acme" in done.stdout
    assert (tmp_path / "twinhub-acme" / "README.md").is_file()
    again = twinhub("mapper", "new", "acme", "--dir", tmp_path)
    assert again.returncode == 1
    (line,) = again.stderr.splitlines()
    assert "is there already; move it away" in line


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = twinhub("mapper", "new", "acme", "--dir", tmp_path / "file")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("acme")
def test_a_simulator_gets_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mapper", "simulate", "acme", "--port", "7", "--help"]) == 3
    assert capsys.readouterr().out == "simulates ['--port', '7', '--help']\n"


@pytest.mark.usefixtures("acme")
def test_help_says_which_protocols_have_a_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["mapper", "simulate", "--help"])
    assert "one of: acme, broken" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["mapper", "simulate", "bare"])
    assert "invalid choice: 'bare'" in capsys.readouterr().err


@pytest.mark.usefixtures("acme")
def test_a_broken_package_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["simulate", "broken"], ["run", "broken", str(tmp_path)]):
        assert cli.main(["mapper", *words]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("twinhub: the mapper for broken cannot be loaded: broken_package.")
