"""Protocols are found whatever their capitals, and `external` needs nobody."""

from __future__ import annotations

from collections import UserDict
from pathlib import Path

import pytest

from device_models import ProtocolSchema
from device_models.load import load
from device_models.protocols import Protocols, UnusableProtocol


def test_names_are_compared_without_capitals() -> None:
    schema = ProtocolSchema()
    protocols = Protocols({"OPCua": schema})
    assert protocols.find("opcUA") == ("OPCua", schema)
    assert protocols.find("opc-ua") is None


def test_external_is_always_there_and_takes_anything() -> None:
    found = Protocols({}).find("External")
    assert found is not None
    name, schema = found
    assert name == "external"
    assert schema.of_config.findings({"anything": [1]}) == schema.of_visitor.findings({}) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [("modbuss", "did you mean modbus? known are: external, modbus"), ("x", "known are: external, modbus")],
)
def test_what_is_not_known_gets_advice(name: str, words: str) -> None:
    assert Protocols({"modbus": ProtocolSchema()}).advice(name).startswith(words)


def test_schemas_are_compiled_once() -> None:
    schema = ProtocolSchema({"type": "object"})
    assert schema.of_config is schema.of_config


class Broken(UserDict[str, ProtocolSchema]):
    """A protocol whose driver is not there when it is asked for."""

    def __getitem__(self, name: str) -> ProtocolSchema:
        if name not in self.data:
            raise KeyError(name)
        raise UnusableProtocol(f"no driver for {name}; install it")


def test_what_cannot_be_used_is_told_at_the_device_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "pump.yaml"
    file.write_text(PUMP)
    broken = Broken({"acme": ProtocolSchema()})
    (problem,) = load(file, broken).problems
    assert problem.message == "no driver for acme; install it"
    assert "protocolName" in file.read_text().splitlines()[problem.line - 1]
    file.write_text(PUMP.replace("ACME", "external"))
    assert load(file, broken).ok


PUMP = """
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: pump}
spec: {properties: [{name: speed, type: INT, accessMode: ReadOnly}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: pump}
spec:
  deviceModelRef: {name: pump}
  protocol:
    protocolName: ACME
"""
