"""What a device is, put together with its model: worked out once, and anew when either of the two changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cloud_sync import assembled
from cloud_sync.assembled import Assembled
from cloud_sync.stored import StoredObject
from device_models import Declarations, ProtocolSchema
from device_models.load_objects import load_objects

PUMP = "default/pump"


def stored(kind: str, version: int, spec: dict[str, Any]) -> StoredObject:
    manifest = {
        "apiVersion": "devices.kubeedge.io/v1beta1",
        "kind": kind,
        "metadata": {"name": "pump", "namespace": "default"},
        "spec": spec,
    }
    return StoredObject(f"{kind}/{PUMP}", kind, "default", "pump", f"uid-{kind}", version, "edge-7", "", manifest)


def model(version: int = 1, maximum: str = "10") -> StoredObject:
    speed = {"name": "speed", "type": "INT", "accessMode": "ReadWrite", "maximum": maximum}
    return stored("DeviceModel", version, {"properties": [speed]})


def device(version: int = 1, desired: str = "7", protocol: str = "external") -> StoredObject:
    speed = {"name": "speed", "desired": {"value": desired}}
    reference, protocols = {"name": "pump"}, {"protocolName": protocol}
    return stored("Device", version, {"deviceModelRef": reference, "protocol": protocols, "properties": [speed]})


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that something was worked out."""
    made: list[int] = []

    def counted(objects: Sequence[Any], protocols: dict[str, ProtocolSchema]) -> Declarations:
        made.append(1)
        return load_objects(objects, protocols)

    monkeypatch.setattr(assembled, "load_objects", counted)
    return made


def test_it_is_worked_out_once_for_each_version(loads: list[int]) -> None:
    known = Assembled({})
    for _ in range(3):
        found = known.device(device(), model())
        assert found is not None
        assert found.properties[0].maximum == 10
        assert known.wrong(device(), model()) == []
    assert len(loads) == 2
    changed = known.device(device(), model(version=2, maximum="20"))
    assert changed is not None
    assert changed.properties[0].maximum == 20
    wrong = known.wrong(device(version=2, desired="70"), model())
    assert [condition.type for condition in wrong] == ["Invalid"]
    assert len(loads) == 4


def test_a_device_of_an_unknown_protocol_is_known_all_the_same_and_said_to_be_wrong() -> None:
    known = Assembled({})
    assert known.device(device(protocol="acme"), model()) is not None
    assert [condition.type for condition in known.wrong(device(protocol="acme"), model())] == ["Invalid"]


def test_what_was_not_asked_for_lately_goes(loads: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembled, "KEPT", 1)
    known = Assembled({})
    other = StoredObject("Device/default/fan", "Device", "default", "fan", "u", 1, "edge-7", "", device().object)
    for one in (device(), other, device()):
        known.wrong(one, model())
    assert len(loads) == 3
