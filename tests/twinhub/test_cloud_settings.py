import re
from pathlib import Path

import msgspec
import pytest
from live_plant import twinhub

from twinhub.cloud_settings import FILE, CloudServerSettings, load_cloud_settings
from twinhub.errors import CommandError


def load(folder: Path, text: str) -> CloudServerSettings:
    (folder / FILE).write_text(text)
    return load_cloud_settings(folder / FILE)


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    assert load_cloud_settings(tmp_path / FILE) == CloudServerSettings()
    assert load(tmp_path, "") == CloudServerSettings()


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"nowhere\.yaml"):
        load_cloud_settings(tmp_path / "nowhere.yaml", required=True)


def test_settings_are_read(tmp_path: Path) -> None:
    text = "hosts: [plant.example, 10.0.0.5, '::1']\nlinkPort: 20000\nallowUnboundTokens: true\nhistoryDays: 0.5\n"
    wanted = CloudServerSettings(
        hosts=["plant.example", "10.0.0.5", "::1"], link_port=20000, allow_unbound_tokens=True, history_days=0.5
    )
    assert load(tmp_path, text) == wanted


def test_every_mistake_is_named_with_its_line_and_a_remedy(tmp_path: Path) -> None:
    text = "linkport: 1\nport: 99999\nhosts:\n  - plant.example\n  - a b\ntokenMinutes: 0\nstore: mysql\n"
    expected = [
        ("cloud.yaml:1: linkport: ", "did you mean linkPort?"),
        ("cloud.yaml:2: port: 99999 ", "write a port from 1 to 65535"),
        ("cloud.yaml:5: hosts[1]: 'a b' ", "write a host name or an IP address"),
        ("cloud.yaml:6: tokenMinutes: ", "write a number of minutes above 0, up to 525600"),
        ("cloud.yaml:7: store: 'mysql' ", "tinydb, sqlite"),
    ]
    with pytest.raises(CommandError) as caught:
        load(tmp_path, text)
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    for line, (place, remedy) in zip(lines, expected, strict=True):
        assert line.startswith(place)
        assert line.endswith(remedy)


def test_cloud_help_names_every_setting_with_its_default() -> None:
    text = twinhub("cloud", "--help").stdout
    for field in msgspec.structs.fields(CloudServerSettings):
        assert f"  {field.encode_name}:" in text, field.encode_name
        if isinstance(field.default, bool | int | float | str):
            shown = str(field.default).lower()
            assert re.search(rf"  {field.encode_name}: +{re.escape(shown)}\b", text), f"{field.encode_name}: {shown}"
