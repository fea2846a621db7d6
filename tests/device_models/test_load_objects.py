"""Declared objects, as a cloud hands them over."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from device_models import ProtocolSchema, load_objects

PROTOCOLS: dict[str, ProtocolSchema] = {}
MODEL: dict[str, Any] = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "DeviceModel",
    "metadata": {"name": "pump", "namespace": "plant", "uid": "u-1", "resourceVersion": "7", "managedFields": []},
    "spec": {"properties": [{"name": "speed", "type": "INT", "accessMode": "ReadWrite"}]},
}
DEVICE: dict[str, Any] = {
    "apiVersion": "devices.kubeedge.io/v1beta1",
    "kind": "Device",
    "metadata": {"name": "pump-1", "namespace": "plant", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {
        "nodeName": "edge-1",
        "deviceModelRef": {"name": "pump"},
        "protocol": {"protocolName": "external"},
        "properties": [{"name": "speed", "desired": {"value": "5"}}],
    },
    "status": {},
}


def test_objects_become_devices_and_are_left_as_they_are() -> None:
    objects = [copy.deepcopy(DEVICE), copy.deepcopy(MODEL)]
    found = load_objects(objects, PROTOCOLS)
    assert found.ok, found.problems
    assert found.devices["plant/pump-1"].property("speed").desired == "5"  # type: ignore[union-attr]
    assert found.documents.keys() == {"Device/plant/pump-1", "DeviceModel/plant/pump"}
    assert objects == [DEVICE, MODEL]


def test_a_problem_names_its_object() -> None:
    broken = copy.deepcopy(DEVICE)
    broken["spec"]["properties"][0]["name"] = "sped"
    found = load_objects([broken, MODEL], PROTOCOLS)
    (problem,) = found.problems
    assert (problem.file, problem.line) == ("Device/plant/pump-1", 0)
    assert "did you mean speed?" in str(problem)
    assert not found.devices


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"kind": "Device"},
        {"kind": "Device", "apiVersion": "devices.kubeedge.io/v1beta1", "metadata": None, "spec": []},
        {"kind": "Device", "apiVersion": "devices.kubeedge.io/v1beta1", "metadata": {"name": 7}, "spec": {}},
        None,
        [],
    ],
)
def test_what_is_no_object_is_told_and_harms_no_other(item: Any) -> None:
    found = load_objects([item, DEVICE, MODEL], PROTOCOLS)
    assert found.devices.keys() == {"plant/pump-1"}
    assert found.problems


def test_what_somebody_else_reads_is_passed_over() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alarm"}}
    found = load_objects([MODEL, pod], PROTOCOLS, lambda manifest: manifest.key == "Pod/default/alarm")
    assert found.documents.keys() == {"DeviceModel/plant/pump"}
    assert not found.problems
    assert [problem.severity for problem in load_objects([pod], PROTOCOLS).problems] == ["warning"]
