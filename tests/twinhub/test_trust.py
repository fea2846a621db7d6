"""trust: the certificates of OPC-UA servers."""

from pathlib import Path

import pytest

from mappers.opcua import trust
from twinhub.cli import main

SHOWN = b"a certificate"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trust.reject(trust.server_folder(tmp_path, "plc", 4840), SHOWN)
    return tmp_path


def test_it_shows_what_servers_showed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", str(folder)]) == 0
    assert capsys.readouterr().out == f"rejected  {trust.fingerprint(SHOWN)}  {folder}/plc-4840\n"


def test_it_trusts_by_fingerprint_as_the_advice_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = trust.advice(folder / "plc-4840", SHOWN).split()
    assert words[0] == "twinhub"
    assert main(words[1:]) == 0
    assert trust.is_trusted(folder / "plc-4840", SHOWN)
    assert main(["trust", str(folder)]) == 0
    assert "trusted   " in capsys.readouterr().out


def test_an_unknown_fingerprint_is_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", str(folder), "1234"]) == 1
    assert "has no certificate 1234" in capsys.readouterr().err


def test_with_several_servers_one_is_to_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trust.reject(trust.server_folder(folder, "other", 4840), SHOWN)
    assert main(["trust", str(folder), trust.fingerprint(SHOWN)]) == 1
    assert "name one of them" in capsys.readouterr().err
    assert not trust.is_trusted(folder / "plc-4840", SHOWN)


def test_an_empty_folder_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", str(tmp_path)]) == 0
    assert "holds no server's certificate" in capsys.readouterr().out
