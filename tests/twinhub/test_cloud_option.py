import argparse
from pathlib import Path

import pytest

from twinhub.cloud_client import Address
from twinhub.cloud_option import cloud_address, credentials_path


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("plant.example", Address("plant.example", 10002)),
        ("plant.example:443", Address("plant.example", 443)),
        ("10.0.0.5:20002", Address("10.0.0.5", 20002)),
        ("::1", Address("::1", 10002)),
        ("[::1]:443", Address("::1", 443)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert cloud_address(text) == address
    assert cloud_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", ":443", "host:", "host:x", "host:0", "host:99999", "https://host", "a b", "a@b"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="HOST:PORT"):
        cloud_address(text)


def test_credentials_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TWINHUB_OPERATOR", raising=False)
    assert credentials_path() == tmp_path / ".config" / "twinhub" / "operator.pem"
    monkeypatch.setenv("TWINHUB_OPERATOR", str(tmp_path / "mine.pem"))
    assert credentials_path() == tmp_path / "mine.pem"
