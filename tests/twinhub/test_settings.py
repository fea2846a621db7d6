import contextlib
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies
from live_plant import twinhub

from twinhub.errors import CommandError
from twinhub.manifests import read_manifests
from twinhub.settings import FILE, BrokerSettings, CloudSettings, Secret, Settings, load_settings

RADIO_AND_MODEM = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: radio}
spec:
  protocol: modbus
  properties:
  - name: inContact
    type: BOOLEAN
    accessMode: ReadOnly
    visitors: {configData: {register: CoilRegister, offset: 0}}
  - name: rate
    type: INT
    accessMode: ReadOnly
    visitors: {configData: {register: InputRegister, offset: 0}}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: radio}
spec:
  deviceModelRef: {name: radio}
  protocol: {protocolName: modbus, configData: {ip: 127.0.0.1, port: 15020}}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: modem}
spec: {properties: []}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: modem}
spec:
  deviceModelRef: {name: modem}
  protocol: {protocolName: external}
"""
"""An external device may report what no model names."""


def load(folder: Path, text: str) -> Settings:
    (folder / FILE).write_text(text)
    return load_settings(folder)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(CommandError) as caught:
        load(folder, text)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()
    assert load(tmp_path, "") == Settings()


def test_settings_are_read(tmp_path: Path) -> None:
    text = "node: edge-7\nbroker:\n  url: mqtts://plant:8883\n  caFile: ca.pem\n  password: {env: SECRET}\n"
    broker = BrokerSettings(url="mqtts://plant:8883", ca_file="ca.pem", password=Secret(env="SECRET"))
    assert load(tmp_path, text) == Settings(node="edge-7", broker=broker)


def test_the_contact_of_the_cloud_is_a_property(tmp_path: Path) -> None:
    assert load(tmp_path, "cloud: {contact: default/radio/inContact}").cloud.contact == "default/radio/inContact"
    for wrong in ("radio", "default/radio", "default/radio/", "a/b/c/d", "5"):
        (line,) = mistakes(tmp_path, f"cloud: {{contact: {wrong}}}")
        assert line.startswith("twinhub.yaml:1: cloud.contact: ")
        assert "NAMESPACE/DEVICE/PROPERTY" in line
    assert load(tmp_path, "cloud: {contact: [a/b/c, d/e/f]}").cloud.contact == ["a/b/c", "d/e/f"]
    (line,) = mistakes(tmp_path, "cloud:\n  contact:\n  - a/b/c\n  - d")
    assert line.startswith("twinhub.yaml:4: cloud.contact[1]: 'd' ")
    assert mistakes(tmp_path, "cloud: {contact: []}")


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("default/radio/incontact", "default/radio has no property incontact; did you mean inContact?"),
        ("default/radoi/inContact", "no device default/radoi is declared here; did you mean default/radio?"),
        ("[default/radio/inContact, default/radio/rate]", "default/radio/rate is of type INT; name a BOOLEAN"),
        ("default/radio/inContact", ""),
        ("default/modem/whatever", ""),
    ],
)
def test_a_contact_is_a_boolean_of_a_device_that_is_declared(tmp_path: Path, contact: str, said: str) -> None:
    (tmp_path / "devices.yaml").write_text(RADIO_AND_MODEM)
    (tmp_path / FILE).write_text(f"cloud:\n  contact: {contact}\n")
    found = read_manifests(tmp_path).errors
    assert [f"{problem.message}; {problem.advice}" for problem in found] == ([said] if said else [])
    assert all(problem.line == 2 for problem in found)


def test_every_mistake_is_named_with_its_line_and_a_remedy(tmp_path: Path) -> None:
    text = "nod: edge-7\nbroker:\n  prot: 1884\n  port: 99999\nstore: mysql\ncloud: {pingSeconds: 0}\n"
    expected = [
        ("twinhub.yaml:1: nod: ", "did you mean node?"),
        ("twinhub.yaml:3: broker.prot: ", "did you mean port?"),
        ("twinhub.yaml:4: broker.port: 99999 ", "write a port from 1 to 65535"),
        ("twinhub.yaml:5: store: 'mysql' ", "tinydb, sqlite"),
        ("twinhub.yaml:6: cloud.pingSeconds: 0 ", "write a number of seconds from 1 to 300"),
    ]
    for line, (place, remedy) in zip(mistakes(tmp_path, text), expected, strict=True):
        assert line.startswith(place)
        assert line.endswith(remedy)


def test_a_secret_in_clear_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for text in ("broker: {password: hunter2}", "broker: {url: 'mqtt://me:hunter2@plant'}"):
        (line,) = mistakes(tmp_path, text)
        assert "hunter2" not in line
        assert "write" in line or "reference" in line


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANT_SECRET", "s3")
    (tmp_path / "secret").write_text("s4\n")
    assert Secret(env="PLANT_SECRET").read(tmp_path) == "s3"
    assert Secret(file="secret").read(tmp_path) == "s4"
    with pytest.raises(CommandError, match="NOT_THERE"):
        Secret(env="NOT_THERE").read(tmp_path)
    with pytest.raises(CommandError, match="missing"):
        Secret(file="missing").read(tmp_path)


@pytest.mark.parametrize("text", ["a: [", "- 1", "&a [*a]", "x: &x {y: *x}", "\0", "? [a]\n: 1", "broker: 5", "!x y"])
def test_what_is_no_settings_file_is_said_so(tmp_path: Path, text: str) -> None:
    assert all(line.startswith("twinhub.yaml:") for line in mistakes(tmp_path, text))


@given(content=strategies.binary(max_size=200))
def test_any_bytes_are_settings_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / FILE).write_bytes(content)
    with contextlib.suppress(CommandError):
        assert isinstance(load_settings(folder), Settings)


def test_run_help_names_every_setting_with_its_default() -> None:
    text = twinhub("run", "--help").stdout
    fields = [field for part in (Settings, BrokerSettings, CloudSettings) for field in msgspec.structs.fields(part)]
    for field in fields:
        assert f"  {field.encode_name}:" in text, field.encode_name
        if isinstance(field.default, (bool, int)):
            shown = str(field.default).lower()
            assert re.search(rf"  {field.encode_name}: +{shown}\b", text), f"{field.encode_name}: {shown}"
