"""Folders of manifests, as users have them: good ones, and broken ones with the exact words about them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_models import Declarations, Device, ProtocolSchema, load
from device_models.manifest import Manifest

HERE = Path(__file__).parent
Protocols = dict[str, ProtocolSchema]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def words_about(declared: Declarations) -> list[str]:
    return [f"{problem.severity} {problem}" for problem in declared.problems]


@pytest.mark.parametrize("folder", ["broken", "broken/unreadable", "broken/references"])
def test_everything_that_is_wrong_is_told_at_once(folder: str, protocols: Protocols, tmp_path: Path) -> None:
    """The expected words stand in a file; on purpose there is no switch that rewrites it."""
    declared = load(Path(folder), protocols)
    own = [word for word in words_about(declared) if word.split()[1].rpartition("/")[0] == folder]
    assert own == (HERE / f"{folder}.txt").read_text(encoding="utf-8").splitlines()
    assert not declared.ok


def test_what_is_wrong_in_one_device_spares_the_others(protocols: Protocols) -> None:
    assert set(load(Path("broken"), protocols).devices) == {"plant/one", "plant/tank-1"}


@pytest.mark.parametrize("folder", ["v1beta1", "v1alpha2", "templates"])
def test_manifests_that_users_have_are_read_without_errors(folder: str, protocols: Protocols) -> None:
    declared = load(Path("manifests", folder), protocols)
    assert declared.ok, words_about(declared)
    assert words_about(declared) == (HERE / f"manifests/{folder}.txt").read_text(encoding="utf-8").splitlines()


def test_v1beta1_documents_are_kept_as_they_are_written(protocols: Protocols) -> None:
    written: list[dict[str, Any]] = []
    for file in Path("manifests/v1beta1").iterdir():
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            written += document.get("items", [document])
    kept = load(Path("manifests/v1beta1"), protocols).documents
    assert len(kept) == len(written) == 4
    for document in written:
        metadata = document["metadata"]
        assert kept[f"{document['kind']}/{metadata.get('namespace', 'default')}/{metadata['name']}"] == document


def test_kept_documents_load_again_to_the_same(protocols: Protocols, tmp_path: Path) -> None:
    for folder in ("v1beta1", "v1alpha2", "templates"):
        first = load(Path("manifests", folder), protocols)
        again = tmp_path / f"{folder}.yaml"
        kept = [document for key, document in first.documents.items() if not key.startswith("DeviceTemplate")]
        again.write_text(yaml.safe_dump_all(kept, allow_unicode=True), encoding="utf-8")
        second = load(again, protocols)
        assert second.devices == first.devices
        assert list(second.documents.values()) == kept
        json.dumps(kept, allow_nan=False)


def test_a_device_is_complete(protocols: Protocols) -> None:
    device = load(Path("manifests/v1beta1"), protocols).devices["default/pump-01"]
    assert (device.model, device.protocol, device.node, device.description) == (
        "pump",
        "modbus",
        "edge-7",
        "cooling-loop",
    )
    assert device.config == {"ip": "10.0.0.11", "port": 502, "slaveID": 1, "timeouts": {"connect": 2.5, "read": 3}}
    speed, running = device.properties
    assert speed.visitor == {"register": "HoldingRegister", "offset": 20, "limit": 1}
    assert (speed.minimum, speed.maximum, speed.unit, speed.desired) == (0.0, 3000.0, "rpm", "1500")
    assert speed.conversion is not None
    assert speed.conversion.scale == 0.1
    assert speed.deadband is not None
    assert (speed.deadband.percent, speed.deadband.longest_silence) == (1.0, 60)
    assert (speed.collect_cycle, running.collect_cycle) == (0.5, 10.0)
    assert (speed.report_to_cloud, running.report_to_cloud) == (True, False)


def test_a_single_file_is_read_too(protocols: Protocols) -> None:
    assert set(load(Path("manifests/v1beta1/list.yml"), protocols).devices) == {"gate/door-1"}


def test_a_fleet_shares_what_is_equal(protocols: Protocols, tmp_path: Path) -> None:
    model = (HERE / "manifests/v1beta1/pump.yaml").read_text(encoding="utf-8").split("---")[0]
    devices = "".join(
        f"""---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {{name: pump-{number}}}
spec:
  deviceModelRef: {{name: pump}}
  protocol: {{protocolName: modbus, configData: {{ip: 10.0.{number // 250}.{number % 250}}}}}
  properties: [{{name: speed}}]
"""
        for number in range(1000)
    )
    (tmp_path / "fleet.yaml").write_text(model + devices, encoding="utf-8")
    declared = load(tmp_path, protocols)
    assert declared.ok
    assert len(declared.devices) == 1000
    assert len({id(device.properties[0]) for device in declared.devices.values()}) == 1
    assert len({str(device.config["ip"]) for device in declared.devices.values()}) == 1000


WORDS = ("Device", "DeviceModel", "List", "devices.kubeedge.io/v1beta1", "INT", "-1", "ReadWrite", "{nr}", "\ud7ff")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "spec", "value"]), inner),
    max_leaves=8,
)
GOOD = [
    document
    for file in sorted((HERE / "manifests").rglob("*.y*ml"))
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
]


def spoilt(value: Any, chance: random.Random, anything: Any) -> Any:
    """The value with one of its parts, at any depth, replaced or left out."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return anything
    copy = value.copy()
    key = chance.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    if chance.random() < 0.1:
        del copy[key]
    else:
        copy[key] = spoilt(copy[key], chance, anything)
    return copy


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), anything=JSON, times=st.integers(1, 3))
def test_no_document_however_spoilt_raises(
    chance: random.Random, anything: Any, times: int, tmp_path: Path, protocols: Protocols
) -> None:
    documents: Any = GOOD
    for _ in range(times):
        documents = spoilt(documents, chance, anything)
    text = "\n---\n".join(json.dumps(document) for document in (documents if isinstance(documents, list) else ()))
    (tmp_path / "spoilt.yaml").write_text(text, encoding="utf-8")
    for problem in load(tmp_path, protocols).problems:
        assert problem.message
        assert problem.file.startswith(str(tmp_path))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.binary(max_size=200) | st.text(alphabet="[]{}:,&*<-?!|>'\"%@`# \n\tab1\u2028", max_size=80).map(str.encode)
)
def test_no_bytes_raise(raw: bytes, tmp_path: Path, protocols: Protocols) -> None:
    (tmp_path / "raw.yaml").write_bytes(raw)
    load(tmp_path, protocols)


def test_the_device_is_what_was_declared_and_nothing_else() -> None:
    assert isinstance(load(Path("manifests/v1beta1"), {"modbus": ProtocolSchema()}).devices["gate/door-1"], Device)


def test_a_model_may_be_elsewhere(tmp_path: Path) -> None:
    head = "apiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: {name: pump}\n"
    text = head + "spec: {deviceModelRef: {name: pump}, protocol: {protocolName: external}}\n"
    (tmp_path / "pump.yaml").write_text(text)
    assert not load(tmp_path, {}).ok
    declared = load(tmp_path, {}, models_elsewhere=True)
    assert declared.ok
    assert list(declared.documents) == ["Device/default/pump"]
    assert declared.devices == {}


MIXED = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: alarm}}
- {apiVersion: apps/v1, kind: DaemonSet}
---
{apiVersion: v1, kind: Pod, metadata: {name: view}}
---
{apiVersion: devices.kubeedge.io/v1beta1, kind: DeviceModel, metadata: {name: pump}, spec: {properties: []}}
---
{apiVersion: v1, kind: 5}
"""


def test_what_somebody_else_reads_is_passed_over(protocols: Protocols, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MIXED, encoding="utf-8")
    seen: list[tuple[str, int]] = []

    def pods(manifest: Manifest) -> bool:
        seen.append((manifest.kind, manifest.locate(("kind",)).line))
        return manifest.kind == "Pod"

    declared = load(tmp_path, protocols, others=pods)
    assert seen == [("Pod", 5), ("DaemonSet", 6), ("Pod", 8), ("DeviceModel", 10)]
    assert declared.documents.keys() == {"DeviceModel/default/pump"}
    told = [(problem.severity, problem.line, problem.message) for problem in declared.problems]
    assert told == [
        ("warning", 6, "the kind DaemonSet (apps/v1) is not used here yet"),
        ("error", 12, "this manifest has no kind"),
    ]
