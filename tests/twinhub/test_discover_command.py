"""discover: what a protocol finds becomes manifests, what it cannot becomes a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import yaml
from msgspec import Struct

from mappers.mapper import CannotDiscover, Discovery, Mapper
from mappers.protocols import Protocol
from twinhub.cli import main
from twinhub.commands import discover


class Nothing(Struct, frozen=True):
    pass


class Finder(Mapper[Nothing, Nothing]):
    """Finds what its options say."""

    Config = Visitor = Nothing

    async def connect(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    @classmethod
    async def discover(cls, target: str, options: Mapping[str, str]) -> Discovery:
        match target:
            case "empty":
                return Discovery([], ["nobody is here"])
            case "never":
                raise CannotDiscover("it does not tell; read its manual")
            case "away":
                raise ConnectionRefusedError(111, "Connection refused")
        device = {"kind": "Device", "metadata": {"name": target}, "spec": {"protocol": {"configData": dict(options)}}}
        return Discovery([{"kind": "DeviceModel"}, device])


@pytest.fixture(autouse=True)
def known_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Protocol("finder", "finder.mapper:Finder")
    finder.__dict__["mapper"] = Finder
    monkeypatch.setattr(discover, "PROTOCOLS", {"finder": finder, "gone": Protocol("gone", "gone.mapper:Gone")})


def test_manifests_are_printed_as_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", "finder", "plc", "-o", "userName=op", "-o", "key=a=b"]) == 0
    model, device = yaml.safe_load_all(capsys.readouterr().out)
    assert model == {"kind": "DeviceModel"}
    assert device["metadata"] == {"name": "plc"}
    assert device["spec"]["protocol"]["configData"] == {"userName": "op", "key": "a=b"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["finder", "empty"], "# nobody is here"),
        (["finder", "never"], "twinhub: it does not tell; read its manual"),
        (["finder", "away"], "twinhub: away cannot be reached: connection refused"),
        (["gone"], "twinhub: the mapper for gone cannot be loaded: gone.mapper: ModuleNotFoundError"),
    ],
)
def test_nothing_found_says_why(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["discover", *words]) == 1
    heard = capsys.readouterr()
    assert said in heard.err
    assert not heard.out


def test_an_option_needs_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["discover", "finder", "-o", "userName"])
    assert "'userName' is not FIELD=VALUE" in capsys.readouterr().err
